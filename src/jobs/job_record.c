#include "base/json.h"
#include "base/jsonw.h"
#include "base/mem.h"
#include "jobs/job_internal.h"

#include <string.h>
#include <sys/time.h>

static const char *const state_names[JOB_STATES] = {
    [JOB_QUEUED] = "queued",       [JOB_RUNNING] = "running",         [JOB_SUCCEEDED] = "succeeded",
    [JOB_WARNING] = "warning",     [JOB_FAILED] = "failed",           [JOB_TIMED_OUT] = "timed_out",
    [JOB_CANCELLED] = "cancelled", [JOB_INTERRUPTED] = "interrupted",
};

const char *job_state_name(enum job_state s)
{
    return state_names[s];
}

bool job_state_parse(const char *name, enum job_state *s)
{
    for (size_t i = 0; i < JOB_STATES; i++)
        if (strcmp(name, state_names[i]) == 0) {
            *s = (enum job_state)i;
            return true;
        }
    return false;
}

bool job_state_final(enum job_state s)
{
    return s != JOB_QUEUED && s != JOB_RUNNING;
}

static void time_member(struct jsonw *w, const char *key, int64_t ms)
{
    jsonw_key(w, key);
    if (ms)
        jsonw_seconds(w, (double)ms / 1000);
    else
        jsonw_null(w);
}

