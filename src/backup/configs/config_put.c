#include "backup/configs/config_put.h"

#include "backup/configs/config_check.h"
#include "base/json.h"
#include "base/jsonw.h"
#include "base/mem.h"
#include "sys/fsafe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CANDIDATES "config-check"

struct put {
    struct config_wish wish;
    bool validate, validated;
    const char *state_dir;
    struct config_candidate *made;
    char part[PATH_MAX];    /* the candidate's file while it is looked at; "" when there is none */
    char etag[CONFIG_ETAG]; /* of the new file */
    int dir_fd;             /* borgmatic starts there: relative includes are found */
    struct operation *op;
    uv_work_t work;
    void (*then)(struct put *p); /* after the worker, unless it failed */
    bool (*deed)(struct put *p, struct err *e);
    bool working, stopped, failed;
    struct err e;
};

static void drop_part(struct put *p)
{
    if (p->part[0])
        (void)unlink(p->part);
    p->part[0] = '\0';
}

static void put_free(void *data)
{
    struct put *p = data;
    if (!p)
        return;
    drop_part(p);
    config_candidate_free(p->made);
    config_wish_done(&p->wish);
    if (p->dir_fd > 0)
        (void)close(p->dir_fd);
    mem_free(p);
}

void *config_put_new(struct config_wish *w, bool validate)
{
    struct put *p = mem_zalloc(sizeof *p);
    if (!p) {
        config_wish_done(w);
        return NULL;
    }
    p->wish = *w;
    p->validate = validate;
    *w = (struct config_wish){0};
    return p;
}

/* ---- in the worker ---- */

static int open_folder(const char *path, struct err *e)
{
    char real[PATH_MAX]; /* the folder itself may be reached through a link */
    return fsafe_dir(realpath(path, real) ? real : path, e);
}

static bool write_part(struct put *p, struct err *e)
{
    char folder[PATH_MAX - 64], name[40];
    (void)snprintf(folder, sizeof folder, "%s/" CANDIDATES, p->state_dir);
    (void)mkdir(folder, 0700);
    int dir = fsafe_dir(folder, e);
    if (dir < 0)
        return false;
    (void)snprintf(name, sizeof name, "%08x%08x.yaml", randombytes_random(), randombytes_random());
    bool ok = fsafe_write(dir, name, buf_str(&p->made->text), p->made->text.n, 0600, false, e);
    (void)close(dir);
    if (ok)
        (void)snprintf(p->part, sizeof p->part, "%s/%s", folder, name);
    return ok;
}

static bool prepare(struct put *p, struct err *e)
{
    p->made = config_candidate_make(&p->wish, e);
    if (!p->made || !p->validate)
        return p->made != NULL;
    p->dir_fd = open_folder(p->wish.dir, e);
    return p->dir_fd >= 0 && write_part(p, e);
}

/* Judged anew: while borgmatic looked at it, somebody may have changed the file by hand. What is
 * written is what was judged, to the byte. */
