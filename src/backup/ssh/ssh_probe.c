#include "backup/ssh/ssh_probe.h"

#include "backup/ssh/ssh_target.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "limits.h"
#include "sys/proc.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { STDERR_MAX = 16 * 1024, SENTENCE_MAX = 240 };

struct probe {
    uv_timer_t timer;
    struct proc *proc;
    struct buf text;
    bool exited, ended, late;
    int code;
    ssh_probe_done done;
    void *arg;
};

/* ssh's words, the surest first: a changed key is followed by "Host key verification failed". */
static const struct {
    const char *needle, *word;
} rules[] = {
    {"REMOTE HOST IDENTIFICATION HAS CHANGED", "host_key_changed"},
    {"has changed and you have requested strict checking", "host_key_changed"},
    {"Host key verification failed", "host_key_unknown"},
    {"host key is known for", "host_key_unknown"},
    {"Could not resolve hostname", "name_unresolved"},
    {"Name or service not known", "name_unresolved"},
    {"Connection refused", "connection_refused"},
    {"No route to host", "host_unreachable"},
    {"Network is unreachable", "host_unreachable"},
    {"Connection timed out", "connect_timeout"},
    {"Operation timed out", "connect_timeout"},
    {"Connection to ", NULL}, /* "Connection to H port N timed out": looked at below */
    {"Permission denied (", "ssh_auth_failed"},
    {"Too many authentication failures", "ssh_auth_failed"},
    {"No more authentication methods", "ssh_auth_failed"},
};

/* Where a rule's words stand in the text, and its word; NULL when no rule fits. */
static const char *find_rule(const char *text, const char **at)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        const char *p = strstr(text, rules[i].needle);
        if (!p)
            continue;
        *at = p;
        if (rules[i].word)
            return rules[i].word;
        if (strstr(p, "timed out"))
            return "connect_timeout";
    }
    return NULL;
}

const char *ssh_probe_word(const char *stderr_text, int exit_code)
{
    const char *at = NULL;
    if (exit_code != 255)
        return "ok"; /* the code is that of the command on the other side: ssh reached it */
    const char *word = find_rule(stderr_text, &at);
    return word ? word : "ssh_failed";
}

void ssh_probe_sentence(const char *text, char *out, size_t size)
{
    const char *at = NULL;
    if (!find_rule(text, &at)) {
        size_t n = strlen(text);
        while (n > 0 && strchr("\r\n ", text[n - 1]))
            n--;
        at = text + n;
    }
    const char *from = at;
    while (from > text && from[-1] != '\n')
        from--;
    size_t n = strcspn(from, "\r\n");
    n = utf8_cut(from, n, size - 1);
    size_t k = 0;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)from[i] >= 0x20 && from[i] != 0x7f)
            out[k++] = from[i];
    out[k] = '\0';
}

static void on_closed(uv_handle_t *h)
{
    struct probe *p = h->data;
    buf_done(&p->text);
    mem_free(p);
}

static void finish(struct probe *p)
{
    char sentence[SENTENCE_MAX];
    const char *text = buf_str(&p->text);
    ssh_probe_sentence(text, sentence, sizeof sentence);
    if (p->late) {
        (void)kill(-proc_pid(p->proc), SIGKILL); /* ssh and what it started: its own session */
        p->done(p->arg, "connect_timeout", sentence[0] ? sentence : "ssh did not end in time");
    } else {
        p->done(p->arg, ssh_probe_word(text, p->code), sentence);
    }
    proc_release(TAKE(p->proc));
    uv_close((uv_handle_t *)&p->timer, on_closed);
}

static void on_timer(uv_timer_t *t)
{
    struct probe *p = t->data;
    p->late = !p->exited;
    finish(p);
}

static void ended(struct probe *p)
{
    /* A background process of ssh may hold the pipe: its end is waited for only shortly. */
    if (p->exited)
        (void)uv_timer_start(&p->timer, on_timer, p->ended ? 0 : 200, 0);
}

static void on_data(void *arg, enum proc_stream stream, const char *bytes, size_t n)
{
    struct probe *p = arg;
    if (stream != PROC_STDERR)
        return;
    size_t room = STDERR_MAX - p->text.n;
    (void)buf_append(&p->text, bytes, n < room ? n : room);
}

static void on_eof(void *arg, enum proc_stream stream)
{
    struct probe *p = arg;
    if (stream != PROC_STDERR)
        return;
    p->ended = true;
    ended(p);
}

static void on_ended(void *arg, int code, int signal)
{
    struct probe *p = arg;
    p->exited = true;
    p->code = code;
    ended(p);
}

static const char *env_value(const char *const *env, const char *name)
{
    size_t n = strlen(name);
    for (; *env; env++)
        if (strncmp(*env, name, n) == 0 && (*env)[n] == '=')
            return *env + n + 1;
    return NULL;
}

static struct proc *start_ssh(uv_loop_t *loop, struct probe *p, const struct ssh_probe_spec *spec,
                              struct err *e)
{
    struct arena a;
    struct proc *proc = NULL;
    bool interactive = env_value(spec->env, "SSH_ASKPASS") != NULL;
    arena_init(&a, 64 * 1024);
    const char *const *argv = ssh_target_argv(&a, spec->location, spec->rsh, interactive, e);
    AUTO_FREE char *file = argv ? proc_which(argv[0], env_value(spec->env, "PATH")) : NULL;
    if (argv && !file)
        (void)err_set(e, ERR_UNAVAILABLE, "the ssh program is not installed");
    if (file) {
        const struct proc_spec child = {.file = file,
                                        .argv = argv,
                                        .envp = spec->env,
                                        .on_data = on_data,
                                        .on_eof = on_eof,
                                        .on_exit = on_ended,
                                        .arg = p};
        proc = proc_start(loop, &child, e);
    }
    arena_done(&a);
    return proc;
}

bool ssh_probe(uv_loop_t *loop, const struct ssh_probe_spec *spec, struct err *e)
{
    struct probe *p = mem_zalloc(sizeof *p);
    if (!p)
        return err_set(e, ERR_NO_MEMORY, "no memory to ask ssh");
    buf_init(&p->text, STDERR_MAX);
    p->done = spec->done;
    p->arg = spec->arg;
    p->proc = start_ssh(loop, p, spec, e);
    if (!p->proc) {
        mem_free(p);
        return false;
    }
    (void)uv_timer_init(loop, &p->timer);
    p->timer.data = p;
    (void)uv_timer_start(&p->timer, on_timer, PROBE_MS, 0);
    if (spec->started)
        spec->started(spec->arg, proc_pid(p->proc));
    return true;
}
