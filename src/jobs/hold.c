#include "jobs/hold.h"

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "limits.h"
#include "sys/fsafe.h"

#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#define HOLD_FILE "emergency.json"

struct hold {
    uv_loop_t *loop;
    struct jobs *jobs;
    int dir;
    struct hold_state state;
    char problem[384];
    /* one write at a time, on a worker thread */
    uv_work_t work;
    bool writing;
    struct buf text; /* empty: the file goes */
    struct err failed;
    void (*done)(void *arg, const struct err *e);
    void *arg;
    bool closing;
    void (*closed)(void *arg);
    void *closed_arg;
};

/* ---- the file ---- */

static void copy(char *out, size_t size, const json_t *o, const char *key)
{
    (void)snprintf(out, size, "%s", json_get_str(o, key, ""));
}

static bool parse(const struct buf *text, struct hold_state *s)
{
    json_t *o = json_parse(buf_str(text), text->n, NULL);
    bool sound = json_is_object(o) && json_is_boolean(json_object_get(o, "on")) &&
                 json_is_boolean(json_object_get(o, "owes_start"));
    s->on = json_get_bool(o, "on", true);
    s->owes_start = json_get_bool(o, "owes_start", false);
    s->since_ms = json_get_int(o, "since_ms", 0);
    copy(s->stopped, sizeof s->stopped, o, "stopped");
    copy(s->level, sizeof s->level, o, "level");
    copy(s->job_id, sizeof s->job_id, o, "job_id");
    copy(s->role, sizeof s->role, o, "role");
    copy(s->reason, sizeof s->reason, o, "reason");
    json_decref(o);
    return sound;
}

static void render(const struct hold_state *s, struct buf *out)
{
    struct jsonw w;
    jsonw_init(&w, out);
    jsonw_begin_object(&w);
    jsonw_kbool(&w, "on", s->on);
    jsonw_kbool(&w, "owes_start", s->owes_start);
    jsonw_kint(&w, "since_ms", s->since_ms);
    jsonw_kstr(&w, "stopped", s->stopped);
    jsonw_kstr(&w, "level", s->level);
    jsonw_kstr(&w, "job_id", s->job_id);
    jsonw_kstr(&w, "role", s->role);
    jsonw_kstr(&w, "reason", s->reason);
    jsonw_end_object(&w);
}

/* In doubt nothing is started. */
static void not_readable(struct hold *h, const char *why)
{
    struct timeval now;
    (void)gettimeofday(&now, NULL);
    h->state = (struct hold_state){.on = true, .since_ms = (int64_t)now.tv_sec * 1000};
    (void)snprintf(h->state.level, sizeof h->state.level, "hold");
    (void)snprintf(h->problem, sizeof h->problem,
                   "what the last emergency shutdown left cannot be read, so that it counts as a "
                   "hold: %s",
                   why);
}

static void load(struct hold *h)
{
    struct buf text;
    struct err e = {0};
    buf_init(&text, LIMIT_HOLD);
    fsafe_sweep(h->dir);
    if (fsafe_read(h->dir, HOLD_FILE, &text, NULL, &e)) {
        if (!parse(&text, &h->state))
            not_readable(h, HOLD_FILE " is no record of ours");
    } else if (e.code != ERR_NOT_FOUND) {
        not_readable(h, e.msg);
    }
    buf_done(&text);
}

/* ---- life ---- */

struct hold *hold_open(uv_loop_t *loop, const char *state_dir, struct jobs *jobs, struct err *e)
{
    struct hold *h = mem_zalloc(sizeof *h);
    if (!h) {
        (void)err_set(e, ERR_NO_MEMORY, "no memory");
        return NULL;
    }
    h->loop = loop;
    h->jobs = jobs;
    h->dir = fsafe_dir(state_dir, e);
    if (h->dir < 0) {
        mem_free(h);
        return NULL;
    }
    h->work.data = h;
    buf_init(&h->text, LIMIT_HOLD);
    load(h);
    jobs_hold(jobs, h->state.on);
    return h;
}

static void end(struct hold *h)
{
    void (*closed)(void *arg) = h->closed;
    void *arg = h->closed_arg;
    buf_done(&h->text);
    (void)close(h->dir);
    mem_free(h);
    if (closed)
        closed(arg);
}

void hold_close(struct hold *h, void (*closed)(void *arg), void *arg)
{
    h->closing = true;
    h->closed = closed;
    h->closed_arg = arg;
    if (!h->writing)
        end(h);
}

const struct hold_state *hold_state(const struct hold *h)
{
    return &h->state;
}

const char *hold_problem(const struct hold *h)
{
    return h->problem;
}

/* ---- changing it ---- */

static void write_file(uv_work_t *w)
{
    struct hold *h = w->data;
    struct err *e = &h->failed;
    if (h->text.n) {
        (void)fsafe_write(h->dir, HOLD_FILE, h->text.p, h->text.n, 0600, true, e);
        return;
    }
    if (!fsafe_remove(h->dir, HOLD_FILE, e) && e->code == ERR_NOT_FOUND)
        *e = (struct err){0};
}

static void on_written(uv_work_t *w, int status)
{
    struct hold *h = w->data;
    const struct err *e = h->failed.code == ERR_NONE ? NULL : &h->failed;
    h->writing = false;
    (void)snprintf(h->problem, sizeof h->problem, "%s", e ? e->msg : "");
    h->done(h->arg, e);
    if (h->closing)
        end(h);
}

bool hold_set(struct hold *h, const struct hold_state *s,
              void (*done)(void *arg, const struct err *e), void *arg)
{
    if (h->writing || h->closing)
        return false;
    struct buf text;
    buf_init(&text, LIMIT_HOLD);
    if (s->on || s->owes_start)
        render(s, &text);
    buf_done(&h->text);
    h->text = text;
    h->failed = (struct err){0};
    h->done = done;
    h->arg = arg;
    h->writing = uv_queue_work(h->loop, &h->work, write_file, on_written) == 0;
    if (!h->writing)
        return false;
    h->state = *s;
    jobs_hold(h->jobs, s->on);
    return true;
}

void hold_write(const struct hold *h, struct jsonw *w)
{
    const struct hold_state *s = &h->state;
    if (!s->on) {
        jsonw_null(w);
        return;
    }
    jsonw_begin_object(w);
    jsonw_kstr(w, "level", s->level);
    jsonw_kseconds(w, "since", (double)s->since_ms / 1000);
    jsonw_kstr(w, "job_id", s->job_id[0] ? s->job_id : NULL);
    jsonw_kstr(w, "role", s->role[0] ? s->role : NULL);
    jsonw_kstr(w, "reason", s->reason[0] ? s->reason : NULL);
    jsonw_end_object(w);
}
