#include "base/json.h"
#include "docker/engine_internal.h"
#include "limits.h"

#include <stdio.h>
#include <string.h>

/* The newest version that this client was written for; the Engine's own when that is older. */
enum { API_MAJOR = 1, API_MINOR_MAX = 47 };

/* ---- the version ---- */

static void take_version(struct engine *en, const char *text)
{
    unsigned major = 0, minor = 0;
    char more;
    en->version[0] = '\0';
    if (sscanf(text, "%4u.%4u%c", &major, &minor, &more) == 2 && major == API_MAJOR)
        (void)snprintf(en->version, sizeof en->version, "/v%u.%u", major,
                       minor < API_MINOR_MAX ? minor : API_MINOR_MAX);
}

static bool run_to_end(struct engine_stream *s, const struct engine_ask *a, bool head_only,
                       struct err *e)
{
    struct engine *en = s->en;
    uint64_t until = engine_now_ms() + (a->ms ? a->ms : en->call_ms);
    while (!s->over && !(head_only && s->headed && s->status == 200)) {
        uint64_t now = engine_now_ms();
        if (now >= until)
            return engine_fault_timeout(en, a, e);
        if (!engine_turn(en, (unsigned)(until - now)))
            return engine_fault_stopped(en, e);
    }
    bool refused = s->is_stream && s->headed && s->status != 200;
    if (s->over && s->result != CURLE_OK && !refused)
        return engine_fault_transport(s, e);
    return true;
}

/* A proxy that does not even let us ask for the version: paths without one mean the newest. */
bool engine_ready(struct engine *en, struct err *e)
{
    static const struct engine_ask ping = {
        .method = "GET", .path = "/_ping", .needs = NEED_PING, .unversioned = true};
    if (en->negotiated)
        return true;
    struct engine_stream *s = engine_begin(en, &ping, NULL, e);
    if (!s)
        return false;
    bool answered = run_to_end(s, &ping, false, e);
    int status = s->status;
    if (answered && status == 200) {
        take_version(en, s->api_version);
        en->proven |= NEED_PING;
    } else if (answered && status != 403) {
        answered = engine_fault_status(en, &ping, status, &s->body, e);
    }
    engine_end(s);
    en->negotiated = answered;
    return answered;
}

/* ---- calls ---- */

bool engine_ask(struct engine *en, const struct engine_ask *a, int *status, struct buf *body,
                struct err *e)
{
    if (!engine_ready(en, e))
        return false;
    struct engine_stream *s = engine_begin(en, a, NULL, e);
    if (!s)
        return false;
    bool ok = run_to_end(s, a, false, e);
    *status = s->status;
    if (ok && (s->status < 200 || s->status > 299) && s->status != 304)
        ok = engine_fault_status(en, a, s->status, &s->body, e);
    if (ok) {
        en->proven |= a->needs;
        en->hint[0] = '\0';
        *body = s->body; /* its bytes are the caller's now */
        buf_init(&s->body, 0);
    }
    engine_end(s);
    return ok;
}

json_t *engine_ask_json(struct engine *en, const struct engine_ask *a, struct err *e)
{
    struct buf body;
    int status;
    buf_init(&body, 0);
    if (!engine_ask(en, a, &status, &body, e))
        return NULL;
    json_t *o = json_parse(buf_str(&body), body.n, NULL);
    if (!o)
        (void)err_set(e, ERR_DOCKER, "no Docker Engine answers there: %.*s is no JSON",
                      (int)strcspn(a->path, "?"), a->path);
    buf_wipe(&body);
    return o;
}

/* ---- streams ---- */

struct engine_stream *engine_open_stream(struct engine *en, const struct engine_ask *a,
                                         const struct engine_sink *sink, struct err *e)
{
    if (!engine_ready(en, e))
        return NULL;
    struct engine_stream *s = engine_begin(en, a, sink, e);
    if (!s)
        return NULL;
    bool ok = run_to_end(s, a, true, e);
    if (ok && s->status != 200)
        ok = engine_fault_status(en, a, s->status, &s->body, e);
    if (!ok) {
        engine_end(s);
        return NULL;
    }
    en->proven |= a->needs;
    en->hint[0] = '\0';
    s->opened = true;
    return s;
}
