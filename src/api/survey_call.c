#include "api/survey_call.h"

#include "api/config_call.h"
#include "api/metrics.h"
#include "api/pending.h"
#include "api/probes.h"

#include <sys/time.h>

struct asking {
    struct call *c;
    struct survey_question q;
    struct lock_survey *survey;
    struct pending pending;
};

static void fail(struct asking *a, const struct err *e)
{
    if (a->q.failed)
        a->q.failed(a->c, e);
    else
        call_error(a->c, e);
}

static void give_up(void *arg)
{
    struct asking *a = arg;
    lock_survey_free(a->survey);
}

static double now(void)
{
    struct timeval tv;
    (void)gettimeofday(&tv, NULL);
    return (double)tv.tv_sec + (double)tv.tv_usec / 1e6;
}

static void on_done(void *arg, struct lock_survey *s)
{
    struct asking *a = arg;
    struct err e;
    pending_end(&a->pending);
    if (!lock_survey_problem(s)[0]) {
        if (!a->q.repository)
            metrics_locks(a->c->app->metrics, s, now());
        a->q.known(a->c, s);
        return;
    }
    (void)err_set(&e, ERR_UNAVAILABLE, "%s", lock_survey_problem(s));
    lock_survey_free(s);
    fail(a, &e);
}

static void on_tools(void *arg, const struct borgmatic_tools *tools)
{
    struct asking *a = arg;
    struct call *c = a->c;
    struct backup_context context;
    struct err e = {0};
    app_context(c->app, tools, &context);
    const struct lock_survey_spec spec = {.context = &context,
                                          .resolve = c->app->resolve,
                                          .jobs = c->app->jobs,
                                          .config_dir = c->app->config->config_dir,
                                          .label = a->q.label,
                                          .repository = a->q.repository,
                                          .look = a->q.look,
                                          .probe = a->q.probe,
                                          .borg_passphrase = call_secret(c, "borg_passphrase"),
                                          .ssh_passphrase = call_secret(c, "ssh_passphrase"),
                                          .role = role_name(c->role),
                                          .address = c->req->peer,
                                          .deadline_ms = a->q.deadline_ms,
                                          .done = on_done,
                                          .arg = a};
    if (tools->problem[0])
        (void)err_set(&e, ERR_UNAVAILABLE, "%s", tools->problem);
    else if (c->app->draining)
        (void)err_set(&e, ERR_DRAINING, "the daemon is going down");
    else
        a->survey = lock_survey_start(&spec, &e);
    if (a->survey)
        pending_begin(&a->pending, c, give_up, a);
    else
        fail(a, &e);
}

void survey_call(struct call *c, const struct survey_question *q)
{
    struct asking *a = call_alloc(c, sizeof *a);
    if (!a)
        return;
    *a = (struct asking){.c = c, .q = *q};
    probes_tools(c->app->probes, on_tools, a);
}
