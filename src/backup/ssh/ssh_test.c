#include "backup/ssh/ssh_test.h"

#include "backup/control/shim_args.h"
#include "backup/ssh/ssh_probe.h"
#include "backup/ssh/ssh_target.h"
#include "base/arena.h"
#include "base/jsonw.h"
#include "base/mem.h"
#include "sys/proc.h"

#include <stdio.h>
#include <string.h>

static const char *const steps[] = {"name",           "port",       "host_key",
                                    "authentication", "borg_serve", "repository"};

enum step { STEP_NAME, STEP_PORT, STEP_HOST_KEY, STEP_AUTH, STEP_BORG, STEP_REPOSITORY, STEPS };

struct finding {
    size_t repo; /* its number in the operation */
    char label[128];
    enum step failed; /* STEPS: none */
    char word[48], sentence[384];
};

struct ssh_test {
    char *key;
    bool host_only;
    bool by_borg; /* borg runs, or is next; else ssh */
    bool running;
    size_t at; /* the operation's repository in hand */
    struct finding found[LIMIT_REPOS];
    size_t n;
    int code;
};

struct ssh_test *ssh_test_new(const struct ssh_test_spec *spec)
{
    struct ssh_test *t = mem_zalloc(sizeof *t);
    if (!t)
        return NULL;
    t->host_only = spec->host_only;
    if (ssh_test_key(t, spec->key))
        return t;
    ssh_test_free(t);
    return NULL;
}

void ssh_test_free(struct ssh_test *t)
{
    if (!t)
        return;
    mem_free(t->key);
    mem_free(t);
}

bool ssh_test_key(struct ssh_test *t, const char *key)
{
    mem_free(t->key);
    t->key = mem_strdup(key);
    return !key || t->key;
}

/* ---- what was found ---- */

static enum step step_of(const char *word)
{
    static const struct {
        const char *word;
        enum step step;
    } known[] = {
        {"name_unresolved", STEP_NAME},      {"connection_refused", STEP_PORT},
        {"host_unreachable", STEP_PORT},     {"connect_timeout", STEP_PORT},
        {"host_key_changed", STEP_HOST_KEY}, {"host_key_unknown", STEP_HOST_KEY},
        {"ssh_auth_failed", STEP_AUTH},      {"ssh_failed", STEP_AUTH},
        {"connection_closed", STEP_BORG},    {"version_mismatch", STEP_BORG},
        {"borg_failed", STEP_BORG},          {"borg_killed", STEP_BORG},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(word, known[i].word) == 0)
            return known[i].step;
    return STEP_REPOSITORY;
}

static struct finding *found(struct ssh_test *t, struct operation *op)
{
    struct finding *f = &t->found[t->n++];
    *f = (struct finding){.repo = t->at, .failed = STEPS};
    (void)snprintf(f->label, sizeof f->label, "%.127s",
                   t->host_only ? "" : resolved_repo_name(operation_repo(op, t->at)->repo));
    return f;
}

static void found_fault(struct ssh_test *t, struct operation *op, enum step step, const char *word,
                        const char *sentence)
{
    struct finding *f = found(t, op);
    f->failed = step;
    (void)snprintf(f->word, sizeof f->word, "%s", word);
    (void)snprintf(f->sentence, sizeof f->sentence, "%s", sentence);
}

/* A borg behind that door said that there is no such repository, or that it may not be used. */
static bool borg_answered(const char *word)
{
    return strcmp(word, "repository_not_found") == 0 || strcmp(word, "repository_invalid") == 0 ||
           strcmp(word, "repository_denied") == 0;
}

static void judge_borg(struct ssh_test *t, struct operation *op,
                       const struct operation_result *last)
{
    struct verdict_result v;
    verdict_result(last->verdict, &v);
    t->code = last->code;
    if (v.state == VERDICT_FAILED && !(t->host_only && borg_answered(v.word))) {
        found_fault(t, op, step_of(v.word), v.word, v.sentence);
        return;
    }
    struct finding *f = found(t, op);
    t->code = 0;
    (void)snprintf(f->word, sizeof f->word, "ok");
    (void)snprintf(f->sentence, sizeof f->sentence, "%s",
                   t->host_only ? "ssh came through and borg answered"
                                : "ssh came through and borg opened the repository");
}

/* True: borg is to go on. */
static bool judge_ssh(struct ssh_test *t, struct operation *op, const struct operation_result *last)
{
    char sentence[384];
    const char *word = ssh_probe_word(last->stderr_tail, last->code);
    t->code = last->code;
    if (strcmp(word, "ok") == 0)
        return true;
    ssh_probe_sentence(last->stderr_tail, sentence, sizeof sentence);
    /* ssh is silent about a passphrase that does not fit: both must be said. */
    size_t n = strlen(sentence);
    if (strcmp(word, "ssh_auth_failed") == 0)
        (void)snprintf(sentence + n, sizeof sentence - n,
                       " (the server does not accept the key, or the key's passphrase is wrong or "
                       "missing)");
    found_fault(t, op, step_of(word), word, sentence);
    return false;
}

static void judge(struct ssh_test *t, struct operation *op, const struct operation_result *last)
{
    t->running = false;
    if (t->by_borg) {
        judge_borg(t, op, last);
    } else if (judge_ssh(t, op, last)) {
        t->by_borg = true;
        return;
    }
    t->by_borg = false;
    t->at++;
}

/* ---- the programs ---- */

