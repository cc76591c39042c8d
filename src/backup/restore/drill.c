#include "backup/restore/drill.h"

#include "backup/archives/archive_name.h"
#include "backup/archives/archive_path.h"
#include "backup/restore/drill_report.h"
#include "backup/restore/drill_sample.h"
#include "base/mem.h"
#include "sys/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum step { STEP_NEWEST, STEP_LIST, STEP_ROOM, STEP_HASHES, STEP_EXTRACT, STEP_CHECK };

struct drill {
    uv_loop_t *loop;
    uv_work_t work; /* one at a time; the plan is not freed meanwhile */
    struct operation *op;
    enum step step;
    bool working, borg_done;
    atomic_bool stop;
    char archive[ARCHIVE_NAME_MAX + 1];
    bool compare;
    struct drill_sample sample;
    struct entry_lines lines;
    char *folder;
    int fd;
    struct verdict_result said;
    struct err why;
};

static void drill_free(void *data)
{
    struct drill *d = data;
    if (!d)
        return;
    if (d->fd >= 0)
        (void)close(d->fd);
    drill_sample_done(&d->sample);
    entry_lines_done(&d->lines);
    mem_free(d->folder);
    mem_free(d);
}

/* ---- what borg tells ---- */

static void on_entry(void *arg, const struct entry *e)
{
    struct drill *d = arg;
    drill_sample_add(&d->sample, e);
}

static void on_hash(void *arg, const struct entry *e)
{
    struct drill *d = arg;
    drill_sample_hash(&d->sample, e);
}

static void on_listing(void *data, const char *p, size_t n)
{
    struct drill *d = data;
    entry_lines_feed(&d->lines, p, n);
}

static void listen_for(struct drill *d, void (*each)(void *arg, const struct entry *e))
{
    entry_lines_done(&d->lines);
    entry_lines_init(&d->lines, each, d);
}

/* ---- what is done ---- */

static void drop_tail(char **tail, size_t n)
{
    for (size_t i = 0; tail && i < n; i++)
        mem_free(tail[i]);
    mem_free(tail);
}

static bool ask_borg(struct drill *d, const char *const *verb, bool sampled, int cwd_fd)
{
    size_t n = sampled ? d->sample.count : 0;
    char **tail = mem_zalloc((n + 1) * sizeof *tail);
    bool whole = tail != NULL;
    for (size_t i = 0; whole && i < n; i++)
        whole = (tail[i] = archive_path_pattern(d->sample.files[i].path, false)) != NULL;
    const struct operation_borg b = {.repo = operation_repo(d->op, 0),
                                     .verb = verb,
                                     .archive = d->archive,
                                     .tail = (const char *const *)tail,
                                     .out = cwd_fd > 0 ? OPERATION_LINES : OPERATION_STREAM,
                                     .on_stdout = on_listing,
                                     .cwd_fd = cwd_fd};
    bool ok = whole ? operation_borg(d->op, &b, &d->why)
                    : err_set(&d->why, ERR_NO_MEMORY, "no memory to start borg");
    drop_tail(tail, n);
    return ok;
}

