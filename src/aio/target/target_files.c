/* AIO's two files that belong to a target: copied for the time of a run, and kept for each target.
 */
#include "aio/config/config_file_internal.h"
#include "aio/target/target_internal.h"

#include "limits.h"
#include "sys/fsafe.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { HASH = 16, KEPT_NAME = 64 };

static const struct {
    const char *name, *copy, *kept;
    size_t max;
} files[TARGET_FILES] = {
    [FILE_BORG_CONFIG] = {"borg.config", "original.borg.config", "borg.config", AIO_SMALL_BYTES},
    [FILE_LIST] = {"backup_archives.list", "original.list", "list", AIO_LIST_BYTES},
};

const char *file_copy_name(int which)
{
    return files[which].copy;
}

/* ---- the folders ---- */

bool places_open_own(const struct aio_context *x, struct places *p, struct err *e)
{
    struct err why = {0};
    *p = (struct places){-1, -1};
    int state = fsafe_dir(x->state_dir, &why);
    if (state < 0)
        return err_field(e, ERR_UNAVAILABLE, "STATE_DIR", "%s", why.msg);
    if (mkdirat(state, "aio", 0700) == 0 || errno == EEXIST)
        p->own = openat(state, "aio", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (p->own < 0)
        (void)err_field(e, ERR_UNAVAILABLE, "STATE_DIR", "cannot open its folder aio: %s",
                        strerror(errno));
    (void)close(state);
    return p->own >= 0;
}

bool places_open_aio(const struct aio_context *x, struct places *p, struct err *e)
{
    const char *name;
    p->aio = config_file_folder(x->config_file, &name, e);
    return p->aio >= 0;
}

void places_close(struct places *p)
{
    if (p->own >= 0)
        (void)close(p->own);
    if (p->aio >= 0)
        (void)close(p->aio);
    p->own = p->aio = -1;
}

/* ---- reading and writing one ---- */

/* True and `absent` when it is not there. The caller wipes `out` in any case. */
static bool read_file(int dir, const char *name, size_t max, struct buf *out, struct stat *st,
                      bool *absent, struct err *e)
{
    struct err why = {0};
    buf_init(out, max);
    bool ok = fsafe_read(dir, name, out, st, &why);
    *absent = !ok && why.code == ERR_NOT_FOUND;
    return ok || *absent || err_set(e, why.code, "%s", why.msg);
}

static bool take_away(int dir, const char *name, struct err *e)
{
    struct err why = {0};
    return fsafe_remove(dir, name, &why) || why.code == ERR_NOT_FOUND ||
           err_set(e, why.code, "%s", why.msg);
}

static bool same_owner(const struct stat *a, const struct stat *b)
{
    return a->st_uid == b->st_uid && a->st_gid == b->st_gid &&
           (a->st_mode & 07777) == (b->st_mode & 07777);
}

/* AIO's file becomes `text`, unless it is that already. */
static bool write_aio(const struct places *p, int which, const struct buf *text,
                      const struct stat *as, struct err *e)
{
    char part[FSAFE_PART];
    struct buf now;
    struct stat st;
    bool absent;
    const char *name = files[which].name;
    bool same = read_file(p->aio, name, files[which].max, &now, &st, &absent, NULL) && !absent &&
                same_owner(&st, as) && now.n == text->n &&
                memcmp(buf_str(&now), buf_str(text), now.n) == 0;
    buf_wipe(&now);
    if (same)
        return true;
    if (!fsafe_aside(p->aio, name, buf_str(text), text->n, as, part, e))
        return false;
    if (renameat(p->aio, part, p->aio, name) == 0)
        return fsync(p->aio) == 0 || err_set(e, ERR_UNAVAILABLE, "cannot make AIO's %s durable: %s",
                                             name, strerror(errno));
    (void)err_set(e, ERR_UNAVAILABLE, "cannot write AIO's %s: %s", name, strerror(errno));
    (void)unlinkat(p->aio, part, 0);
    return false;
}

/* ---- the original's ---- */

bool file_there(const struct places *p, int which)
{
    return faccessat(p->aio, files[which].name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

bool file_save(const struct places *p, struct journal *g, int which, struct err *e)
{
    struct buf text;
    struct stat st;
    bool absent;
    bool ok = read_file(p->aio, files[which].name, files[which].max, &text, &st, &absent, e);
    if (ok && absent)
        ok = take_away(p->own, files[which].copy, e);
    else if (ok)
        ok = fsafe_write(p->own, files[which].copy, buf_str(&text), text.n, 0600, true, e);
    if (ok) {
        g->saved[which] = !absent;
        g->as[which] = absent ? g->as[which] : st;
    }
    buf_wipe(&text);
    return ok;
}

bool file_restore(const struct places *p, const struct journal *g, int which, struct err *e)
{
    struct buf text;
    bool absent;
    if (!g->saved[which])
        return take_away(p->aio, files[which].name, e);
    bool ok = read_file(p->own, files[which].copy, files[which].max, &text, NULL, &absent, e);
    if (ok && absent)
        ok = err_set(e, ERR_UNAVAILABLE, "the copy of AIO's %s is gone", files[which].name);
    ok = ok && write_aio(p, which, &text, &g->as[which], e);
    buf_wipe(&text);
    return ok;
}

/* ---- each target's ---- */

static void kept_name(int which, const struct aio_target *t, char out[KEPT_NAME])
{
    unsigned char hash[HASH];
    char hex[2 * HASH + 1];
    crypto_generichash_state h;
    (void)crypto_generichash_init(&h, NULL, 0, sizeof hash);
    (void)crypto_generichash_update(&h, (const unsigned char *)t->host_location,
                                    strlen(t->host_location) + 1);
    (void)crypto_generichash_update(&h, (const unsigned char *)t->remote_repo,
                                    strlen(t->remote_repo) + 1);
    (void)crypto_generichash_final(&h, hash, sizeof hash);
    (void)snprintf(out, KEPT_NAME, "%s.%s", files[which].kept,
                   sodium_bin2hex(hex, sizeof hex, hash, sizeof hash));
}

bool file_keep(const struct places *p, const struct aio_target *t, int which, struct err *e)
{
    char name[KEPT_NAME];
    struct buf text;
    struct stat st;
    bool absent;
    kept_name(which, t, name);
    bool ok = read_file(p->aio, files[which].name, files[which].max, &text, &st, &absent, e);
    if (ok && !absent)
        ok = fsafe_write(p->own, name, buf_str(&text), text.n, 0600, true, e);
    buf_wipe(&text);
    return ok;
}

bool file_keep_empty(const struct places *p, const struct aio_target *t, struct err *e)
{
    char name[KEPT_NAME];
    struct err why = {0};
    kept_name(FILE_BORG_CONFIG, t, name);
    return fsafe_write(p->own, name, "", 0, 0600, false, &why) || why.code == ERR_ALREADY_EXISTS ||
           err_set(e, why.code, "%s", why.msg);
}

bool file_place(const struct places *p, const struct journal *g, const struct aio_target *t,
                int which, struct err *e)
{
    char name[KEPT_NAME];
    struct buf text;
    bool absent;
    kept_name(which, t, name);
    bool ok = read_file(p->own, name, files[which].max, &text, NULL, &absent, e);
    if (ok && absent)
        ok = take_away(p->aio, files[which].name, e);
    else if (ok)
        ok = write_aio(p, which, &text, &g->as[which], e);
    buf_wipe(&text);
    return ok;
}

bool target_kept(const struct aio_context *x, const struct aio_target *t)
{
    struct places p;
    char name[KEPT_NAME];
    kept_name(FILE_BORG_CONFIG, t, name);
    bool there =
        places_open_own(x, &p, NULL) && faccessat(p.own, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    places_close(&p);
    return there;
}
