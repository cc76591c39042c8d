#include "aio/run/run_journal.h"

#include "base/buf.h"
#include "base/json.h"
#include "limits.h"
#include "sys/fsafe.h"

#include <errno.h>
#include <linux/limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_NAME "run.json"

static int open_folder(const char *state_dir, bool make, struct err *e)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/aio", state_dir) >= (int)sizeof path) {
        (void)err_set(e, ERR_UNAVAILABLE, "STATE_DIR is too long");
        return -1;
    }
    if (make && mkdir(path, 0700) != 0 && errno != EEXIST) {
        (void)err_set(e, ERR_UNAVAILABLE, "%s cannot be made: %s", path, strerror(errno));
        return -1;
    }
    return fsafe_dir(path, e);
}

static void write_text(const struct run_journal *j, struct buf *text)
{
    struct jsonw w;
    jsonw_init(&w, text);
    jsonw_begin_object(&w);
    jsonw_kstr(&w, "job_id", j->job_id);
    jsonw_kstr(&w, "master_id", j->master_id);
    jsonw_kstr(&w, "borg_id", j->borg_id);
    jsonw_kint(&w, "began_ms", j->began_ms);
    jsonw_kbool(&w, "stack_was_up", j->stack_was_up);
    jsonw_kbool(&w, "start_after", j->start_after);
    jsonw_kbool(&w, "backs_up", j->backs_up);
    jsonw_kbool(&w, "checks", j->checks);
    jsonw_kbool(&w, "owes_start", j->owes_start);
    jsonw_kstr(&w, "host_location", j->target.host_location);
    jsonw_kstr(&w, "remote_repo", j->target.remote_repo);
    jsonw_end_object(&w);
}

bool run_journal_write(const char *state_dir, const struct run_journal *j, struct err *e)
{
    struct buf text;
    buf_init(&text, AIO_JOURNAL_BYTES);
    write_text(j, &text);
    int dir = text.failed ? -1 : open_folder(state_dir, true, e);
    if (text.failed)
        (void)err_set(e, ERR_NO_MEMORY, "no memory for the run's journal");
    bool ok = dir >= 0 && fsafe_write(dir, FILE_NAME, text.p, text.n, 0600, true, e);
    if (dir >= 0)
        (void)close(dir);
    buf_done(&text);
    return ok;
}

static void copy(const json_t *o, const char *key, char *out, size_t size)
{
    (void)snprintf(out, size, "%s", json_get_str(o, key, ""));
}

static void read_text(const json_t *o, struct run_journal *out)
{
    *out = (struct run_journal){
        .began_ms = json_get_int(o, "began_ms", 0),
        .stack_was_up = json_get_bool(o, "stack_was_up", false),
        .start_after = json_get_bool(o, "start_after", false),
        .backs_up = json_get_bool(o, "backs_up", false),
        .checks = json_get_bool(o, "checks", false),
        .owes_start = json_get_bool(o, "owes_start", false),
    };
    copy(o, "job_id", out->job_id, sizeof out->job_id);
    copy(o, "master_id", out->master_id, sizeof out->master_id);
    copy(o, "borg_id", out->borg_id, sizeof out->borg_id);
    copy(o, "host_location", out->target.host_location, sizeof out->target.host_location);
    copy(o, "remote_repo", out->target.remote_repo, sizeof out->target.remote_repo);
}

bool run_journal_read(const char *state_dir, struct run_journal *out, struct err *e)
{
    struct buf text;
    int dir = open_folder(state_dir, false, e);
    if (dir < 0)
        return false;
    buf_init(&text, AIO_JOURNAL_BYTES);
    bool read = fsafe_read(dir, FILE_NAME, &text, NULL, e);
    json_t *o = read ? json_parse(text.p, text.n, NULL) : NULL;
    if (o)
        read_text(o, out);
    else if (read)
        (void)err_set(e, ERR_UNAVAILABLE, "the journal of AIO's run in STATE_DIR is broken");
    bool ok = o != NULL;
    json_decref(o);
    buf_done(&text);
    (void)close(dir);
    return ok;
}

bool run_journal_drop(const char *state_dir, struct err *e)
{
    struct err why = {0};
    int dir = open_folder(state_dir, false, &why);
    bool ok = dir >= 0 ? fsafe_remove(dir, FILE_NAME, &why) : false;
    if (dir >= 0)
        (void)close(dir);
    if (!ok && why.code != ERR_NOT_FOUND && e)
        *e = why;
    return ok || why.code == ERR_NOT_FOUND;
}
