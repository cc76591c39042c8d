#include "aio/job/teller.h"

#include "base/mem.h"
#include "limits.h"

#include <stdio.h>
#include <string.h>

enum word { SAYS_LINE, SAYS_STAGE, SAYS_NOTICE, SAYS_EXEC };

struct said {
    struct aio_teller *teller;
    enum word what;
    enum event_kind kind;
    enum aio_stage stage;
    char name[AIO_CONTAINER_NAME]; /* of the notice, or of the container */
    size_t n;
    char text[];
};

/* ---- on the loop ---- */

static void deliver(void *data, void *message)
{
    struct said *m = message;
    struct aio_teller *t = m->teller;
    struct hub_job *hub = job_hub(t->job);
    switch (m->what) {
    case SAYS_LINE:
        hub_append(hub, m->kind, m->text, m->n, NULL);
        break;
    case SAYS_STAGE:
        job_stage(t->job, aio_stage_name(m->stage));
        break;
    case SAYS_NOTICE:
        job_notice(t->job, m->name, m->text);
        break;
    case SAYS_EXEC:
        if (t->means->executed)
            t->means->executed(t->means->arg, job_id(t->job), m->name, m->text);
        break;
    }
    if (!hub_writable(hub))
        atomic_store(&t->held, true); /* until on_ready */
    mem_free(m);
}

static void on_ready(void *arg)
{
    struct aio_teller *t = arg;
    atomic_store(&t->held, false);
}

/* ---- in the task ---- */

/* Nothing is said when memory is gone: the run matters more than its lines. */
static void say(struct aio_teller *t, const struct said *head, const char *text, size_t n)
{
    struct said *m = mem_alloc(sizeof *m + n + 1);
    if (!m)
        return;
    *m = *head;
    m->teller = t;
    m->n = n;
    if (n)
        memcpy(m->text, text, n);
    m->text[n] = '\0';
    task_post(t->task, deliver, m);
}

static void tell_stage(void *arg, enum aio_stage s)
{
    if (s != AIO_STAGE_NONE)
        say(arg, &(struct said){.what = SAYS_STAGE, .stage = s}, NULL, 0);
}

static enum event_kind kind_of(const char *kind)
{
    if (strcmp(kind, "stderr") == 0)
        return EVENT_STDERR;
    return strcmp(kind, "borg") == 0 ? EVENT_BORG : EVENT_STDOUT;
}

static void tell_line(void *arg, const char *kind, const char *line, size_t n)
{
    struct aio_teller *t = arg;
    while (atomic_load(&t->held) && task_sleep(t->task, AIO_HELD_MS)) {
    }
    say(t, &(struct said){.what = SAYS_LINE, .kind = kind_of(kind)}, line,
        n < LIMIT_LINE_SHOWN ? n : LIMIT_LINE_SHOWN);
}

static void tell_notice(void *arg, const char *event, const char *sentence)
{
    struct said head = {.what = SAYS_NOTICE};
    (void)snprintf(head.name, sizeof head.name, "%s", event);
    say(arg, &head, sentence, strlen(sentence));
}

static void tell_executed(void *arg, const char *container, const char *command)
{
    struct aio_teller *t = arg;
    struct said head = {.what = SAYS_EXEC};
    atomic_store(&t->executed, true);
    (void)snprintf(head.name, sizeof head.name, "%s", container);
    say(t, &head, command, strlen(command));
}

/* ---- its life ---- */

void aio_teller_init(struct aio_teller *t, struct job *j, const struct aio_job_means *means)
{
    t->job = j;
    t->means = means;
    t->task = NULL;
    atomic_store(&t->held, false);
    atomic_store(&t->executed, false);
    hub_on_ready(job_hub(j), on_ready, t);
}

void aio_teller_begin(struct aio_teller *t, struct task *task, struct aio_tell *out)
{
    t->task = task;
    *out = (struct aio_tell){.stage = tell_stage,
                             .line = tell_line,
                             .notice = tell_notice,
                             .executed = tell_executed,
                             .arg = t};
}

bool aio_teller_executed(const struct aio_teller *t)
{
    return atomic_load(&t->executed);
}