/* On the worker. */
static void make_folder(uv_work_t *w)
{
    struct drill *d = w->data;
    struct statvfs fs;
    char above[4096];
    (void)snprintf(above, sizeof above, "%s", d->folder);
    *strrchr(above, '/') = '\0';
    if ((mkdir(above, 0700) != 0 && errno != EEXIST) || mkdir(d->folder, 0700) != 0 ||
        (d->fd = open(d->folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0)
        (void)err_set(&d->why, ERR_UNAVAILABLE, "no folder for the drill can be made in STATE_DIR");
    else if (fstatvfs(d->fd, &fs) == 0 && fs.f_blocks &&
             (uint64_t)d->sample.bytes + DRILL_SPARE > (uint64_t)fs.f_bavail * fs.f_frsize)
        (void)err_field(&d->why, ERR_NO_SPACE, "max_bytes",
                        "%lld bytes would be extracted and the disk of STATE_DIR has no room",
                        (long long)d->sample.bytes);
}

/* On the worker: the comparison, when borg was through, and the end of the folder. */
static void check(uv_work_t *w)
{
    struct drill *d = w->data;
    if (d->borg_done && d->why.code == ERR_NONE)
        drill_check(&d->sample, d->folder, d->compare, &d->stop);
    if (!tree_remove(d->folder) && d->why.code == ERR_NONE)
        (void)err_set(&d->why, ERR_UNAVAILABLE, "the drill's folder %.200s cannot be removed",
                      d->folder);
}

static void go_on(struct drill *d);

static void on_worked(uv_work_t *w, int status)
{
    struct drill *d = w->data;
    d->working = false;
    go_on(d);
}

static bool work(struct drill *d, void (*what)(uv_work_t *))
{
    d->work.data = d;
    d->working = uv_queue_work(d->loop, &d->work, what, on_worked) == 0;
    return d->working || err_set(&d->why, ERR_NO_MEMORY, "no memory for a drill");
}

static bool start(struct drill *d)
{
    static const char *const list[] = {"list", "--format", ENTRY_FORMAT, NULL};
    static const char *const hashes[] = {"list", "--format", ENTRY_FORMAT_HASHED, NULL};
    static const char *const extract[] = {"extract",  "--progress", "--noflags",
                                          "--noacls", "--noxattrs", NULL};
    switch (d->step) {
    case STEP_NEWEST:
        return newest_archive_ask(d->op, operation_repo(d->op, 0), &d->why);
    case STEP_LIST:
        job_stage(operation_job(d->op), "draw");
        listen_for(d, on_entry);
        return ask_borg(d, list, false, 0);
    case STEP_ROOM:
        return work(d, make_folder);
    case STEP_HASHES:
        job_stage(operation_job(d->op), "hashes");
        listen_for(d, on_hash);
        return ask_borg(d, hashes, true, 0);
    case STEP_EXTRACT:
        job_stage(operation_job(d->op), "extract");
        return ask_borg(d, extract, true, d->fd);
    case STEP_CHECK:
        job_stage(operation_job(d->op), "compare");
        return work(d, check);
    }
    return false;
}

/* ---- the course ---- */

static void finish(struct drill *d)
{
    struct verdict_result v = d->said;
    struct operation_repo *r = operation_repo(d->op, 0);
    if (d->sample.failed && d->why.code == ERR_NONE)
        (void)err_set(&d->why, ERR_NO_MEMORY, "no memory for the drill");
    if (d->why.code != ERR_NONE) {
        operation_fail(d->op, &d->why);
        return;
    }
    drill_report(&d->sample, d->archive, d->compare, r);
    if (v.state != VERDICT_FAILED && !operation_stopping(d->op))
        drill_verdict(&d->sample, r, &v);
    if (v.api == ERR_BACKUP_FAILED)
        v.api = ERR_COMMAND_FAILED;
    operation_end(d->op, &v, NULL);
}

/* The next step; what is wrong, or a stop, leads to the last one at once. */
static void go_on(struct drill *d)
{
    bool over = d->step == STEP_CHECK;
    bool bad = d->why.code != ERR_NONE || d->said.state == VERDICT_FAILED ||
               operation_stopping(d->op) || (d->step == STEP_LIST && d->sample.count == 0);
    if (!over) {
        d->step = bad ? STEP_CHECK : d->step + 1;
        if (start(d))
            return;
        if (d->step != STEP_CHECK) { /* it could not be started */
            d->step = STEP_CHECK;
            if (start(d))
                return;
        }
    }
    finish(d);
}

static void take(struct drill *d, const struct operation_result *last)
{
    verdict_result(last->verdict, &d->said);
    if (last->stopped || d->said.state == VERDICT_FAILED)
        return;
    if (d->step == STEP_NEWEST)
        (void)newest_archive_name(last, d->archive, &d->why);
    else if (d->step == STEP_EXTRACT)
        d->borg_done = true;
    else if (!entry_lines_sound(&d->lines))
        (void)err_set(&d->why, ERR_COMMAND_FAILED, "borg's listing of the archive is not readable");
    else if (d->step == STEP_LIST)
        drill_sample_fit(&d->sample);
}

static void drill_step(struct operation *op, void *data, const struct operation_result *last)
{
    struct drill *d = data;
    d->op = op;
    if (last->ran) {
        take(d, last);
        go_on(d);
        return;
    }
    d->folder =
        mem_printf("%s/drill/%s", operation_context(op)->state_dir, job_id(operation_job(op)));
    d->step = d->archive[0] ? STEP_LIST : STEP_NEWEST;
    if (!d->folder)
        (void)err_set(&d->why, ERR_NO_MEMORY, "no memory for a drill");
    if (!d->folder || !start(d))
        operation_fail(op, &d->why);
}

static bool drill_stop(struct operation *op, void *data, enum job_stop why)
{
    struct drill *d = data;
    atomic_store(&d->stop, true);
    return d->working; /* what follows the look ends the job */
}

void *drill_new(uv_loop_t *loop, const struct drill_spec *s)
{
    struct drill *d = mem_zalloc(sizeof *d);
    if (!d)
        return NULL;
    d->loop = loop;
    d->fd = -1;
    d->compare = s->compare;
    (void)snprintf(d->archive, sizeof d->archive, "%s", s->archive ? s->archive : "");
    entry_lines_init(&d->lines, on_entry, d);
    if (drill_sample_init(&d->sample, (size_t)s->count, s->max_bytes, s->seed))
        return d;
    drill_free(d);
    return NULL;
}

const struct operation_plan drill_plan = {
    .step = drill_step, .stop = drill_stop, .free = drill_free};
