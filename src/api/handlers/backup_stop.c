#include "api/handlers/backup_stop.h"

#include "aio/job/quiesce.h"
#include "api/engine_call.h"
#include "base/json.h"
#include "base/mem.h"
#include "limits.h"

#include <stdio.h>
#include <string.h>

/* ---- is there an AIO? ---- */

static void look(struct engine *en, void *data)
{
    struct backup_stop *s = data;
    json_t *found = engine_inspect(en, s->aio->whitelist.master, &s->e);
    s->applies = found != NULL;
    if (!found)
        (void)snprintf(s->hint, sizeof s->hint, "%s", engine_hint(en));
    json_decref(found);
}

/* With AIO_MASTER set it is Docker's failure whatever is missing: 503, never the caller's 404. */
static void after_look(struct call *c, void *data)
{
    struct backup_stop *s = data;
    if (!s->applies && c->app->config->aio_master_set) {
        if (s->e.code == ERR_CONTAINER_NOT_FOUND)
            s->e.code = ERR_DOCKER;
        call_engine_error(c, &s->e, s->hint);
        return;
    }
    if (!s->applies)
        (void)snprintf(s->reason, sizeof s->reason, "no Nextcloud AIO was found: %.250s", s->e.msg);
    s->go(s->arg);
}

void backup_stop_look(struct backup_stop *s, struct call *c, void (*go)(void *arg), void *arg)
{
    *s = (struct backup_stop){.c = c, .go = go, .arg = arg, .aio = &c->app->aio};
    if (*s->aio->whitelist.master) {
        (void)call_in_task(c, look, after_look, s);
        return;
    }
    (void)snprintf(s->reason, sizeof s->reason, "AIO_MASTER is empty");
    go(arg);
}

bool backup_stop_wrap(const struct backup_stop *s, struct job_spec *spec)
{
    if (!s->applies)
        return true;
    const struct quiesce_spec q = {.loop = s->c->app->loop,
                                   .means = &s->c->app->aio_means,
                                   .ops = spec->ops,
                                   .work = spec->work,
                                   .start_after = call_bool(s->c, "start_containers", true)};
    spec->keys[spec->key_count++] = AIO_KEY;
    spec->work = quiesce_new(&q);
    spec->ops = &quiesce_ops;
    return spec->work != NULL;
}

/* ---- the answer ---- */

static void closed(uv_handle_t *h)
{
    mem_free(h);
}

void backup_stop_answered(struct backup_stop *s)
{
    if (s->timer)
        uv_close((uv_handle_t *)TAKE(s->timer), closed);
}

static void on_timer(uv_timer_t *t)
{
    struct backup_stop *s = t->data;
    backup_stop_answered(s);
    s->late(s->arg, s->job);
}

void backup_stop_wait(struct backup_stop *s, struct job *j, void (*late)(void *arg, struct job *j))
{
    if (!s->applies) /* nothing is stopped; of a dry run it was not even looked */
        return;
    const struct call *c = s->c;
    int64_t seconds = call_int(c, "stop_timeout", c->app->config->aio_stop_timeout_s);
    s->late = late;
    s->job = j;
    s->timer = mem_zalloc(sizeof *s->timer);
    if (!s->timer)
        return;
    (void)uv_timer_init(c->app->loop, s->timer);
    s->timer->data = s;
    (void)uv_timer_start(s->timer, on_timer, (uint64_t)seconds * 1000, 0);
}

bool backup_stop_failed(const struct job *j, struct err *e)
{
    const char *result = job_result(j);
    json_t *all = result ? json_parse(result, strlen(result), NULL) : NULL;
    const json_t *why = json_object_get(json_object_get(all, "aio"), "failure");
    const char *word = json_get_str(why, "error", "");
    enum err_code code = ERR_INTERNAL;
    for (int i = ERR_NONE + 1; i < ERR_CODES; i++)
        if (strcmp(err_word((enum err_code)i), word) == 0)
            code = (enum err_code)i;
    bool failed = why != NULL;
    if (failed)
        (void)err_field(e, code, json_get_str(why, "field", ""), "%s",
                        json_get_str(why, "message", ""));
    json_decref(all);
    return failed;
}

void backup_stop_write(const struct backup_stop *s, const struct job *j, struct jsonw *w)
{
    const char *result = job_result(j);
    json_t *all = result ? json_parse(result, strlen(result), NULL) : NULL;
    const json_t *said = json_object_get(json_object_get(all, "aio"), "official_daily_stop");
    struct buf text;
    buf_init(&text, LIMIT_RECORD);
    jsonw_key(w, "official_daily_stop");
    if (said && json_write(said, &text)) {
        jsonw_raw(w, text.p, text.n);
    } else {
        jsonw_begin_object(w);
        if (s->applies) {
            jsonw_kbool(w, "pending", true);
        } else {
            jsonw_kbool(w, "skipped", true);
            jsonw_kstr(w, "reason", s->reason);
        }
        jsonw_end_object(w);
    }
    json_decref(all);
    buf_done(&text);
}
