#include "api/lock_nextcloud.h"

#include "aio/look/look.h"
#include "aio/run/run.h"
#include "jobs/hold.h"

#include <stdio.h>

bool lock_nextcloud_begin(const struct app *app, struct lock_nextcloud *n)
{
    const struct config *set = app->config;
    *n = (struct lock_nextcloud){.aio = &app->aio, .expected = set->aio_master_set};
    if (set->aio_master_set && !set->aio_master[0])
        n->reason = "AIO_MASTER is empty: there is no Nextcloud AIO";
    else if (hold_state(app->hold)->owes_start)
        n->reason = "an emergency shutdown stopped Nextcloud: POST /emergency/resume starts it";
    return !n->reason;
}

void lock_nextcloud_look(struct engine *en, void *data)
{
    struct lock_nextcloud *n = data;
    struct aio_look look;
    const char *busy;
    char job[AIO_JOB_ID];
    if (aio_run_pending(n->aio, job))
        n->reason = "a job of this service that stops Nextcloud is not over: it starts it again";
    else if (!aio_look(en, n->aio, &look, &n->problem))
        (void)snprintf(n->hint, sizeof n->hint, "%s", engine_hint(en));
    else if (!look.master_found)
        n->reason = "there is no Nextcloud AIO";
    else if (aio_look_busy(&look, &busy))
        n->reason = "a run of AIO is active";
    else if (look.stack_up)
        n->reason = "Nextcloud runs, and a repository's lock does not concern it";
    else
        n->reason = "Nextcloud does not run, but this service did not stop it: "
                    "POST /nextcloud/containers/start starts it";
    if (!n->reason && !n->expected && n->problem.code == ERR_DOCKER_REFUSED)
        n->reason = "there is no Docker Engine";
}

void lock_nextcloud_write(const struct lock_nextcloud *n, struct jsonw *w)
{
    jsonw_begin_object(w);
    if (n->reason) {
        jsonw_kbool(w, "skipped", true);
        jsonw_kstr(w, "reason", n->reason);
    } else {
        jsonw_kstr(w, "error", err_word(n->problem.code));
        jsonw_kstr(w, "message", n->problem.msg);
        jsonw_kstr(w, "hint", n->hint);
    }
    jsonw_end_object(w);
}