static void stages(const struct job *j, struct jsonw *w)
{
    jsonw_key(w, "stages");
    jsonw_begin_array(w);
    for (size_t i = 0; i < j->stage_count; i++) {
        int64_t until = i + 1 < j->stage_count ? j->stages[i + 1].at_ms : j->ended_ms;
        jsonw_begin_object(w);
        jsonw_kstr(w, "stage", j->stages[i].name);
        time_member(w, "started", j->stages[i].at_ms);
        time_member(w, "ended", until);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
}

static void render_as(const struct job *j, enum job_state state, struct buf *out)
{
    struct jsonw w;
    jsonw_init(&w, out);
    jsonw_begin_object(&w);
    jsonw_kstr(&w, "id", j->id);
    jsonw_kstr(&w, "kind", j->kind);
    jsonw_kstr(&w, "label", j->label);
    jsonw_kstr(&w, "state", state_names[state]);
    time_member(&w, "queued", j->queued_ms);
    time_member(&w, "started", j->started_ms);
    time_member(&w, "ended", j->ended_ms);
    if (j->pid)
        jsonw_kint(&w, "pid", j->pid);
    bool final = job_state_final(state);
    jsonw_key(&w, "exit_code");
    if (final && j->exit_code >= 0)
        jsonw_int(&w, j->exit_code);
    else
        jsonw_null(&w);
    jsonw_kraw(&w, "verdict", final ? j->verdict_json : NULL);
    jsonw_kraw(&w, "result", j->result_json);
    if (!final && j->progress_json)
        jsonw_kraw(&w, "progress", j->progress_json);
    stages(j, &w);
    jsonw_key(&w, "requested_by");
    jsonw_begin_object(&w);
    jsonw_kstr(&w, "role", j->role);
    jsonw_kstr(&w, "address", j->address);
    jsonw_end_object(&w);
    jsonw_kraw(&w, "parameters", j->params_json);
    if (j->recovers)
        jsonw_kbool(&w, "recovering", !final);
    jsonw_end_object(&w);
}

void job_render(const struct job *j, struct buf *out)
{
    render_as(j, j->state, out);
}

void job_fill_row(const struct job *j, enum job_state state, struct buf *record,
                  struct store_job *row)
{
    render_as(j, state, record);
    *row = (struct store_job){
        .id = j->id,
        .kind = j->kind,
        .label = j->label,
        .state = state_names[state],
        .queued_ms = j->queued_ms,
        .started_ms = j->started_ms,
        .ended_ms = j->ended_ms,
        .terminal = job_state_final(state),
        .reading = j->reading,
        .owner = j->role,
        .record = buf_str(record),
        .private_json = j->private_json,
        .last_event_id = j->last_event,
        .idem_key = j->idem_key,
        .idem_fingerprint = j->idem_fingerprint,
    };
}

void job_take_asked(struct job *j, const char *record)
{
    json_t *r = record ? json_parse(record, strlen(record), NULL) : NULL;
    struct buf params;
    buf_init(&params, LIMIT_RECORD);
    const json_t *given = json_object_get(r, "parameters");
    if (given && json_write(given, &params))
        job_replace(&j->params_json, buf_str(&params));
    job_replace(&j->address, json_get_str(json_object_get(r, "requested_by"), "address", NULL));
    buf_done(&params);
    json_decref(r);
}

static const char *status_word(enum job_state s)
{
    if (s == JOB_QUEUED)
        return "queued";
    if (s == JOB_RUNNING)
        return "start";
    return s == JOB_SUCCEEDED || s == JOB_WARNING ? "success" : "fail";
}

static void begin_status(const struct job *j, enum job_state state, const char *event,
                         struct jsonw *w)
{
    struct timeval now;
    (void)gettimeofday(&now, NULL);
    jsonw_begin_object(w);
    jsonw_kstr(w, "event", event);
    jsonw_kstr(w, "state", state_names[state]);
    jsonw_kstr(w, "job_id", j->id);
    jsonw_kseconds(w, "timestamp", (double)now.tv_sec + (double)now.tv_usec / 1e6);
}

void job_notice(struct job *j, const char *event, const char *message)
{
    struct buf line;
    struct jsonw w;
    buf_init(&line, LIMIT_RECORD);
    jsonw_init(&w, &line);
    begin_status(j, j->state, event, &w);
    jsonw_kstr(&w, "message", message);
    jsonw_end_object(&w);
    hub_append(j->hub, EVENT_STATUS, buf_str(&line), line.n, NULL);
    buf_done(&line);
}

void job_status_line(const struct job *j, enum job_state state, struct buf *out)
{
    struct jsonw w;
    jsonw_init(&w, out);
    begin_status(j, state, status_word(state), &w);
    if (j->status_json)
        (void)buf_printf(out, ",%s", j->status_json);
    if (job_state_final(state)) {
        jsonw_key(&w, "exit_code");
        if (j->exit_code >= 0)
            jsonw_int(&w, j->exit_code);
        else
            jsonw_null(&w);
        if (j->api != ERR_NONE)
            jsonw_kstr(&w, "error", err_word(j->api));
        jsonw_kstr(&w, "message", j->sentence);
        jsonw_kraw(&w, "verdict", j->verdict_json);
        jsonw_kraw(&w, "result", j->result_json);
    }
    jsonw_end_object(&w);
}

/* ---- getters ---- */

const char *job_id(const struct job *j)
{
    return j->id;
}

const char *job_kind(const struct job *j)
{
    return j->kind;
}

const char *job_label(const struct job *j)
{
    return j->label;
}

enum job_state job_state(const struct job *j)
{
    return j->state;
}

bool job_is_reading(const struct job *j)
{
    return j->reading;
}

bool job_recovers(const struct job *j)
{
    return j->recovers;
}

pid_t job_pid(const struct job *j)
{
    return j->pid;
}

size_t job_key_count(const struct job *j)
{
    return j->key_count;
}

const char *job_key(const struct job *j, size_t i)
{
    return j->keys[i];
}

int64_t job_started_ms(const struct job *j)
{
    return j->started_ms;
}

int64_t job_ended_ms(const struct job *j)
{
    return j->ended_ms;
}

uint64_t job_last_event(const struct job *j)
{
    return j->last_event;
}

struct hub_job *job_hub(struct job *j)
{
    return j->hub;
}

bool job_stopping(const struct job *j, enum job_stop *why)
{
    if (j->stop_asked && why)
        *why = j->stop_why;
    return j->stop_asked;
}

bool job_ready(const struct job *j)
{
    return j->ready;
}

const char *job_api_field(const struct job *j)
{
    return j->field;
}

enum err_code job_api_error(const struct job *j)
{
    return j->api;
}

const char *job_sentence(const struct job *j)
{
    return j->sentence ? j->sentence : "";
}

const char *job_stdout_tail(const struct job *j)
{
    return j->stdout_tail ? j->stdout_tail : "";
}

const char *job_stderr_tail(const struct job *j)
{
    return j->stderr_tail ? j->stderr_tail : "";
}

int job_exit_code(const struct job *j)
{
    return j->exit_code;
}

const char *job_document(const struct job *j)
{
    return j->document;
}

const char *job_result(const struct job *j)
{
    return j->result_json;
}

const char *job_private(const struct job *j)
{
    return j->private_json;
}

const char *job_params(const struct job *j)
{
    return j->params_json;
}

int64_t job_deadline_ms(const struct job *j)
{
    return j->started_ms ? j->started_ms + (int64_t)j->deadline_s * 1000 : 0;
}