static const char *value_of(const char *const *env, const char *name)
{
    size_t n = strlen(name);
    for (; env && *env; env++)
        if (strncmp(*env, name, n) == 0 && (*env)[n] == '=')
            return *env + n + 1;
    return NULL;
}

/* The ssh command in force for the repository: borg's option counts more than its environment. */
static const char *rsh_of(const struct resolved_repo *repo)
{
    for (const char *const *o = repo->options; o && *o; o++) {
        if (strcmp(*o, "--rsh") == 0 && o[1])
            return o[1];
        if (strncmp(*o, "--rsh=", 6) == 0)
            return *o + 6;
    }
    return value_of(repo->env, "BORG_RSH");
}

static bool start_ssh(struct ssh_test *t, struct operation *op, const char *location,
                      const char *rsh, struct arena *a, struct err *e)
{
    const char *const *argv = ssh_target_argv(a, location, rsh, true, e);
    if (!argv)
        return false;
    AUTO_FREE char *file = proc_which(argv[0], operation_context(op)->path);
    if (!file)
        return err_set(e, ERR_UNAVAILABLE, "the ssh program is not installed");
    const struct operation_program p = {
        .file = file, .argv = argv, .out = OPERATION_LINES, .ssh_key = t->key};
    return operation_program(op, &p, e);
}

static bool start_borg(struct ssh_test *t, struct operation *op, const char *rsh, struct arena *a,
                       struct err *e)
{
    static const char *const verb[] = {"list", "--short", "--last", "1", NULL};
    AUTO_FREE char *strict = shim_args_rsh(rsh);
    const char *const tail[] = {arena_printf(a, "--rsh=%s",
                                             strict ? strict
                                             : rsh  ? rsh
                                                    : "ssh"),
                                NULL};
    if (!tail[0])
        return err_set(e, ERR_NO_MEMORY, "no memory to start borg");
    const struct operation_borg b = {.repo = operation_repo(op, t->at),
                                     .verb = verb,
                                     .tail = tail,
                                     .out = OPERATION_KEEP,
                                     .ssh_key = t->key};
    return operation_borg(op, &b, e);
}

static bool start(struct ssh_test *t, struct operation *op, struct err *e)
{
    const struct resolved_repo *repo = operation_repo(op, t->at)->repo;
    const char *rsh = rsh_of(repo);
    struct arena a;
    arena_init(&a, LIMIT_ARENA);
    if (t->key)
        rsh = ssh_target_with_key(&a, rsh, t->key, e);
    bool ok = (rsh || !t->key) && (t->by_borg ? start_borg(t, op, rsh, &a, e)
                                              : start_ssh(t, op, repo->location, rsh, &a, e));
    arena_done(&a);
    t->running = ok;
    return ok;
}

enum ssh_test_next ssh_test_next(struct ssh_test *t, struct operation *op,
                                 const struct operation_result *last, struct err *e)
{
    if (t->running)
        judge(t, op, last);
    while (t->at < operation_repo_count(op) && !operation_repo(op, t->at)->repo->remote)
        t->at++;
    if (t->at < operation_repo_count(op))
        return start(t, op, e) ? SSH_TEST_RUNS : SSH_TEST_BROKEN;
    if (t->n == 0) {
        (void)err_field(e, ERR_BAD_REQUEST, "repository",
                        "the configuration has no repository behind ssh");
        return SSH_TEST_BROKEN;
    }
    operation_exit_code(op, t->code);
    return SSH_TEST_OVER;
}

/* ---- the answer ---- */

static const struct finding *worst(const struct ssh_test *t)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->found[i].failed != STEPS)
            return &t->found[i];
    return &t->found[0];
}

bool ssh_test_passed(const struct ssh_test *t)
{
    return t->n > 0 && worst(t)->failed == STEPS;
}

const char *ssh_test_word(const struct ssh_test *t)
{
    return worst(t)->word;
}

const char *ssh_test_sentence(const struct ssh_test *t)
{
    return worst(t)->sentence;
}

static void write_finding(struct jsonw *w, const struct ssh_test *t, const struct finding *f)
{
    enum step last = t->host_only ? STEP_BORG : STEP_REPOSITORY;
    jsonw_kbool(w, "reachable", f->failed == STEPS);
    jsonw_kstr(w, "step", f->failed == STEPS ? NULL : steps[f->failed]);
    jsonw_kstr(w, "word", f->word);
    jsonw_kstr(w, "sentence", f->sentence);
    jsonw_key(w, "steps");
    jsonw_begin_array(w);
    for (size_t i = 0; i <= last; i++) {
        jsonw_begin_object(w);
        jsonw_kstr(w, "step", steps[i]);
        if (i > f->failed)
            jsonw_kraw(w, "ok", NULL); /* not come to */
        else
            jsonw_kbool(w, "ok", i < f->failed);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
}

void ssh_test_members(const struct ssh_test *t, struct buf *out)
{
    struct jsonw w;
    jsonw_init(&w, out);
    write_finding(&w, t, worst(t));
    if (t->host_only)
        return;
    jsonw_key(&w, "repositories");
    jsonw_begin_array(&w);
    for (size_t i = 0; i < t->n; i++) {
        jsonw_begin_object(&w);
        jsonw_kstr(&w, "label", t->found[i].label);
        write_finding(&w, t, &t->found[i]);
        jsonw_end_object(&w);
    }
    jsonw_end_array(&w);
}
