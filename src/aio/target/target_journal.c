/* The journal: one JSON file in STATE_DIR/aio, replaced as a whole. */
#include "aio/target/target_internal.h"

#include "base/json.h"
#include "base/mem.h"
#include "limits.h"
#include "sys/fsafe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define JOURNAL "journal.json"

static const char *const phases[] = {"switching", "switched", "kept", "put_back"};
static const char *const file_keys[TARGET_FILES] = {"borg_config", "list"};

/* ---- writing ---- */

void aio_target_write(const struct aio_target *t, struct jsonw *w)
{
    jsonw_begin_object(w);
    jsonw_kstr(w, "host_location", t->host_location);
    jsonw_kstr(w, "remote_repo", t->remote_repo);
    jsonw_kstr(w, "mode", aio_target_mode(t));
    jsonw_end_object(w);
}

static void write_as(struct jsonw *w, const char *key, const struct stat *as)
{
    jsonw_key(w, key);
    jsonw_begin_object(w);
    jsonw_kint(w, "uid", as->st_uid);
    jsonw_kint(w, "gid", as->st_gid);
    jsonw_kint(w, "mode", as->st_mode & 07777);
    jsonw_end_object(w);
}

static void write_journal(const struct journal *g, struct buf *out)
{
    struct jsonw w;
    jsonw_init(&w, out);
    jsonw_begin_object(&w);
    jsonw_kstr(&w, "job_id", g->j.job_id);
    jsonw_kstr(&w, "phase", phases[g->phase]);
    jsonw_kstr(&w, "master_id", g->j.master_id);
    jsonw_kstr(&w, "borg_id", g->j.borg_id);
    jsonw_kbool(&w, "stack_was_up", g->j.stack_was_up);
    jsonw_kbool(&w, "start_after", g->j.start_after);
    jsonw_kint(&w, "began_ms", g->j.began_ms);
    jsonw_key(&w, "original");
    aio_target_write(&g->j.original, &w);
    jsonw_key(&w, "intended");
    aio_target_write(&g->j.intended, &w);
    jsonw_key(&w, "temporary");
    jsonw_begin_array(&w);
    for (size_t i = 0; i < g->temporary_count; i++)
        aio_target_write(&g->temporary[i], &w);
    jsonw_end_array(&w);
    for (int i = 0; i < TARGET_FILES; i++)
        write_as(&w, file_keys[i], &g->as[i]);
    jsonw_end_object(&w);
}

bool journal_store(const struct places *p, const struct journal *g, bool fresh, struct err *e)
{
    struct buf text;
    struct err why = {0};
    buf_init(&text, AIO_TARGET_JOURNAL_BYTES);
    write_journal(g, &text);
    bool ok = text.failed ? err_set(&why, ERR_NO_MEMORY, "no memory for the journal")
                          : fsafe_write(p->own, JOURNAL, text.p, text.n, 0600, !fresh, &why);
    buf_wipe(&text);
    if (!ok && why.code == ERR_ALREADY_EXISTS)
        return err_set(e, ERR_TARGET_SWITCHED,
                       "the backup target is switched for a run that is not over yet");
    return ok || err_field(e, why.code, "STATE_DIR", "the journal of AIO's backup target: %.250s",
                           why.msg);
}

/* ---- reading ---- */

static bool read_text(const json_t *o, const char *key, char *out, size_t size)
{
    const char *s = json_get_str(o, key, NULL);
    if (!s || strlen(s) >= size)
        return false;
    (void)snprintf(out, size, "%s", s);
    return true;
}

static bool read_target(const json_t *o, struct aio_target *t)
{
    return read_text(o, "host_location", t->host_location, sizeof t->host_location) &&
           read_text(o, "remote_repo", t->remote_repo, sizeof t->remote_repo);
}

static bool read_phase(const json_t *o, enum target_phase *out)
{
    const char *s = json_get_str(o, "phase", "");
    for (int i = 0; i < (int)(sizeof phases / sizeof *phases); i++) {
        if (strcmp(s, phases[i]) != 0)
            continue;
        *out = (enum target_phase)i;
        return true;
    }
    return false;
}

static bool read_temporary(const json_t *o, struct journal *g)
{
    const json_t *list = json_object_get(o, "temporary"), *one;
    size_t i;
    if (json_array_size(list) > TARGET_TEMPORARIES)
        return false;
    json_array_foreach(list, i, one)
    {
        if (!read_target(one, &g->temporary[i]))
            return false;
    }
    g->temporary_count = json_array_size(list);
    return true;
}

static bool read_journal(const json_t *o, struct journal *g)
{
    bool ok = read_text(o, "job_id", g->j.job_id, sizeof g->j.job_id) &&
              read_text(o, "master_id", g->j.master_id, sizeof g->j.master_id) &&
              read_text(o, "borg_id", g->j.borg_id, sizeof g->j.borg_id) &&
              read_target(json_object_get(o, "original"), &g->j.original) &&
              read_target(json_object_get(o, "intended"), &g->j.intended) &&
              read_phase(o, &g->phase) && read_temporary(o, g);
    g->j.stack_was_up = json_get_bool(o, "stack_was_up", false);
    g->j.start_after = json_get_bool(o, "start_after", false);
    g->j.began_ms = json_get_int(o, "began_ms", 0);
    for (int i = 0; i < TARGET_FILES; i++) {
        const json_t *as = json_object_get(o, file_keys[i]);
        g->as[i].st_uid = (uid_t)json_get_int(as, "uid", 0);
        g->as[i].st_gid = (gid_t)json_get_int(as, "gid", 0);
        g->as[i].st_mode = (mode_t)json_get_int(as, "mode", 0600);
    }
    return ok;
}

bool journal_load(const struct places *p, struct journal *g, struct err *e)
{
    struct buf text;
    struct err why = {0};
    memset(g, 0, sizeof *g);
    buf_init(&text, AIO_TARGET_JOURNAL_BYTES);
    bool ok = fsafe_read(p->own, JOURNAL, &text, NULL, &why);
    json_t *o = ok ? json_parse(buf_str(&text), text.n, &why) : NULL;
    if (o && !read_journal(o, g))
        (void)err_set(&why, ERR_UNAVAILABLE, "it does not say all that it must");
    ok = o && !why.code;
    json_decref(o);
    buf_wipe(&text);
    for (int i = 0; i < TARGET_FILES; i++)
        g->saved[i] = faccessat(p->own, file_copy_name(i), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    if (!ok && why.code == ERR_NOT_FOUND)
        return err_set(e, ERR_NOT_FOUND, "the backup target is not switched");
    return ok || err_field(e, ERR_UNAVAILABLE, "STATE_DIR",
                           "the journal of AIO's backup target cannot be read: %.250s", why.msg);
}

bool journal_there(const struct places *p)
{
    return faccessat(p->own, JOURNAL, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Should the removal not be durable, a start after a power failure finds the journal of what is
 * over and puts the original back once more; the caller cannot do better. */
bool journal_drop(const struct places *p, struct err *e)
{
    if (unlinkat(p->own, JOURNAL, 0) != 0 && errno != ENOENT)
        return err_field(e, ERR_UNAVAILABLE, "STATE_DIR",
                         "the journal of AIO's backup target cannot be removed: %s",
                         strerror(errno));
    (void)fsync(p->own);
    for (int i = 0; i < TARGET_FILES; i++) /* without a journal a copy means nothing */
        (void)unlinkat(p->own, file_copy_name(i), 0);
    return true;
}
