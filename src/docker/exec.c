#include "docker/exec.h"

#include "base/json.h"
#include "base/mem.h"
#include "docker/engine_internal.h"
#include "limits.h"
#include "sys/log.h"

#include <stdio.h>
#include <string.h>

enum { PATH = 512, COMMAND = 512 };

/* ---- create and start ---- */

static void command_text(const char *const *argv, char *out, size_t size)
{
    *out = '\0';
    for (size_t n = 0; *argv && n < size; argv++)
        n += (size_t)snprintf(out + n, size - n, "%s%s", n ? " " : "", *argv);
}

static void write_list(struct jsonw *w, const char *key, const char *const *list)
{
    jsonw_key(w, key);
    jsonw_begin_array(w);
    for (; list && *list; list++)
        jsonw_str(w, *list);
    jsonw_end_array(w);
}

static bool body_of(const struct exec_command *c, struct buf *b, struct err *e)
{
    struct jsonw w;
    jsonw_init(&w, b);
    jsonw_begin_object(&w);
    jsonw_kbool(&w, "AttachStdin", false);
    jsonw_kbool(&w, "AttachStdout", true);
    jsonw_kbool(&w, "AttachStderr", true);
    jsonw_kbool(&w, "Tty", false);
    write_list(&w, "Cmd", c->argv);
    write_list(&w, "Env", c->env);
    jsonw_end_object(&w);
    return !b->failed || err_set(e, ERR_NO_MEMORY, "no memory for an exec");
}

static bool id_valid(const char *id)
{
    size_t n = strlen(id);
    return n > 0 && n < EXEC_ID && strspn(id, "0123456789abcdef") == n;
}

static bool create(struct engine *en, const struct exec_command *c, char id[EXEC_ID], struct err *e)
{
    char path[PATH];
    struct buf body;
    if (!engine_name_valid(c->container, e))
        return false;
    (void)snprintf(path, sizeof path, "/containers/%s/exec", c->container);
    buf_init(&body, EXEC_BODY);
    json_t *o = NULL;
    if (body_of(c, &body, e)) {
        const struct engine_ask a = {.method = "POST",
                                     .path = path,
                                     .body = buf_str(&body),
                                     .needs = NEED_CONTAINERS | NEED_POST,
                                     .container = c->container};
        o = engine_ask_json(en, &a, e);
    }
    buf_done(&body);
    const char *given = json_get_str(o, "Id", "");
    bool ok = o && (id_valid(given) || err_set(e, ERR_DOCKER, "the Docker Engine gave no exec id"));
    if (ok)
        (void)snprintf(id, EXEC_ID, "%s", given);
    json_decref(o);
    return ok;
}

struct engine_stream *exec_start(struct engine *en, const struct whitelist *w,
                                 const struct exec_command *c, const struct engine_sink *sink,
                                 char id[EXEC_ID], struct err *e)
{
    char command[COMMAND], line[COMMAND + 256], path[PATH];
    *id = '\0';
    if (!whitelist_allows(w, c->container, c->argv, c->env, e))
        return NULL;
    command_text(c->argv, command, sizeof command);
    (void)snprintf(line, sizeof line, "[SECURITY] docker exec validated: container=%s, command=%s",
                   c->container, command);
    log_event(LOG_L_NOTICE, "docker_exec", "message", line, NULL);
    if (c->audit)
        c->audit(c->audit_arg, c->container, command);
    if (!create(en, c, id, e))
        return NULL;
    (void)snprintf(path, sizeof path, "/exec/%s/start", id);
    const struct engine_ask a = {.method = "POST",
                                 .path = path,
                                 .body = "{\"Detach\":false,\"Tty\":false}",
                                 .needs = NEED_EXEC | NEED_POST,
                                 .framing = FRAMING_ALWAYS};
    return engine_open_stream(en, &a, sink, e);
}

bool exec_inspect(struct engine *en, const char *id, struct exec_state *out, struct err *e)
{
    char path[PATH];
    struct err why = {0};
    *out = (struct exec_state){.code = -1};
    if (!id_valid(id))
        return err_field(e, ERR_BAD_REQUEST, "id", "this is no id of an exec");
    (void)snprintf(path, sizeof path, "/exec/%s/json", id);
    const struct engine_ask a = {
        .method = "GET", .path = path, .needs = NEED_EXEC, .forgettable = true};
    json_t *o = engine_ask_json(en, &a, &why);
    if (!o && why.code == ERR_NOT_FOUND)
        return true;
    if (!o) {
        *e = why;
        return false;
    }
    out->known = true;
    out->running = json_get_bool(o, "Running", false);
    out->code = out->running ? -1 : (int)json_get_int(o, "ExitCode", -1);
    json_decref(o);
    return true;
}

