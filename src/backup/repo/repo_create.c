#include "backup/repo/repo_create.h"

#include "base/json.h"
#include "base/jsonw.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

static const char already[] = "there is a repository already";

struct repo_create {
    struct borgmatic_options options;
    char encryption[32], quota[32];
    bool made[LIMIT_REPOS]; /* by this job, to be opened */
    bool some_existed, opening;
    size_t next;   /* to be opened */
    char *members; /* of the result */
};

static void repo_create_free(void *data)
{
    struct repo_create *rc = data;
    if (!rc)
        return;
    mem_free(rc->members);
    mem_free(rc);
}

void *repo_create_new(const struct borgmatic_options *o)
{
    struct repo_create *rc = mem_zalloc(sizeof *rc);
    if (!rc)
        return NULL;
    rc->options = *o;
    (void)snprintf(rc->encryption, sizeof rc->encryption, "%s", o->encryption);
    rc->options.encryption = rc->encryption;
    if (o->storage_quota) {
        (void)snprintf(rc->quota, sizeof rc->quota, "%s", o->storage_quota);
        rc->options.storage_quota = rc->quota;
    }
    return rc;
}

bool repo_create_quota_ok(const char *text)
{
    size_t n = strspn(text, "0123456789");
    if (n == 0 || n > 12)
        return false;
    if (text[n] == '.') {
        size_t k = strspn(text + n + 1, "0123456789");
        if (k == 0 || k > 6)
            return false;
        n += 1 + k;
    }
    return text[n] == '\0' || (strchr("KMGTP", text[n]) && text[n + 1] == '\0');
}

/* ---- borgmatic's part ---- */

static void note_command(struct operation *op, struct repo_create *rc)
{
    struct arena a;
    struct buf b;
    struct jsonw w;
    arena_init(&a, LIMIT_ARENA);
    const char *const *argv =
        borgmatic_argv(&a, operation_context(op)->tools, BORGMATIC_REPO_CREATE,
                       operation_config(op)->file, &rc->options, NULL);
    buf_init(&b, LIMIT_RECORD);
    (void)buf_puts(&b, "\"command\":");
    jsonw_init(&w, &b);
    jsonw_begin_array(&w);
    for (; argv && *argv; argv++)
        jsonw_str(&w, *argv);
    jsonw_end_array(&w);
    rc->members = buf_take(&b, NULL);
    arena_done(&a);
}

static void start(struct operation *op, struct repo_create *rc)
{
    struct err e = {0};
    note_command(op, rc);
    if (!operation_borgmatic(op, BORGMATIC_REPO_CREATE, &rc->options, "init|rcreate|repo-create",
                             &e))
        operation_fail(op, &e);
}

/* borgmatic looks at each first, and leaves one that is there alone (or fails, when it is of
 * another mode). False: a borg failed. */
static bool sort_out(struct operation *op, struct repo_create *rc)
{
    bool well = true;
    for (size_t i = 0; i < operation_repo_count(op); i++) {
        struct operation_repo *r = operation_repo(op, i);
        struct verdict_result v = {0};
        if (!r->verdict)
            continue;
        if (!r->main_ran)
            verdict_expect(r->verdict, "already_exists", already);
        verdict_result(r->verdict, &v);
        well = well && v.state != VERDICT_FAILED;
        rc->made[i] = r->main_ran && v.state != VERDICT_FAILED;
        rc->some_existed = rc->some_existed || !r->main_ran;
    }
    return well;
}

/* ---- the proof ---- */

static void note_opened(struct operation *op, const struct operation_result *last, size_t i)
{
    json_t *answer = json_parse(last->out, last->out_len, NULL);
    const json_t *repo = json_object_get(answer, "repository");
    struct buf b;
    struct jsonw w;
    buf_init(&b, LIMIT_RECORD);
    jsonw_init(&w, &b);
    jsonw_kstr(&w, "id", json_get_str(repo, "id", NULL));
    jsonw_kstr(&w, "encryption", json_get_str(json_object_get(answer, "encryption"), "mode", NULL));
    if (answer)
        operation_repo_result(operation_repo(op, i), buf_str(&b));
    buf_done(&b);
    json_decref(answer);
}

static bool any_made(const struct repo_create *rc)
{
    for (size_t i = 0; i < LIMIT_REPOS; i++)
        if (rc->made[i])
            return true;
    return false;
}

static void end(struct operation *op, const struct repo_create *rc)
{
    struct verdict_result v = {0};
    if (!rc->some_existed) {
        operation_end_worst(op, rc->members);
        return;
    }
    bool none = !any_made(rc);
    v.state = none ? VERDICT_FAILED : VERDICT_WARNING;
    v.api = none ? ERR_ALREADY_EXISTS : ERR_NONE;
    (void)snprintf(v.word, sizeof v.word, "%s", none ? "already_exists" : "some_existed");
    (void)snprintf(v.sentence, sizeof v.sentence, "%s",
                   none ? already
                        : "some of the repositories were there already; the others were "
                          "made");
    operation_end_as(op, &v, rc->members);
}

static void open_next(struct operation *op, struct repo_create *rc)
{
    static const char *const verb[] = {"info", "--json", NULL};
    struct err e = {0};
    while (rc->next < operation_repo_count(op) && !rc->made[rc->next])
        rc->next++;
    if (rc->next == operation_repo_count(op)) {
        end(op, rc);
        return;
    }
    rc->opening = true;
    const struct operation_borg b = {
        .repo = operation_repo(op, rc->next), .verb = verb, .out = OPERATION_KEEP};
    if (!operation_borg(op, &b, &e))
        operation_fail(op, &e);
}

/* Without any borg a hook has said no, or borgmatic could not. */
static bool goes_on(const struct repo_create *rc, const struct operation_result *last)
{
    if (!any_made(rc))
        return rc->some_existed;
    return last->code == 0;
}

static void repo_create_step(struct operation *op, void *data, const struct operation_result *last)
{
    struct repo_create *rc = data;
    struct verdict_result v;
    if (!last->ran) {
        start(op, rc);
        return;
    }
    bool borgmatic_ran = !rc->opening;
    if (borgmatic_ran && (!sort_out(op, rc) || last->stopped || !goes_on(rc, last))) {
        operation_end_worst(op, rc->members);
        return;
    }
    if (!borgmatic_ran) {
        verdict_result(last->verdict, &v);
        if (last->stopped || v.state == VERDICT_FAILED) {
            operation_end_worst(op, rc->members);
            return;
        }
        note_opened(op, last, rc->next++);
    }
    open_next(op, rc);
}

const struct operation_plan repo_create_plan = {.step = repo_create_step, .free = repo_create_free};
