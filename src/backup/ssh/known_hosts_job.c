#include "backup/ssh/known_hosts_job.h"

#include "backup/ssh/known_hosts.h"
#include "base/jsonw.h"
#include "base/mem.h"
#include "sys/proc.h"

#include <stdio.h>
#include <string.h>

struct scan {
    struct known_hosts_job spec;
    char *dir, *host, *fingerprint;
    char name[KNOWN_HOST_NAME];
    struct sshkey_public key; /* the one to be pinned */
    struct buf members;
    struct err e;
    bool started, pinning, ok;
};

static void scan_free(void *data)
{
    struct scan *s = data;
    if (!s)
        return;
    buf_done(&s->members);
    mem_free(s->dir);
    mem_free(s->host);
    mem_free(s->fingerprint);
    mem_free(s);
}

void *known_hosts_job_new(const struct known_hosts_job *spec)
{
    struct err e;
    struct scan *s = mem_zalloc(sizeof *s);
    if (!s)
        return NULL;
    s->spec = *spec;
    s->dir = mem_strdup(spec->dir);
    s->host = mem_strdup(spec->host);
    s->fingerprint = mem_strdup(spec->fingerprint);
    buf_init(&s->members, LIMIT_RECORD);
    if (s->dir && s->host && !s->fingerprint == !spec->fingerprint &&
        known_hosts_name(spec->host, spec->port, s->name, &e))
        return s;
    scan_free(s);
    return NULL;
}

static bool start(const struct scan *s, struct operation *op, struct err *e)
{
    AUTO_FREE char *file = proc_which("ssh-keyscan", operation_context(op)->path);
    char port[16], patience[16];
    if (!file)
        return err_set(e, ERR_UNAVAILABLE, "ssh-keyscan is not installed");
    (void)snprintf(port, sizeof port, "%d", s->spec.port ? s->spec.port : 22);
    (void)snprintf(patience, sizeof patience, "%d", KNOWN_HOSTS_SCAN_S);
    const char *const argv[] = {"ssh-keyscan", "-T", patience, "-p", port, "--", s->host, NULL};
    const struct operation_program p = {
        .file = file, .argv = argv, .out = OPERATION_KEEP, .keep_max = KNOWN_HOSTS_SCAN};
    return operation_program(op, &p, e);
}

/* "found":[…]; the expected key is kept. Returns how many there are. */
static size_t read_found(struct scan *s, const struct operation_result *last)
{
    struct jsonw w;
    struct known_line l;
    size_t at = 0, n = 0;
    char line[SSHKEY_LINE];
    jsonw_init(&w, &s->members);
    jsonw_kstr(&w, "host", s->name);
    jsonw_key(&w, "found");
    jsonw_begin_array(&w);
    while (known_hosts_line(last->out, last->out_len, &at, &l)) {
        if (!l.entry || !sshkey_public_write(&l.key, line, sizeof line))
            continue;
        n++;
        jsonw_begin_object(&w);
        jsonw_kstr(&w, "type", l.key.type);
        jsonw_kint(&w, "bits", l.key.bits);
        jsonw_kstr(&w, "fingerprint", l.key.fingerprint);
        jsonw_kstr(&w, "key", line);
        jsonw_end_object(&w);
        if (s->fingerprint && strcmp(l.key.fingerprint, s->fingerprint) == 0)
            s->key = l.key;
    }
    jsonw_end_array(&w);
    return n;
}

static void end(struct scan *s, struct operation *op, const struct verdict_result *v)
{
    struct buf b;
    buf_init(&b, LIMIT_RECORD);
    (void)buf_printf(&b, "{%s}", buf_str(&s->members));
    operation_end(op, v, buf_str(&b));
    buf_done(&b);
}

static void end_failed(struct scan *s, struct operation *op)
{
    struct verdict_result v = {.state = VERDICT_FAILED, .api = s->e.code};
    (void)snprintf(v.word, sizeof v.word, "%s", err_word(s->e.code));
    (void)snprintf(v.sentence, sizeof v.sentence, "%s", s->e.msg);
    end(s, op, &v);
}

static void ask_back(struct scan *s, struct operation *op)
{
    struct verdict_result v = {.state = VERDICT_SUCCEEDED, .api = ERR_CONFIRMATION_NEEDED};
    (void)snprintf(v.word, sizeof v.word, "scanned");
    (void)snprintf(
        v.sentence, sizeof v.sentence,
        "%.200s shows these keys: compare a fingerprint with the server's own, then send "
        "it as \"fingerprint\"",
        s->name);
    end(s, op, &v);
}

static void work(void *data)
{
    struct scan *s = data;
    struct buf found = s->members;
    buf_init(&s->members, LIMIT_RECORD);
    s->ok = known_hosts_pin(s->dir, s->name, &s->key, s->spec.replace, &s->members, &s->e);
    if (s->ok) {
        buf_done(&found);
        return;
    }
    buf_done(&s->members);
    s->members = found; /* what the host shows belongs to the refusal */
}

static void scanned(struct scan *s, struct operation *op, const struct operation_result *last)
{
    size_t n = read_found(s, last);
    if (n == 0)
        (void)err_set(&s->e, ERR_COMMAND_FAILED,
                      "%.200s shows no ssh host key: it cannot be reached "
                      "there, or it is no ssh server",
                      s->name);
    else if (!s->fingerprint) {
        ask_back(s, op);
        return;
    } else if (!s->key.blob_len)
        (void)err_set(&s->e, ERR_FINGERPRINT_MISMATCH,
                      "%.200s shows no key with this fingerprint: nothing was changed", s->name);
    s->pinning = true;
    if (s->e.code != ERR_NONE || !operation_worker(op, work, &s->e))
        end_failed(s, op);
}

static void pinned(struct scan *s, struct operation *op)
{
    struct verdict_result v = {.state = VERDICT_SUCCEEDED};
    operation_is_done(op);
    (void)snprintf(v.word, sizeof v.word, "pinned");
    (void)snprintf(v.sentence, sizeof v.sentence, "%.200s is known with this key", s->name);
    end(s, op, &v);
}

static void scan_step(struct operation *op, void *data, const struct operation_result *last)
{
    struct scan *s = data;
    if (s->pinning && s->ok) {
        pinned(s, op);
        return;
    }
    if (!s->pinning && (last->stopped || operation_stopping(op))) {
        (void)err_set(&s->e, ERR_COMMAND_FAILED, "the question was ended");
    } else if (!s->pinning && last->ran) {
        scanned(s, op, last);
        return;
    } else if (!s->pinning && start(s, op, &s->e)) {
        return;
    }
    end_failed(s, op);
}

const struct operation_plan known_hosts_job_plan = {.step = scan_step, .free = scan_free};
