#include "base/json.h"
#include "docker/engine_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 2, 3))) static void hint(struct engine *en, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(en->hint, sizeof en->hint, fmt, ap);
    va_end(ap);
}

/* ---- no answer came ---- */

static bool not_connected(const struct engine_stream *s, struct err *e)
{
    struct engine *en = s->en;
    long number = 0;
    (void)curl_easy_getinfo(s->easy, CURLINFO_OS_ERRNO, &number);
    const char *where = en->socket ? en->socket : en->base + strlen("http://");
    if (number == EACCES || number == EPERM) {
        hint(en, "give this daemon's user access to %s (its group is often \"docker\")", where);
        return err_set(e, ERR_DOCKER_PERMISSION, "no permission to use %s", where);
    }
    hint(en, en->socket ? "start Docker, or mount its socket here and name it in DOCKER_HOST"
                        : "start the Docker socket proxy, or mend DOCKER_HOST");
    return err_set(e, ERR_DOCKER_REFUSED, "no Docker Engine listens at %s%s%s", where,
                   number ? ": " : "", number ? strerror((int)number) : "");
}

bool engine_fault_unknown_host(struct engine *en, const char *name, struct err *e)
{
    hint(en, "start the Docker socket proxy in a network of this container's, or mend DOCKER_HOST");
    return err_set(e, ERR_DOCKER_REFUSED, "the name %s of DOCKER_HOST is not known", name);
}

bool engine_fault_transport(const struct engine_stream *s, struct err *e)
{
    s->en->hint[0] = '\0';
    if (s->body.failed)
        return err_set(e, ERR_DOCKER, "the Docker Engine's answer is longer than %zu bytes",
                       s->body.max);
    if (s->garbled)
        return err_set(e, ERR_DOCKER, "the Docker Engine's stream is not framed as it should be");
    switch ((int)s->result) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
        return not_connected(s, e);
    case CURLE_OPERATION_TIMEDOUT: /* the connection's; all other waits are bounded by ourselves */
        hint(s->en, "is the host of DOCKER_HOST reachable from here?");
        return err_set(e, ERR_TIMEOUT, "no connection to the Docker Engine in time");
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
        return err_set(e, ERR_DOCKER, "what listens there is no Docker Engine: %s",
                       s->error[0] ? s->error : curl_easy_strerror(s->result));
    default:
        return err_set(e, ERR_DOCKER, "the connection to the Docker Engine broke off: %s",
                       s->error[0]             ? s->error
                       : s->result == CURLE_OK ? "the last frame is not whole"
                                               : curl_easy_strerror(s->result));
    }
}

bool engine_fault_timeout(struct engine *en, const struct engine_ask *a, struct err *e)
{
    hint(en, "the Docker Engine is overloaded or hangs: see its log");
    return err_set(e, ERR_TIMEOUT, "the Docker Engine did not answer %s %.*s in time", a->method,
                   (int)strcspn(a->path, "?"), a->path);
}

bool engine_fault_stopped(struct engine *en, struct err *e)
{
    en->hint[0] = '\0';
    return err_set(e, ERR_INTERRUPTED, "given up while waiting for the Docker Engine");
}

/* ---- an answer that is an error ---- */

static const struct {
    enum engine_need need;
    const char *name;
} needs[] = {
    {NEED_PING, "PING"},       {NEED_VERSION, "VERSION"}, {NEED_CONTAINERS, "CONTAINERS"},
    {NEED_EXEC, "EXEC"},       {NEED_POST, "POST"},       {NEED_EVENTS, "EVENTS"},
    {NEED_VOLUMES, "VOLUMES"}, {NEED_SYSTEM, "SYSTEM"},
};

/* Names what the request needs and no earlier answer has shown to be allowed. */
static bool forbidden(struct engine *en, const struct engine_ask *a, struct err *e)
{
    char names[96] = "";
    unsigned missing = a->needs & ~en->proven ? a->needs & ~en->proven : a->needs;
    for (size_t i = 0, n = 0; i < sizeof needs / sizeof *needs && n < sizeof names; i++)
        if (missing & needs[i].need)
            n += (size_t)snprintf(names + n, sizeof names - n, "%s%s=1", n ? " and " : "",
                                  needs[i].name);
    hint(en, "allow %s in the Docker socket proxy", names);
    return err_set(e, ERR_DOCKER_PERMISSION,
                   "the Docker socket proxy forbids %s %.*s: it does not allow %s", a->method,
                   (int)strcspn(a->path, "?"), a->path, names);
}

/* The Engine's own words: {"message":"…"}. */
static bool own_words(const struct engine_ask *a, int status, const struct buf *body, struct err *e)
{
    json_t *o = json_parse(buf_str(body), body->n, NULL);
    const char *message = json_get_str(o, "message", NULL);
    bool no_container = a->container && status == 404;
    if (no_container && (!message || strcasestr(message, "no such container")))
        (void)err_set(e, ERR_CONTAINER_NOT_FOUND, "there is no container %s", a->container);
    else if (a->forgettable && status == 404)
        (void)err_set(e, ERR_NOT_FOUND, "the Docker Engine does not know it (any more)");
    else if (message)
        (void)err_set(e, ERR_DOCKER, "the Docker Engine refused %s %.*s: %.250s", a->method,
                      (int)strcspn(a->path, "?"), a->path, message);
    else
        (void)err_set(e, ERR_DOCKER, "no Docker Engine answers there (status %d)", status);
    json_decref(o);
    return false;
}

bool engine_fault_status(struct engine *en, const struct engine_ask *a, int status,
                         const struct buf *body, struct err *e)
{
    en->hint[0] = '\0';
    if (status == 403)
        return forbidden(en, a, e);
    if (status >= 502 && status <= 504) {
        hint(en, "raise the Docker socket proxy's `timeout server`, and see whether the Engine "
                 "runs behind it");
        return err_set(e, ERR_DOCKER, "the Docker socket proxy got no answer from the Engine");
    }
    return own_words(a, status, body, e);
}
