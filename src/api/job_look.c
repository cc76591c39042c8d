#include "api/job_look.h"

#include "base/mem.h"
#include "jobs/store.h"
#include "limits.h"

#include <sys/time.h>

struct look {
    struct call *c;
    void (*found)(struct call *c, const struct job_look *look);
};

static void not_found(struct call *c)
{
    struct err e = {0};
    (void)err_set(&e, ERR_NOT_FOUND, "job ID not found");
    call_error(c, &e);
}

/* A ticket lives an hour longer than its job. */
static bool ticket_over(const struct call *c, bool ended, int64_t ended_ms)
{
    struct timeval now;
    (void)gettimeofday(&now, NULL);
    int64_t now_ms = (int64_t)now.tv_sec * 1000 + now.tv_usec / 1000;
    return c->role == ROLE_TICKET && ended && now_ms - ended_ms > TICKET_AFTER_S * 1000LL;
}

static void answer(struct call *c, const struct job_look *look, int64_t ended_ms,
                   void (*found)(struct call *c, const struct job_look *look))
{
    struct err e = {0};
    if (ticket_over(c, look->ended, ended_ms)) {
        c->invalid_credential = true;
        (void)err_set(&e, ERR_UNAUTHORIZED, "the ticket is no longer valid");
        call_error(c, &e);
        return;
    }
    found(c, look);
}

static void got_job(void *arg, bool there, const struct store_job *row)
{
    struct look *l = arg;
    struct call *c = l->c;
    const struct err *failed = store_read_error(c->app->store);
    if (failed) {
        call_error(c, failed);
    } else if (!there) {
        not_found(c);
    } else {
        struct job_look look = {.id = row->id, .record = row->record, .state = row->state};
        look.ended = row->terminal;
        look.last_event = row->last_event_id;
        answer(c, &look, row->ended_ms, l->found);
    }
}

void job_look(struct call *c, const char *id,
              void (*found)(struct call *c, const struct job_look *look))
{
    struct job *j = jobs_find(c->app->jobs, id);
    if (j) {
        struct job_look look = {.id = job_id(j), .job = j};
        look.ended = job_state_final(job_state(j));
        look.last_event = look.ended ? job_last_event(j) : 0;
        answer(c, &look, job_ended_ms(j), found);
        return;
    }
    struct look *l = arena_alloc(&c->req->arena, sizeof *l);
    if (!l) {
        struct err e = {0};
        (void)err_set(&e, ERR_NO_MEMORY, "out of memory");
        call_error(c, &e);
        return;
    }
    l->c = c;
    l->found = found;
    store_job_get(c->app->store, id, got_job, l);
}
