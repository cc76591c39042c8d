#include "api/handlers/jobs.h"

#include "api/job_look.h"
#include "jobs/job.h"
#include "jobs/store.h"
#include "limits.h"

#include <string.h>

enum { LISTED = 50 }; /* when no limit is asked for */

/* ---- GET /jobs ---- */

static void listed(void *arg, const struct store_job *rows, size_t n, int64_t next)
{
    struct call *c = arg;
    const struct err *failed = store_read_error(c->app->store);
    if (failed) {
        call_error(c, failed);
        return;
    }
    struct buf b;
    struct jsonw w;
    call_begin(c, &b, &w, true);
    jsonw_key(&w, "jobs");
    jsonw_begin_array(&w);
    for (size_t i = 0; i < n; i++) {
        const struct job *j = jobs_find(c->app->jobs, rows[i].id);
        if (j && !rows[i].terminal) { /* memory also knows its progress */
            if (w.comma)
                (void)buf_putc(&b, ',');
            job_render(j, &b);
            w.comma = true;
        } else {
            jsonw_raw(&w, rows[i].record, strlen(rows[i].record));
        }
    }
    jsonw_end_array(&w);
    jsonw_key(&w, "cursor");
    if (next)
        jsonw_int(&w, next);
    else
        jsonw_null(&w);
    call_reply(c, 200, &b, &w);
}

void jobs_list(struct call *c)
{
    struct err e = {0};
    enum job_state state;
    struct store_filter f = {
        .state = call_str(c, "state", NULL),
        .kind = call_str(c, "kind", NULL),
        .label = call_str(c, "label", NULL),
        .since_ms = call_int(c, "since", 0) * 1000,
        .before_seq = call_int(c, "cursor", 0),
        .limit = (int)call_int(c, "limit", LISTED),
    };
    if (f.state && !job_state_parse(f.state, &state)) {
        (void)err_field(&e, ERR_BAD_REQUEST, "state",
                        "must be queued, running, succeeded, warning, failed, timed_out, cancelled "
                        "or interrupted");
        call_error(c, &e);
        return;
    }
    store_jobs_list(c->app->store, &f, listed, c);
}

/* ---- GET /jobs/{id} ---- */

static void show(struct call *c, const struct job_look *look)
{
    struct buf b;
    struct jsonw w;
    call_begin(c, &b, &w, true);
    jsonw_kstr(&w, "job_id", look->id);
    if (look->job)
        call_job_record(&w, look->job);
    else
        jsonw_kraw(&w, "job", look->record);
    call_job_links(c, &w, look->id);
    call_reply(c, 200, &b, &w);
}

void jobs_get(struct call *c)
{
    job_look(c, call_str(c, "id", ""), show);
}

/* ---- DELETE /jobs/{id} ---- */

static void cancel(struct call *c, const struct job_look *look)
{
    struct err e = {0};
    if (!look->job || !job_cancel(look->job, JOB_STOP_CANCEL)) {
        (void)err_set(&e, ERR_JOB_ENDED, "the job has ended already: %s",
                      look->job ? job_state_name(job_state(look->job)) : look->state);
        call_error_job(c, &e, look->id);
        return;
    }
    bool ended = job_state_final(job_state(look->job));
    struct buf b;
    struct jsonw w;
    call_begin(c, &b, &w, true);
    jsonw_kstr(&w, "job_id", look->id);
    jsonw_kstr(&w, "state", job_state_name(job_state(look->job)));
    jsonw_kbool(&w, "cancelling", !ended);
    call_job_links(c, &w, look->id);
    call_reply(c, ended ? 200 : 202, &b, &w);
}

void jobs_cancel(struct call *c)
{
    job_look(c, call_str(c, "id", ""), cancel);
}
