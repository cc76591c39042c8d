#include "policy/audit.h"

#include "base/jsonw.h"
#include "base/mem.h"
#include "limits.h"
#include "sys/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

struct audit {
    int fd; /* −1: no file */
    bool to_log;
};

struct audit *audit_new(const char *path, bool to_log, struct err *e)
{
    struct audit *a = mem_zalloc(sizeof *a);
    if (!a) {
        (void)err_set(e, ERR_NO_MEMORY, "no memory for the audit log");
        return NULL;
    }
    a->fd = -1;
    a->to_log = to_log;
    if (!path || !*path)
        return a;
    a->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (a->fd >= 0)
        return a;
    (void)err_field(e, ERR_UNAVAILABLE, "AUDIT_LOG_PATH", "cannot open %.200s: %s", path,
                    strerror(errno));
    mem_free(a);
    return NULL;
}

void audit_free(struct audit *a)
{
    if (!a)
        return;
    if (a->fd >= 0)
        (void)close(a->fd);
    mem_free(a);
}

static void member(struct jsonw *w, const char *key, const char *value)
{
    if (value)
        jsonw_kstr(w, key, value);
}

static void line_of(const struct audit_entry *n, struct buf *out)
{
    struct jsonw w;
    struct timeval now;
    (void)gettimeofday(&now, NULL);
    jsonw_init(&w, out);
    jsonw_begin_object(&w);
    jsonw_kseconds(&w, "time", (double)now.tv_sec + (double)now.tv_usec / 1e6);
    member(&w, "action", n->action);
    member(&w, "role", n->role);
    member(&w, "identity", n->identity);
    member(&w, "address", n->address);
    member(&w, "request_id", n->request_id);
    member(&w, "label", n->label);
    member(&w, "reason", n->reason);
    member(&w, "job", n->job);
    member(&w, "outcome", n->outcome);
    jsonw_end_object(&w);
    (void)buf_putc(out, '\n');
}

bool audit_write(struct audit *a, const struct audit_entry *n)
{
    if (a->to_log)
        log_event(LOG_L_NOTICE, "audit", "action", n->action, "role", n->role, "identity",
                  n->identity, "address", n->address, "request_id", n->request_id, "label",
                  n->label, "reason", n->reason, "job", n->job, "outcome", n->outcome, NULL);
    if (a->fd < 0)
        return true;
    struct buf line;
    buf_init(&line, LIMIT_EVENT);
    line_of(n, &line);
    bool ok = !line.failed && write(a->fd, line.p, line.n) == (ssize_t)line.n;
    buf_done(&line);
    return ok;
}
