#include "api/aio_answer.h"

#include "aio/job/report.h"
#include "base/json.h"
#include "docker/engine.h"
#include "limits.h"

#include <string.h>

/* ---- members of the job's result, taken over ---- */

static void raw(struct jsonw *w, const char *key, const json_t *value)
{
    struct buf text;
    buf_init(&text, AIO_RESULT_MAX);
    jsonw_kraw(w, key, value && json_write(value, &text) ? buf_str(&text) : NULL);
    buf_done(&text);
}

static void take(struct jsonw *w, const json_t *from, const char *const *keys)
{
    for (; *keys; keys++) {
        const json_t *value = json_object_get(from, *keys);
        if (value)
            raw(w, *keys, value);
    }
}

/* {"returncode","stdout","stderr","command","env"}: what the script gave. */
static void script(struct jsonw *w, const json_t *result)
{
    static const char *const keys[] = {"returncode", "stdout", "stderr", "command", "env", NULL};
    jsonw_key(w, "result");
    jsonw_begin_object(w);
    take(w, result, keys);
    jsonw_end_object(w);
}

static void pre_stop(const struct aio_call *a, struct jsonw *w)
{
    if (!a->with_stop)
        return;
    jsonw_key(w, "pre_stop");
    jsonw_begin_object(w);
    jsonw_kbool(w, "skipped", true);
    jsonw_kstr(w, "reason", "the run stops the containers itself, once");
    jsonw_end_object(w);
}

static void warnings(const struct aio_call *a, struct jsonw *w)
{
    if (!a->warning)
        return;
    jsonw_key(w, "warnings");
    jsonw_begin_array(w);
    jsonw_str(w, a->warning);
    jsonw_end_array(w);
}

static void shared(struct call *c, struct jsonw *w, const struct job *j)
{
    static const char *const flat[] = {"command", "env", NULL};
    static const char *const nested[] = {"env", NULL};
    static const char *const keys[] = {"borgbackup", "target",  "targets",          "previous",
                                       "restored",   "backups", "downtime_seconds", "service",
                                       "stopped",    "dump",    "preflight",        "still_running",
                                       NULL};
    const struct aio_call *a = c->state;
    const char *text = job_result(j);
    json_t *result = text ? json_parse(text, strlen(text), NULL) : NULL;
    if (!a->flat)
        script(w, result);
    take(w, result, a->flat ? flat : nested);
    pre_stop(a, w);
    take(w, result, keys);
    warnings(a, w);
    json_decref(result);
}

void aio_answer_members(struct call *c, struct jsonw *w, const struct job *j)
{
    const struct aio_call *a = c->state;
    if (a->effect)
        jsonw_kstr(w, "effect", a->effect);
    shared(c, w, j);
}

void aio_answer_fault(struct call *c, struct jsonw *w, const struct job *j)
{
    enum err_code code = job_api_error(j);
    shared(c, w, j);
    if (code != ERR_DOCKER && code != ERR_DOCKER_PERMISSION && code != ERR_DOCKER_REFUSED &&
        code != ERR_CONTAINER_NOT_FOUND)
        return;
    const char *text = job_result(j);
    json_t *result = text ? json_parse(text, strlen(text), NULL) : NULL;
    jsonw_kstr(w, "hint", json_get_str(result, "hint", ""));
    jsonw_kbool(w, "proxy_mode", engine_by_tcp(c->app->config->docker_host));
    json_decref(result);
}

/* ---- past the caller's time ---- */

static void env_of(const struct aio_call *a, struct jsonw *w)
{
    const struct {
        const char *key;
        bool value;
    } flags[] = {{"DAILY_BACKUP", a->wants.daily_backup},
                 {"CHECK_BACKUP", a->wants.check_backup},
                 {"STOP_CONTAINERS", a->wants.stop_containers},
                 {"START_CONTAINERS", a->wants.start_containers},
                 {"AUTOMATIC_UPDATES", a->wants.automatic_updates}};
    jsonw_key(w, "env");
    jsonw_begin_object(w);
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        jsonw_kstr(w, flags[i].key, flags[i].value ? "1" : "0");
    jsonw_end_object(w);
}

static void pending(struct call *c, const struct job *j)
{
    const struct aio_call *a = c->state;
    struct buf b, command;
    struct jsonw w;
    buf_init(&command, LIMIT_LINE);
    aio_report_command(&(struct aio_report){.context = &c->app->aio, .wants = &a->wants}, &command);
    call_begin(c, &b, &w, true);
    jsonw_key(&w, "result");
    jsonw_begin_object(&w);
    jsonw_kraw(&w, "returncode", NULL);
    jsonw_kstr(&w, "stdout", "");
    jsonw_kstr(&w, "stderr", "");
    jsonw_kstr(&w, "command", buf_str(&command));
    env_of(a, &w);
    jsonw_end_object(&w);
    jsonw_kbool(&w, "pending", true);
    jsonw_kstr(&w, "job_id", job_id(j));
    jsonw_kstr(&w, "state", job_state_name(job_state(j)));
    call_job_links(c, &w, job_id(j));
    buf_done(&command);
    call_reply(c, 200, &b, &w);
}

void aio_answer_late(struct call *c, struct job *j)
{
    const struct aio_call *a = c->state;
    if (a->pending) {
        pending(c, j);
        return;
    }
    struct err e;
    struct buf b;
    struct jsonw w;
    (void)err_set(&e, ERR_TIMEOUT, "daily-backup.sh timeout after %ds; the work goes on as job %s",
                  a->wait_s, job_id(j));
    call_begin_error(c, &b, &w, &e);
    jsonw_kstr(&w, "job_id", job_id(j));
    jsonw_kstr(&w, "state", job_state_name(job_state(j)));
    jsonw_kbool(&w, "still_running", true);
    call_job_links(c, &w, job_id(j));
    call_reply(c, err_status(ERR_TIMEOUT), &b, &w);
}

void aio_answer_await(struct call *c, struct job *j)
{
    const struct aio_call *a = c->state;
    c->members = aio_answer_members;
    c->fault_members = aio_answer_fault;
    if (c->prefer_wait_s >= 0) { /* past it the answer is 202, as Prefer has it */
        call_await_job(c, j, c->prefer_wait_s);
        return;
    }
    c->late = aio_answer_late;
    call_await_job(c, j, a->wait_s);
}