static bool replace(struct put *p, struct err *e)
{
    drop_part(p);
    struct config_candidate *now = config_candidate_make(&p->wish, e);
    if (!now)
        return false;
    bool same = now->text.n == p->made->text.n &&
                memcmp(buf_str(&now->text), buf_str(&p->made->text), now->text.n) == 0;
    config_candidate_free(p->made);
    p->made = now;
    if (!same)
        return err_set(e, ERR_PRECONDITION,
                       "stored values that masks stand for were changed meanwhile");
    int dir = open_folder(p->wish.dir, e);
    if (dir < 0)
        return false;
    const struct config_candidate *c = p->made;
    bool ok = fsafe_write(dir, c->name, buf_str(&c->text), c->text.n, c->mode, !c->created, e);
    struct stat st;
    /* Whoever reads it by its group must still be able to; where we may not, it is ours now. */
    if (ok && !c->created && (c->uid != geteuid() || c->gid != getegid()) &&
        fchownat(dir, c->name, c->uid, c->gid, AT_SYMLINK_NOFOLLOW) != 0)
        errno = 0;
    if (ok && fstatat(dir, c->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        config_files_etag(&st, p->etag);
    (void)close(dir);
    if (!ok && e->code == ERR_NOT_FOUND)
        e->code = ERR_UNAVAILABLE;
    return ok;
}

static bool forget(struct put *p, struct err *e)
{
    drop_part(p);
    return true;
}

static void in_worker(uv_work_t *w)
{
    struct put *p = w->data;
    p->failed = !p->deed(p, &p->e);
}

/* ---- the course ---- */

static void after_worker(uv_work_t *w, int status)
{
    struct put *p = w->data;
    p->working = false;
    if (p->failed)
        operation_fail(p->op, &p->e);
    else
        p->then(p);
}

static void go(struct put *p, bool (*deed)(struct put *p, struct err *e),
               void (*then)(struct put *p))
{
    p->deed = deed;
    p->then = then;
    p->work.data = p;
    p->working =
        uv_queue_work(operation_context(p->op)->loop, &p->work, in_worker, after_worker) == 0;
    if (p->working)
        return;
    struct err e;
    (void)err_set(&e, ERR_NO_MEMORY, "no memory to write the configuration");
    operation_fail(p->op, &e);
}

static void result_json(const struct put *p, bool done, struct buf *out)
{
    struct jsonw w;
    jsonw_init(&w, out);
    jsonw_begin_object(&w);
    jsonw_kstr(&w, "label", p->wish.label);
    jsonw_kstr(&w, "path", p->made ? p->made->path : NULL);
    jsonw_kbool(&w, "created", done && p->made->created);
    jsonw_kbool(&w, "validated", p->validated);
    jsonw_kstr(&w, "etag", done ? p->etag : NULL);
    jsonw_end_object(&w);
}

static void end(struct put *p, const struct verdict_result *v, bool done)
{
    struct buf result;
    buf_init(&result, LIMIT_RECORD);
    result_json(p, done, &result);
    operation_end(p->op, v, buf_str(&result));
    buf_done(&result);
}

static void on_replaced(struct put *p)
{
    struct verdict_result v = {.state = VERDICT_SUCCEEDED};
    operation_is_done(p->op);
    (void)snprintf(v.word, sizeof v.word, "%s",
                   p->made->created ? "config_created" : "config_replaced");
    (void)snprintf(v.sentence, sizeof v.sentence, "the configuration was written");
    struct buf doc;
    buf_init(&doc, LIMIT_REPLY);
    json_t *shown = config_mask_json(p->made->mask);
    if (shown && json_write(shown, &doc))
        job_take_document(operation_job(p->op), &doc);
    json_decref(shown);
    buf_done(&doc);
    end(p, &v, true);
}

static void on_refused(struct put *p)
{
    struct verdict_result v = {.state = VERDICT_FAILED, .api = ERR_VALIDATE};
    (void)snprintf(v.word, sizeof v.word, "%s", err_word(ERR_VALIDATE));
    (void)snprintf(v.sentence, sizeof v.sentence,
                   "borgmatic refuses the configuration, so nothing was changed; \"validation\" "
                   "has its words");
    end(p, &v, false);
}

static void on_stopped(struct put *p)
{
    struct err e;
    (void)err_set(&e, ERR_TIMEOUT, "the job was ended before the configuration was written");
    operation_fail(p->op, &e);
}

static void on_prepared(struct put *p)
{
    struct config_check_argv argv;
    struct err e = {0};
    if (p->stopped) {
        go(p, forget, on_stopped);
        return;
    }
    if (!p->validate) {
        go(p, replace, on_replaced);
        return;
    }
    const struct secret *const *s = config_mask_secrets(p->made->mask);
    bool ok = true;
    for (; ok && *s; s++)
        ok = operation_mask(p->op, *s) ||
             err_set(&e, ERR_NO_MEMORY, "no memory to mask the configuration's secrets");
    ok = ok && config_check_argv(operation_context(p->op)->tools, p->part, &argv, &e) &&
         operation_program(
             p->op,
             &(struct operation_program){
                 .file = argv.file, .argv = argv.argv, .out = OPERATION_LINES, .cwd_fd = p->dir_fd},
             &e);
    if (!ok)
        operation_fail(p->op, &e);
}

static void put_step(struct operation *op, void *data, const struct operation_result *last)
{
    struct put *p = data;
    p->op = op;
    if (last->stopped || operation_stopping(op)) {
        go(p, forget, on_stopped);
        return;
    }
    if (!last->ran) {
        p->state_dir = operation_context(op)->state_dir;
        go(p, prepare, on_prepared);
        return;
    }
    p->validated = last->code == 0;
    go(p, p->validated ? replace : forget, p->validated ? on_replaced : on_refused);
}

/* Files are being written: that is done in a moment, and by halves it must not be. */
static bool put_stop(struct operation *op, void *data, enum job_stop why)
{
    struct put *p = data;
    if (p->working)
        p->stopped = true;
    return p->working;
}

const struct operation_plan config_put_plan = {
    .step = put_step, .stop = put_stop, .free = put_free};

/* ---- after a crash ---- */

void config_put_sweep(const char *state_dir, const char *config_dir)
{
    char folder[PATH_MAX];
    struct err e;
    (void)snprintf(folder, sizeof folder, "%s/" CANDIDATES, state_dir);
    DIR *d = opendir(folder);
    for (const struct dirent *n; d && (n = readdir(d)) != NULL;)
        if (n->d_name[0] != '.' || strchr(n->d_name + 1, '.'))
            (void)unlinkat(dirfd(d), n->d_name, 0);
    if (d)
        (void)closedir(d);
    int dir = open_folder(config_dir, &e);
    if (dir < 0)
        return;
    fsafe_sweep(dir);
    (void)close(dir);
}
