#include "aio/job/recover.h"

#include "aio/job/report.h"
#include "aio/target/target.h"
#include "base/jsonw.h"
#include "base/mem.h"
#include "limits.h"

#include <stdio.h>
#include <string.h>

struct recovery {
    const struct aio_job_means *means;
    struct jobs *jobs;
    struct aio_recovery *out;
    bool pending;
    bool taken; /* by a job that was adopted */
};

/* ---- a job that had not begun ---- */

static void end_it(struct job *j, void *work)
{
    job_end(j, &(struct job_outcome){.state = JOB_INTERRUPTED,
                                     .keep_state = true,
                                     .exit_code = -1,
                                     .word = "interrupted",
                                     .sentence = "the daemon died before anything was begun",
                                     .api = ERR_INTERRUPTED});
}

static void no_stop(struct job *j, void *work, enum job_stop why)
{
}

static const struct job_ops ended_ops = {.start = end_it, .stop = no_stop};

/* ---- at start ---- */

static void *recovery_work(const struct recovery *r, const char *private_json)
{
    struct aio_wants wants;
    struct aio_target previous;
    bool known = false;
    (void)aio_report_parse_private(private_json, &wants, &previous, &known);
    const struct aio_job_spec spec = {
        .means = r->means, .wants = &wants, .previous = known ? &previous : NULL, .recovers = true};
    return aio_job_new(&spec);
}

static void adopt(void *arg, const struct store_job *row, uint64_t mark)
{
    struct recovery *r = arg;
    static const char *const keys[] = {AIO_KEY};
    if (strncmp(row->kind, AIO_KIND, strlen(AIO_KIND)) != 0)
        return;
    bool its = r->pending && !r->taken &&
               (strcmp(row->id, r->out->of) == 0 || strcmp(row->kind, AIO_KIND_RECOVER) == 0);
    void *work = its ? recovery_work(r, row->private_json) : NULL;
    if (its && !work)
        return; /* stays unfinished: the next start tries again */
    bool adopted =
        jobs_adopt(r->jobs, row, mark, keys, its, work ? &aio_job_ops : &ended_ops, work, NULL);
    r->out->count += adopted;
    r->taken = r->taken || (its && adopted);
    if (its && adopted && strcmp(row->kind, AIO_KIND_RECOVER) == 0)
        (void)snprintf(r->out->by, sizeof r->out->by, "%s", row->id);
    if (!adopted && work)
        aio_job_ops.free(work);
}

static void on_created(void *arg, struct job *j, const struct err *e)
{
    struct aio_recovery *out = arg;
    if (j)
        (void)snprintf(out->by, sizeof out->by, "%s", job_id(j));
}

/* Without a job the journal stands until the next start; aio_run refuses as long as it does. */
static void make_job(struct recovery *r)
{
    struct err e;
    struct buf params;
    struct jsonw w;
    char other[128];
    buf_init(&params, LIMIT_RECORD);
    jsonw_init(&w, &params);
    jsonw_begin_object(&w);
    if (r->out->of[0])
        jsonw_kstr(&w, "job_id", r->out->of);
    jsonw_end_object(&w);
    const struct job_spec spec = {.kind = AIO_KIND_RECOVER,
                                  .unslotted = true,
                                  .in_hold = true, /* it only mends what was begun */
                                  .keys = {AIO_KEY},
                                  .key_count = 1,
                                  .role = "daemon",
                                  .params_json = buf_str(&params),
                                  .ops = &aio_job_ops,
                                  .work = recovery_work(r, NULL)};
    if (spec.work && jobs_create(r->jobs, &spec, on_created, r->out, other, sizeof other, &e))
        r->out->count++;
    buf_done(&params);
}

bool aio_recover_start(const struct aio_job_means *means, struct store *store, struct jobs *jobs,
                       struct aio_recovery *out, struct err *e)
{
    struct recovery r = {.means = means, .jobs = jobs, .out = out};
    *out = (struct aio_recovery){0};
    target_sweep(means->context);
    r.pending = aio_run_pending(means->context, out->of);
    if (!store_unfinished(store, adopt, &r))
        return err_set(e, ERR_UNAVAILABLE, "the jobs of the last run cannot be read");
    if (r.pending && !r.taken)
        make_job(&r);
    return true;
}
