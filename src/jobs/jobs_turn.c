/* Whose turn it is: who excludes whom, who waits, who is refused. */
#include "jobs/job_internal.h"

#include <stdio.h>
#include <string.h>

static bool holds(const struct job *j, const char *key)
{
    for (size_t i = 0; i < j->key_count; i++)
        if (strcmp(j->keys[i], key) == 0)
            return true;
    return false;
}

static bool exclude(const struct job *a, const struct job *b)
{
    if (a->shares && b->shares)
        return false;
    for (size_t i = 0; i < a->key_count; i++)
        if (holds(b, a->keys[i]))
            return true;
    return false;
}

static size_t slots_taken(const struct jobs *js)
{
    size_t n = 0;
    for (const struct job *j = js->active; j; j = j->next)
        n += j->state == JOB_RUNNING && !j->unslotted;
    return n;
}

struct job *jobs_holder(struct jobs *js, const char *key)
{
    for (struct job *j = js->active; j; j = j->next)
        if (holds(j, key))
            return j;
    return NULL;
}

bool jobs_must_wait(const struct jobs *js, const struct job *j)
{
    if (!j->unslotted && slots_taken(js) >= MAX_CHILDREN)
        return true;
    for (const struct job *other = js->active; other && other != j; other = other->next)
        if (exclude(other, j))
            return true;
    return false;
}

/* Asks those to go that yield to j. */
static void send_away(const struct jobs *js, const struct job *j)
{
    for (struct job *other = js->active, *next; other && other != j; other = next) {
        next = other->next; /* a stop never ends a job inside the call unless it is queued */
        if (other->yields && exclude(other, j))
            (void)job_cancel(other, JOB_STOP_YIELD);
    }
}

/* Whoever stands before j and excludes it. Those that yield need not go while others stay. */
static bool blocked(const struct jobs *js, const struct job *j)
{
    bool found = false, stays = false;
    for (const struct job *other = js->active; other && other != j; other = other->next) {
        if (!exclude(other, j))
            continue;
        found = true;
        stays = stays || (!other->yields && !other->reading);
    }
    if (found && !stays)
        send_away(js, j);
    return found;
}

void jobs_schedule(struct jobs *js)
{
    struct job *next;
    for (struct job *j = js->active; j; j = next) {
        next = j->next; /* start may end the job, but never frees it inside */
        if (j->state != JOB_QUEUED || !j->durable || j->ending || blocked(js, j))
            continue;
        if (j->unslotted || slots_taken(js) < MAX_CHILDREN)
            job_start(j);
    }
}

/* A question holds others up for a moment only and is waited for; who yields is sent away. What
 * writes may take hours, and so may a long reader such as an extraction. */
static const struct job *in_the_way_of(const struct jobs *js, const struct job_spec *s,
                                       const char *key)
{
    for (const struct job *j = js->active; j; j = j->next) {
        bool brief = j->shares && (s->shares || j->reading || j->yields);
        if ((j->recovers || !brief) && holds(j, key))
            return j;
    }
    return NULL;
}

bool jobs_open(const struct jobs *js, struct err *e)
{
    return !js->held ||
           err_set(e, ERR_EMERGENCY_HOLD,
                   "work is on hold since an emergency shutdown: POST /emergency/resume lifts it");
}

bool jobs_admit(struct jobs *js, const struct job_spec *s, char *in_the_way, size_t size,
                struct err *e)
{
    if (size)
        in_the_way[0] = '\0';
    if (js->draining)
        return err_set(e, ERR_DRAINING, "the daemon is going down and takes no new work");
    if (!s->reading && !s->in_hold && !jobs_open(js, e))
        return false;
    size_t waiting = 0;
    for (const struct job *j = js->active; j; j = j->next)
        waiting += j->state == JOB_QUEUED;
    if (waiting >= LIMIT_JOBS_QUEUED && !s->in_hold)
        return err_set(e, ERR_TOO_BUSY, "%zu jobs are waiting already", waiting);
    for (size_t i = 0; i < s->key_count; i++) {
        const struct job *other = in_the_way_of(js, s, s->keys[i]);
        if (!other || (s->queue && !other->recovers))
            continue;
        if (size)
            (void)snprintf(in_the_way, size, "%s", other->id);
        if (other->recovers)
            return err_set(e, ERR_RECOVERING, "job %s of this repository is being recovered",
                           other->id);
        return err_set(e, ERR_JOB_RUNNING, "job %s works on this repository", other->id);
    }
    return true;
}
