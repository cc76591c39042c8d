#include "aio/job/quiesce_task.h"

#include "aio/look/look.h"
#include "base/mem.h"
#include "limits.h"

#include <stdio.h>
#include <string.h>
#include <sys/time.h>

static int64_t now_ms(void)
{
    struct timeval tv;
    (void)gettimeofday(&tv, NULL);
    return (int64_t)tv.tv_sec * 1000 + tv.tv_usec / 1000;
}

void quiesce_outcome_free(struct aio_outcome *o)
{
    if (o)
        aio_outcome_done(o);
    mem_free(o);
}

/* ---- down ---- */

static void fail(struct quiesce_down *s, enum err_code code, const char *word, const char *sentence)
{
    s->api = code;
    (void)snprintf(s->word, sizeof s->word, "%s", word);
    (void)snprintf(s->sentence, sizeof s->sentence, "%s", sentence);
}

/* A container of the stack: none of AIO's three that are beside it. */
static bool stack_runs(const struct aio_context *x, const struct aio_look *l)
{
    for (size_t i = 0; i < l->count; i++) {
        const char *name = l->containers[i].name;
        bool beside = strcmp(name, x->whitelist.master) == 0 || strcmp(name, AIO_BORG_NAME) == 0 ||
                      strcmp(name, AIO_WATCHTOWER_NAME) == 0;
        if (l->containers[i].running && !beside)
            return true;
    }
    return false;
}

static void judge(struct quiesce_down *s)
{
    const struct aio_outcome *o = s->out;
    s->begun = o->out != NULL; /* NULL before an exec (aio/run/run) */
    s->left = o->left;
    if (!o->ok) {
        fail(s, o->api ? o->api : ERR_COMMAND_FAILED, o->word, o->sentence);
        (void)snprintf(s->field, sizeof s->field, "%s", o->field);
        return;
    }
    if (o->dump_known && !o->dump_clean) {
        char sentence[sizeof s->sentence];
        (void)snprintf(sentence, sizeof sentence,
                       "the database's dump is not clean, and a backup of it could not be "
                       "restored: %.250s",
                       o->dump_problem);
        fail(s, ERR_BACKUP_FAILED, "dump_unclean", sentence);
        return;
    }
    s->ok = true;
}

static bool look(struct engine *en, const struct aio_context *x, struct quiesce_down *s)
{
    struct err e = {0};
    AUTO_FREE struct aio_look *l = mem_zalloc(sizeof *l);
    if (!l || !aio_look(en, x, l, &e)) {
        fail(s, l ? e.code : ERR_NO_MEMORY, "not_started", l ? e.msg : "no memory");
        (void)snprintf(s->hint, sizeof s->hint, "%s", engine_hint(en));
        return false;
    }
    s->was_up = l->stack_up;
    s->since_ms = l->stack_up ? now_ms() : 0;
    s->skipped = l->master_found && !stack_runs(x, l);
    s->ok = s->skipped;
    return true;
}

void quiesce_stop(struct engine *en, const struct aio_context *x, const char *job_id,
                  bool start_after, const struct aio_tell *tell, const atomic_bool *cancel,
                  struct quiesce_down *out)
{
    char pending[AIO_JOB_ID];
    if (!look(en, x, out) || out->skipped)
        return;
    struct aio_wants wants = {.stop_containers = true, .owes_start = start_after && out->was_up};
    (void)snprintf(wants.job_id, sizeof wants.job_id, "%s", job_id);
    out->out = mem_zalloc(sizeof *out->out);
    if (!out->out) {
        fail(out, ERR_NO_MEMORY, "not_started", "no memory for the stop of AIO's containers");
        return;
    }
    aio_run(en, x, &wants, tell, cancel, out->out);
    judge(out);
    if (!out->ok)
        (void)snprintf(out->hint, sizeof out->hint, "%s", engine_hint(en));
    bool ours = aio_run_pending(x, pending) && strcmp(pending, job_id) == 0;
    out->owes_start = wants.owes_start && ours;
}

/* ---- up ---- */

enum again { AGAIN, ENOUGH };

static enum again serves(struct quiesce_up *s, bool was_up)
{
    s->ok = true;
    s->was_up = was_up;
    s->at_ms = now_ms();
    s->problem[0] = '\0';
    return ENOUGH;
}

/* What a run found, or why it found nothing. */
static enum again take(struct quiesce_up *s, const struct aio_outcome *o, bool was_up)
{
    (void)snprintf(s->problem, sizeof s->problem, "%s", o->sentence);
    s->checked = o->service_checked;
    s->service = o->service;
    if (o->service_checked && aio_service_up(&o->service))
        return serves(s, was_up);
    if (o->service_checked)
        (void)snprintf(s->problem, sizeof s->problem, "%s", o->service.problem);
    return o->left ? AGAIN : ENOUGH;
}

/* The stop's journal owes the stack its start (aio_wants.owes_start): paid as after our death,
 * which waits until AIO is idle, starts what is down, and asks for nothing else: a check that
 * refuses a run must not keep Nextcloud down. */
static enum again try_once(struct engine *en, const struct aio_context *x,
                           const struct aio_tell *tell, struct quiesce_up *s)
{
    struct err e = {0};
    AUTO_FREE struct aio_look *l = mem_zalloc(sizeof *l);
    struct aio_outcome *o = mem_zalloc(sizeof *o);
    enum again then = AGAIN;
    if (!l || !o) {
        (void)snprintf(s->problem, sizeof s->problem, "no memory");
    } else if (!aio_look(en, x, l, &e)) {
        (void)snprintf(s->problem, sizeof s->problem, "%s", e.msg);
    } else {
        aio_run_recover(en, x, tell, o);
        then = take(s, o, l->stack_up);
    }
    quiesce_outcome_free(o);
    return then;
}

void quiesce_start(struct engine *en, const struct aio_context *x, const struct task *t,
                   const struct aio_tell *tell, struct quiesce_up *out)
{
    int64_t until = now_ms() + QUIESCE_START_MS;
    unsigned pause = QUIESCE_AGAIN_MS * x->pace_percent / 100;
    while (try_once(en, x, tell, out) == AGAIN && now_ms() < until)
        if (!task_sleep(t, pause ? pause : 1))
            break;
    out->left = !out->ok && task_stopping(t);
}
