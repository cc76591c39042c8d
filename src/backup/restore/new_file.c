#include "backup/restore/new_file.h"

#include "base/buf.h"
#include "base/mem.h"
#include "limits.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum duty { DUTY_OPEN, DUTY_WRITE, DUTY_COMMIT, DUTY_DISCARD };

struct new_file {
    uv_loop_t *loop;
    uv_work_t work; /* one at a time */
    enum duty duty;
    bool working;
    struct destination d;
    int64_t expected;
    const char *field;
    struct new_file_cb cb;
    void *arg;

    int fd;
    char hidden[64];           /* its name until it is whole, "" when it has none */
    struct buf filling, going; /* what comes; what is written */
    struct err e;
    bool full, overrun, commit, told, given_up; /* the loop's own */
    bool whole;
};

/* ---- on the worker ---- */

static void fail(struct new_file *f, const char *what)
{
    bool full = errno == ENOSPC || errno == EDQUOT;
    (void)err_field(&f->e, full ? ERR_NO_SPACE : ERR_COMMAND_FAILED, f->field, "%s: %s", what,
                    strerror(errno));
}

static void do_open(struct new_file *f)
{
    if (!destination_stands(&f->d)) {
        (void)err_field(&f->e, ERR_BAD_REQUEST, f->field,
                        "%s was moved or replaced before the work began", f->field);
        return;
    }
    if (f->expected && !destination_room(&f->d, f->expected, f->field, &f->e))
        return;
    f->fd = openat(f->d.fd, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    if (f->fd < 0) {
        (void)snprintf(f->hidden, sizeof f->hidden, ".borgmatic-api.%08x%08x.part",
                       randombytes_random(), randombytes_random());
        f->fd =
            openat(f->d.fd, f->hidden, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY | O_CLOEXEC, 0600);
    }
    if (f->fd >= 0)
        return;
    f->hidden[0] = '\0';
    fail(f, "the file cannot be made");
}

static void do_write(struct new_file *f)
{
    for (size_t done = 0; done < f->going.n;) {
        ssize_t n = write(f->fd, f->going.p + done, f->going.n - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            fail(f, "the file cannot be written");
            return;
        }
        done += (size_t)n;
    }
}

static bool name_it(struct new_file *f)
{
    char self[64];
    if (f->hidden[0])
        return renameat2(f->d.fd, f->hidden, f->d.fd, f->d.name, RENAME_NOREPLACE) == 0;
    (void)snprintf(self, sizeof self, "/proc/self/fd/%d", f->fd);
    return linkat(AT_FDCWD, self, f->d.fd, f->d.name, AT_SYMLINK_FOLLOW) == 0;
}

static void do_commit(struct new_file *f)
{
    if (fsync(f->fd) != 0) {
        fail(f, "the file cannot be kept");
        return;
    }
    f->whole = name_it(f);
    if (f->whole) {
        (void)fsync(f->d.fd); /* the name; the bytes are kept */
        return;
    }
    if (errno == EEXIST)
        (void)err_field(&f->e, ERR_ALREADY_EXISTS, f->field, "%s exists already", f->field);
    else
        fail(f, "the file cannot be given its name");
}

static void do_discard(struct new_file *f)
{
    if (f->fd >= 0)
        (void)close(f->fd);
    if (!f->whole && f->hidden[0])
        (void)unlinkat(f->d.fd, f->hidden, 0);
    if (f->whole)
        destination_close(&f->d);
    else
        destination_discard(&f->d);
}

static void on_work(uv_work_t *w)
{
    static void (*const duties[])(struct new_file *) = {[DUTY_OPEN] = do_open,
                                                        [DUTY_WRITE] = do_write,
                                                        [DUTY_COMMIT] = do_commit,
                                                        [DUTY_DISCARD] = do_discard};
    struct new_file *f = w->data;
    duties[f->duty](f);
}

/* ---- on the loop ---- */

static void go_on(struct new_file *f);

static void drop(struct new_file *f)
{
    buf_done(&f->filling);
    buf_done(&f->going);
    mem_free(f);
}

static void on_worked(uv_work_t *w, int status)
{
    struct new_file *f = w->data;
    f->working = false;
    if (f->duty == DUTY_DISCARD) {
        drop(f);
        return;
    }
    buf_reset(&f->going);
    go_on(f);
}

static void work(struct new_file *f, enum duty duty)
{
    f->duty = duty;
    f->working = true;
    f->work.data = f;
    (void)uv_queue_work(f->loop, &f->work, on_work, on_worked); /* refuses only a NULL */
}

static void tell_ready(struct new_file *f)
{
    if (!f->full || f->filling.n >= NEW_FILE_QUEUE / 2)
        return;
    f->full = false;
    f->cb.ready(f->arg);
}

/* What is to be done next, one thing at a time. */
static void go_on(struct new_file *f)
{
    if (f->working)
        return;
    if (f->given_up) {
        work(f, DUTY_DISCARD);
    } else if (f->e.code != ERR_NONE || f->overrun) {
        if (f->overrun && f->e.code == ERR_NONE)
            (void)err_set(&f->e, ERR_INTERNAL, "more bytes than were asked for");
        if (!f->told) {
            f->told = true;
            f->cb.failed(f->arg, &f->e);
        }
    } else if (f->filling.n) {
        struct buf empty = f->going;
        f->going = f->filling;
        f->filling = empty;
        work(f, DUTY_WRITE);
        tell_ready(f);
    } else if (f->whole) {
        f->cb.whole(f->arg);
    } else if (f->commit) {
        work(f, DUTY_COMMIT);
    } else {
        tell_ready(f);
    }
}

struct new_file *new_file_open(uv_loop_t *loop, struct destination *d, int64_t expected,
                               const char *field, const struct new_file_cb *cb, void *arg)
{
    struct new_file *f = mem_zalloc(sizeof *f);
    if (!f) {
        destination_drop(loop, d);
        return NULL;
    }
    f->loop = loop;
    f->d = *d;
    d->fd = -1;
    f->expected = expected;
    f->field = field;
    f->cb = *cb;
    f->arg = arg;
    f->fd = -1;
    f->full = true; /* `ready` tells that it is open */
    buf_init(&f->filling, NEW_FILE_QUEUE);
    buf_init(&f->going, NEW_FILE_QUEUE);
    work(f, DUTY_OPEN);
    return f;
}

bool new_file_write(struct new_file *f, const void *p, size_t n)
{
    assert(n <= NEW_FILE_QUEUE / 2);
    if (f->told)
        return false;
    f->overrun = !buf_append(&f->filling, p, n) || f->overrun;
    go_on(f);
    f->full = f->filling.n >= NEW_FILE_QUEUE / 2;
    return !f->full;
}

void new_file_commit(struct new_file *f)
{
    f->commit = true;
    go_on(f);
}

void new_file_free(struct new_file *f)
{
    if (!f)
        return;
    f->given_up = true;
    go_on(f);
}
