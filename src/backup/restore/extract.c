#include "backup/restore/extract.h"

#include "backup/restore/extract_internal.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static void extract_free(void *data)
{
    struct extract *x = data;
    if (!x)
        return;
    destination_drop(x->loop, &x->d);
    asked_paths_done(&x->asked);
    entry_lines_done(&x->lines);
    mem_free(x->room);
    mem_free(x);
}

/* ---- what is asked for ---- */

static void on_entry(void *arg, const struct entry *e)
{
    struct extract *x = arg;
    x->files += e->type == '-';
    x->bytes += e->type == '-' && !e->hard_link ? e->size : 0;
    asked_paths_note(&x->asked, e->path);
}

static void on_listing(void *data, const char *p, size_t n)
{
    struct extract *x = data;
    entry_lines_feed(&x->lines, p, n);
}

static bool judge_listing(struct extract *x)
{
    if (!entry_lines_sound(&x->lines))
        return err_set(&x->why, ERR_COMMAND_FAILED,
                       "borg's listing of the archive is not readable");
    return asked_paths_all_found(&x->asked, "nothing was extracted", &x->why);
}

/* ---- what is done ---- */

static void go_on(struct extract *x);

static bool ask_borg(struct extract *x, const char *const *verb, bool extract)
{
    const struct operation_borg b = {.repo = operation_repo(x->op, 0),
                                     .verb = verb,
                                     .archive = x->archive,
                                     .tail = (const char *const *)x->asked.patterns,
                                     .out = extract ? OPERATION_LINES : OPERATION_STREAM,
                                     .on_stdout = on_listing,
                                     .cwd_fd = extract ? x->d.fd : 0,
                                     .confined = extract ? x->room : NULL};
    return operation_borg(x->op, &b, &x->why);
}

static bool start_listing(struct extract *x)
{
    static const char *const verb[] = {"list", "--format", ENTRY_FORMAT, NULL};
    return ask_borg(x, verb, false);
}

static bool start_extract(struct extract *x)
{
    char strip[48];
    (void)snprintf(strip, sizeof strip, "--strip-components=%" PRId64, x->strip);
    const char *verb[] = {"extract", "--progress", x->strip ? strip : NULL, NULL};
    job_stage(operation_job(x->op), "extract");
    x->began = true;
    return ask_borg(x, verb, true);
}

/* On the worker: is there room, and a folder to bind to? */
static void look_for_room(uv_work_t *w)
{
    struct extract *x = w->data;
    (void)mkdir(x->room, 0700);
    if (!destination_stands(&x->d))
        (void)err_field(&x->why, ERR_BAD_REQUEST, "destination",
                        "destination was moved or replaced before the work began");
    else
        (void)destination_room(&x->d, x->bytes, "destination", &x->why);
}

/* On the worker: what stands there? */
static void look_at_it(uv_work_t *w)
{
    struct extract *x = w->data;
    x->stands = destination_stands(&x->d);
    extract_look(x->d.fd, &x->there);
    x->left = x->there.files + x->there.others > 0 || !x->there.whole;
    destination_discard(&x->d);
}

static void on_worked(uv_work_t *w, int status)
{
    struct extract *x = w->data;
    x->working = false;
    go_on(x);
}

static void work(struct extract *x, void (*what)(uv_work_t *))
{
    x->work.data = x;
    x->working = true;
    if (uv_queue_work(x->loop, &x->work, what, on_worked) == 0)
        return;
    x->working = false;
    (void)err_set(&x->why, ERR_NO_MEMORY, "no memory for a look at the destination");
    go_on(x);
}

/* ---- the course ---- */

static bool start(struct extract *x)
{
    switch (x->phase) {
    case STEP_NEWEST:
        return newest_archive_ask(x->op, operation_repo(x->op, 0), &x->why);
    case STEP_LIST:
        return start_listing(x);
    case STEP_ROOM:
        work(x, look_for_room);
        return true;
    case STEP_EXTRACT:
        return start_extract(x);
    case STEP_LEAVE:
        break;
    }
    return false;
}

/* The next step, or the last one when something is wrong or the job is to stop. */
static void go_on(struct extract *x)
{
    if (x->phase == STEP_LEAVE) {
        extract_finish(x);
        return;
    }
    x->phase++;
    if (x->phase < STEP_LEAVE && x->why.code == ERR_NONE && x->said.state != VERDICT_FAILED &&
        !operation_stopping(x->op) && start(x))
        return;
    x->phase = STEP_LEAVE;
    work(x, look_at_it);
}

/* What borg did last. */
static void take(struct extract *x, const struct operation_result *last)
{
    verdict_result(last->verdict, &x->said);
    if (last->stopped || x->said.state == VERDICT_FAILED || x->phase == STEP_EXTRACT) {
        x->borg_ended = x->phase == STEP_EXTRACT;
        return;
    }
    if (x->phase == STEP_NEWEST)
        (void)newest_archive_name(last, x->archive, &x->why);
    else
        (void)judge_listing(x);
}

static void extract_step(struct operation *op, void *data, const struct operation_result *last)
{
    struct extract *x = data;
    x->op = op;
    if (last->ran) {
        take(x, last);
        go_on(x);
        return;
    }
    x->room = mem_printf("%s/confined", operation_context(op)->state_dir);
    if (!x->room)
        (void)err_set(&x->why, ERR_NO_MEMORY, "no memory to extract");
    if (x->archive[0])
        x->phase = STEP_LIST;
    if (x->room && start(x))
        return;
    x->phase = STEP_LEAVE;
    work(x, look_at_it);
}

/* While a worker looks nothing runs; what follows it ends the job. */
static bool extract_stop(struct operation *op, void *data, enum job_stop why)
{
    struct extract *x = data;
    return x->working;
}

void *extract_new(uv_loop_t *loop, const struct extract_spec *s)
{
    struct extract *x = mem_zalloc(sizeof *x);
    if (!x) {
        destination_drop(loop, s->destination);
        return NULL;
    }
    x->loop = loop;
    x->d = *s->destination;
    s->destination->fd = -1;
    x->strip = s->strip_components;
    entry_lines_init(&x->lines, on_entry, x);
    (void)snprintf(x->archive, sizeof x->archive, "%s", s->archive ? s->archive : "");
    bool whole = true;
    for (size_t i = 0; whole && i < json_array_size(s->paths); i++)
        whole = asked_paths_add(&x->asked, json_string_value(json_array_get(s->paths, i)));
    if (whole)
        return x;
    extract_free(x);
    return NULL;
}

const struct operation_plan extract_plan = {
    .step = extract_step, .stop = extract_stop, .free = extract_free};