bool exec_permitted(struct engine *en, struct err *e)
{
    static const char path[] = "/exec/"
                               "0000000000000000000000000000000000000000000000000000000000000000"
                               "/start";
    struct err why = {0};
    const struct engine_ask a = {.method = "POST",
                                 .path = path,
                                 .body = "{\"Detach\":true,\"Tty\":false}",
                                 .needs = NEED_EXEC | NEED_POST,
                                 .forgettable = true};
    json_decref(engine_ask_json(en, &a, &why));
    if (why.code == ERR_NOT_FOUND)
        return true;
    if (why.code == ERR_NONE)
        (void)err_set(&why, ERR_DOCKER, "the Docker Engine started an exec that does not exist");
    if (e)
        *e = why;
    return false;
}

/* ---- run to the end ---- */

struct running {
    struct buf out[2];
    size_t max;
    bool ended;
};

static void on_data(void *arg, enum engine_out out, const char *p, size_t n)
{
    struct running *r = arg;
    struct buf *b = &r->out[out];
    if (n > r->max) {
        p += n - r->max;
        n = r->max;
    }
    if (b->n + n > r->max)
        buf_consume(b, b->n + n - r->max);
    (void)buf_append(b, p, n);
}

static void on_end(void *arg, const struct err *e)
{
    struct running *r = arg;
    r->ended = true;
}

/* Its stream ends a moment before the Engine knows how it ended, or long before when it was cut. */
static bool await_code(struct engine *en, const char *id, uint64_t until, int *code, struct err *e)
{
    for (unsigned pause = EXEC_LOOK_FIRST_MS;; pause = pause < EXEC_LOOK_MS ? pause * 2 : pause) {
        struct exec_state now;
        if (!exec_inspect(en, id, &now, e))
            return false;
        *code = now.code;
        if (!now.running)
            return true;
        if (engine_now_ms() >= until)
            return err_set(e, ERR_TIMEOUT, "the command goes on");
        uint64_t next = engine_now_ms() + pause;
        for (uint64_t t; (t = engine_now_ms()) < next;)
            if (!engine_turn(en, (unsigned)(next - t)))
                return engine_fault_stopped(en, e);
    }
}

static bool run(struct engine *en, const struct whitelist *w, const struct exec_command *c,
                unsigned ms, struct running *r, int *code, struct err *e)
{
    char id[EXEC_ID];
    uint64_t until = engine_now_ms() + ms;
    const struct engine_sink sink = {.data = on_data, .end = on_end, .arg = r};
    struct engine_stream *s = exec_start(en, w, c, &sink, id, e);
    if (!s)
        return false;
    bool go_on = true;
    for (uint64_t t; go_on && !r->ended && (t = engine_now_ms()) < until;)
        go_on = engine_wait(en, (unsigned)(until - t));
    engine_stream_close(s);
    if (!go_on)
        return engine_fault_stopped(en, e);
    return r->ended ? await_code(en, id, until, code, e)
                    : err_set(e, ERR_TIMEOUT, "the command goes on");
}

bool exec_run(struct engine *en, const struct whitelist *w, const struct exec_command *c,
              unsigned ms, size_t max, struct exec_result *out, struct err *e)
{
    struct running r = {.max = max};
    int code = -1;
    buf_init(&r.out[ENGINE_STDOUT], max);
    buf_init(&r.out[ENGINE_STDERR], max);
    *out = (struct exec_result){.code = -1};
    bool ok = run(en, w, c, ms, &r, &code, e);
    if (ok) {
        out->code = code;
        out->out = mem_strndup(buf_str(&r.out[ENGINE_STDOUT]), r.out[ENGINE_STDOUT].n);
        out->err = mem_strndup(buf_str(&r.out[ENGINE_STDERR]), r.out[ENGINE_STDERR].n);
        ok = (out->out && out->err) || err_set(e, ERR_NO_MEMORY, "no memory for what it printed");
    }
    if (!ok) {
        mem_freep(&out->out);
        mem_freep(&out->err);
    }
    buf_done(&r.out[ENGINE_STDOUT]);
    buf_done(&r.out[ENGINE_STDERR]);
    return ok;
}
