/* The two keys set in the file, although AIO may write it at any moment. What is written is
 * prepared first; then the file is looked at again and replaced at once. Where the file system can,
 * the two files are exchanged, so that what was displaced is there to be looked at: had another
 * writer been faster in between, its file is put back and everything begins anew. */
#include "aio/config/config_file_internal.h"

#include "aio/target/crash.h"
#include "base/json.h"
#include "limits.h"
#include "sys/fsafe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct setting {
    const struct aio_target *target;
    int dir;
    const char *name;
    struct buf source, wanted; /* the text that was read, and what takes its place */
    struct stat st;            /* of the file that was read */
    struct config_file_change how;
};

enum step { STEP_DONE, STEP_AGAIN, STEP_FAILED };

static unsigned long long now_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (unsigned long long)t.tv_sec * 1000000 + (unsigned long long)t.tv_nsec / 1000;
}

static bool same_text(const struct buf *a, const struct buf *b)
{
    return a->n == b->n && memcmp(buf_str(a), buf_str(b), a->n) == 0;
}

/* The file as it is now, to be changed. True also when there is nothing to change: `done`. */
static bool take_source(struct setting *s, bool *done, struct err *e)
{
    struct aio_target now;
    json_t *root = config_file_load(s->dir, s->name, &s->source, &s->st, e);
    bool ok = root && config_file_target(root, &now, e);
    json_decref(root);
    *done = ok && aio_target_equal(&now, s->target);
    return ok;
}

/* ---- the moment itself ---- */

static bool holds(const struct setting *s, const char *name, const struct buf *text,
                  struct stat *st)
{
    struct buf now;
    buf_init(&now, AIO_CONFIG_BYTES);
    (void)buf_reserve(&now, text->n + 1);
    bool same = fsafe_read(s->dir, name, &now, st, NULL) && same_text(&now, text);
    buf_wipe(&now);
    return same;
}

/* Inode, times, size, owner, mode and text are those of the file that was read. */
static bool still_there(const struct setting *s)
{
    struct stat st;
    return holds(s, s->name, &s->source, &st) && st.st_ino == s->st.st_ino &&
           st.st_size == s->st.st_size && st.st_uid == s->st.st_uid && st.st_gid == s->st.st_gid &&
           st.st_mode == s->st.st_mode && st.st_mtim.tv_sec == s->st.st_mtim.tv_sec &&
           st.st_mtim.tv_nsec == s->st.st_mtim.tv_nsec;
}

static bool exchange(const struct setting *s, const char *part)
{
    return renameat2(s->dir, part, s->dir, s->name, RENAME_EXCHANGE) == 0;
}

/* `exchanged`: what was in place is now under the part's name. */
static bool put_in_place(const struct setting *s, const char *part, bool *exchanged)
{
    *exchanged = exchange(s, part);
    if (*exchanged || (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP))
        return *exchanged;
    return renameat(s->dir, part, s->dir, s->name) == 0;
}

static enum step replace(struct setting *s, const char *part, bool *exchanged, struct err *e)
{
    for (int i = 0; i < CONFIG_FILE_LOOKS; i++) {
        unsigned long long from = now_us();
        if (!still_there(s))
            return STEP_AGAIN;
        if (now_us() - from > CONFIG_FILE_WINDOW_MS * 1000 / 2)
            continue; /* we were kept from running: what was seen is old already */
        bool ok = put_in_place(s, part, exchanged);
        s->how.window_us = (unsigned)(now_us() - from);
        if (!ok)
            (void)err_set(e, ERR_UNAVAILABLE, "cannot replace %.64s: %s", s->name, strerror(errno));
        return ok ? STEP_DONE : STEP_FAILED;
    }
    return STEP_AGAIN;
}

/* What ours pushed out must be what was read; else it is put back. Had somebody written once more
 * meanwhile, that is the newest and stays. */
static enum step check_displaced(const struct setting *s, const char *part, struct err *e)
{
    struct stat st;
    if (holds(s, part, &s->source, &st))
        return STEP_DONE;
    if (!exchange(s, part)) {
        (void)err_set(e, ERR_UNAVAILABLE, "cannot put %.64s back: %s", s->name, strerror(errno));
        return STEP_FAILED;
    }
    if (holds(s, part, &s->wanted, &st))
        return STEP_AGAIN;
    (void)exchange(s, part);
    (void)err_set(e, ERR_CONFIG_CONFLICT,
                  "another program wrote AIO's configuration twice while it was changed");
    return STEP_FAILED;
}

/* ---- one try ---- */

static enum step write_and_replace(struct setting *s, struct err *e)
{
    char part[FSAFE_PART];
    bool exchanged = false;
    buf_reset(&s->wanted);
    if (!config_file_edit(buf_str(&s->source), s->source.n, s->target, &s->wanted, e) ||
        !fsafe_aside(s->dir, s->name, s->wanted.p, s->wanted.n, &s->st, part, e))
        return STEP_FAILED;
    crash_step(CRASH_CONFIG_WRITTEN);
    enum step step = replace(s, part, &exchanged, e);
    if (step == STEP_DONE)
        crash_step(CRASH_CONFIG_REPLACED);
    if (step == STEP_DONE && exchanged)
        step = check_displaced(s, part, e);
    if (step != STEP_DONE || exchanged)
        (void)unlinkat(s->dir, part, 0);
    if (step == STEP_DONE && fsync(s->dir) != 0) {
        (void)err_set(e, ERR_UNAVAILABLE, "cannot make %.64s durable: %s", s->name,
                      strerror(errno));
        step = STEP_FAILED;
    }
    return step;
}

static enum step attempt(struct setting *s, struct err *e)
{
    bool done = false;
    if (!take_source(s, &done, e))
        return STEP_FAILED;
    if (done)
        return STEP_DONE;
    enum step step = write_and_replace(s, e);
    return step == STEP_DONE ? STEP_AGAIN : step; /* the next one reads it and finds it done */
}

bool config_file_set_target(const char *path, const struct aio_target *t,
                            struct config_file_change *how, struct err *e)
{
    struct err why = {0};
    struct setting s = {.target = t};
    e = e ? e : &why;
    s.dir = config_file_folder(path, &s.name, e);
    if (s.dir < 0)
        return false;
    buf_init(&s.source, AIO_CONFIG_BYTES);
    buf_init(&s.wanted, AIO_CONFIG_BYTES);
    fsafe_sweep(s.dir);
    enum step step = STEP_AGAIN;
    for (s.how.tries = 0; step == STEP_AGAIN && s.how.tries <= CONFIG_FILE_TRIES; s.how.tries++) {
        if (s.how.tries > 1)
            (void)poll(NULL, 0, CONFIG_FILE_PAUSE_MS);
        step = attempt(&s, e);
    }
    if (step == STEP_AGAIN)
        (void)err_set(e, ERR_CONFIG_CONFLICT, "another program keeps changing AIO's configuration");
    if (step != STEP_DONE)
        (void)snprintf(e->field, sizeof e->field, "AIO_CONFIG_FILE");
    if (how)
        *how = s.how;
    buf_wipe(&s.source);
    buf_wipe(&s.wanted);
    (void)close(s.dir);
    return step == STEP_DONE;
}
