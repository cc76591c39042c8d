#include "backup/restore/export_tar.h"

#include "backup/archives/archive_name.h"
#include "backup/archives/entry.h"
#include "backup/restore/asked_paths.h"
#include "backup/restore/new_file.h"
#include "backup/run/run.h"
#include "base/jsonw.h"
#include "base/mem.h"
#include "limits.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

enum stage { STAGE_NEWEST, STAGE_LIST, STAGE_OPEN, STAGE_SEND, STAGE_COMMIT };

enum { TAR_ENTRY = 1536 }; /* bytes of an entry beside its content, about */

struct export_tar {
    uv_loop_t *loop;
    struct operation *op;
    enum stage stage;
    char archive[ARCHIVE_NAME_MAX + 1];
    struct destination d; /* until the file has it */
    char destination[PATH_MAX];
    struct asked_paths asked;
    char strip[48];
    enum export_filter filter;

    struct entry_lines lines;
    int64_t files, bytes; /* what is asked for, by borg's listing */
    struct new_file *file;
    EVP_MD_CTX *hash;
    uint64_t sent;
    struct verdict_result said; /* of borg's export */
    struct err why;             /* of our own: it counts more */
};

static void export_tar_free(void *data)
{
    struct export_tar *x = data;
    if (!x)
        return;
    new_file_free(x->file);
    destination_drop(x->loop, &x->d);
    entry_lines_done(&x->lines);
    EVP_MD_CTX_free(x->hash);
    asked_paths_done(&x->asked);
    mem_free(x);
}

/* ---- what is asked for ---- */

static void on_entry(void *arg, const struct entry *e)
{
    struct export_tar *x = arg;
    x->files++;
    x->bytes += TAR_ENTRY + (e->type == '-' ? e->size : 0);
    asked_paths_note(&x->asked, e->path);
}

static void on_listing(void *data, const char *p, size_t n)
{
    struct export_tar *x = data;
    entry_lines_feed(&x->lines, p, n);
}

static bool judge_listing(struct export_tar *x)
{
    if (!entry_lines_sound(&x->lines))
        return err_set(&x->why, ERR_COMMAND_FAILED, "borg's listing cannot be understood");
    return asked_paths_all_found(&x->asked, "nothing was written", &x->why);
}

/* ---- the file ---- */

static void go_on(struct export_tar *x);
static void finish(struct export_tar *x);

static void pause_borg(struct export_tar *x, bool pause)
{
    if (operation_run(x->op))
        run_pause(operation_run(x->op), pause);
}

static void on_ready(void *arg)
{
    struct export_tar *x = arg;
    if (x->stage == STAGE_OPEN)
        go_on(x);
    else
        pause_borg(x, false);
}

static void on_whole(void *arg)
{
    finish(arg);
}

static void on_failed(void *arg, const struct err *e)
{
    struct export_tar *x = arg;
    x->why = *e;
    if (operation_run(x->op)) { /* its end is what comes next */
        pause_borg(x, false);
        run_stop(operation_run(x->op));
    } else {
        finish(x);
    }
}

static bool open_file(struct export_tar *x)
{
    static const struct new_file_cb cb = {
        .ready = on_ready, .whole = on_whole, .failed = on_failed};
    int64_t expected = x->filter == EXPORT_PLAIN ? x->bytes : 0;
    x->file = new_file_open(x->loop, &x->d, expected, "destination", &cb, x);
    return x->file || err_set(&x->why, ERR_NO_MEMORY, "no memory for the file");
}

static void on_bytes(void *data, const char *p, size_t n)
{
    struct export_tar *x = data;
    if (x->why.code != ERR_NONE || operation_stopping(x->op))
        return;
    (void)EVP_DigestUpdate(x->hash, p, n);
    x->sent += n;
    if (!new_file_write(x->file, p, n))
        pause_borg(x, true);
}

/* ---- the programs ---- */

static bool start_list(struct export_tar *x)
{
    static const char *const verb[] = {"list", "--format", ENTRY_FORMAT, NULL};
    const struct operation_borg b = {.repo = operation_repo(x->op, 0),
                                     .verb = verb,
                                     .archive = x->archive,
                                     .tail = (const char *const *)x->asked.patterns,
                                     .out = OPERATION_STREAM,
                                     .on_stdout = on_listing};
    return operation_borg(x->op, &b, &x->why);
}

static bool start_export(struct export_tar *x)
{
    static const char *const filters[] = {[EXPORT_PLAIN] = "--tar-filter=",
                                          [EXPORT_GZIP] = "--tar-filter=gzip",
                                          [EXPORT_ZSTD] = "--tar-filter=zstd"};
    const char *const verb[] = {"export-tar", "--progress", filters[x->filter],
                                x->strip[0] ? x->strip : NULL, NULL};
    const char *tail[LIMIT_LIST + 2] = {"-"};
    for (size_t i = 0; x->asked.patterns[i]; i++)
        tail[i + 1] = x->asked.patterns[i];
    const struct operation_borg b = {.repo = operation_repo(x->op, 0),
                                     .verb = verb,
                                     .archive = x->archive,
                                     .tail = tail,
                                     .out = OPERATION_STREAM,
                                     .on_stdout = on_bytes};
    job_stage(operation_job(x->op), "export");
    return operation_borg(x->op, &b, &x->why);
}

/* ---- the end ---- */

static void note_result(struct export_tar *x)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    char hex[2 * EVP_MAX_MD_SIZE + 1] = "";
    unsigned size = 0;
    struct buf b;
    struct jsonw w;
    buf_init(&b, LIMIT_RECORD);
    jsonw_init(&w, &b);
    if (EVP_DigestFinal_ex(x->hash, digest, &size) == 1)
        for (size_t i = 0; i < size; i++)
            (void)snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    jsonw_kstr(&w, "archive", x->archive);
    jsonw_kstr(&w, "destination", x->destination);
    jsonw_kint(&w, "entries", x->files);
    jsonw_kint(&w, "bytes", (int64_t)x->sent);
    jsonw_kstr(&w, "sha256", hex);
    operation_repo_result(operation_repo(x->op, 0), buf_str(&b));
    buf_done(&b);
}

static void finish(struct export_tar *x)
{
    static const char note[] = "no file was written";
    bool whole = x->stage == STAGE_COMMIT && x->why.code == ERR_NONE;
    if (whole)
        note_result(x);
    else
        operation_stop_note(x->op, note);
    if (x->why.code != ERR_NONE) {
        operation_fail(x->op, &x->why);
        return;
    }
    if (x->said.api == ERR_BACKUP_FAILED)
        x->said.api = ERR_COMMAND_FAILED;
    operation_end(x->op, &x->said, NULL);
}

/* ---- the course ---- */

static bool start(struct export_tar *x)
{
    switch (x->stage) {
    case STAGE_NEWEST:
        return newest_archive_ask(x->op, operation_repo(x->op, 0), &x->why);
    case STAGE_LIST:
        return start_list(x);
    case STAGE_OPEN:
        return open_file(x);
    case STAGE_SEND:
        return start_export(x);
    case STAGE_COMMIT:
        new_file_commit(x->file);
        return true;
    }
    return false;
}

/* The next stage, or the end when something is wrong or the job is to stop. */
static void go_on(struct export_tar *x)
{
    if (x->why.code == ERR_NONE && x->said.state != VERDICT_FAILED && !operation_stopping(x->op)) {
        x->stage++;
        if (start(x))
            return;
    }
    finish(x);
}

static void export_tar_step(struct operation *op, void *data, const struct operation_result *last)
{
    struct export_tar *x = data;
    x->op = op;
    if (!last->ran) {
        x->stage = x->archive[0] ? STAGE_LIST : STAGE_NEWEST;
        if (!start(x))
            finish(x);
        return;
    }
    verdict_result(last->verdict, &x->said);
    if (last->stopped) {
        finish(x);
        return;
    }
    if (x->said.state != VERDICT_FAILED && x->why.code == ERR_NONE) {
        if (x->stage == STAGE_NEWEST)
            (void)newest_archive_name(last, x->archive, &x->why);
        else if (x->stage == STAGE_LIST)
            (void)judge_listing(x);
    }
    go_on(x);
}

/* While only a worker is busy nothing runs; what it tells then ends the job. What is in the way of
 * a borg's end is read and thrown away. */
static bool export_tar_stop(struct operation *op, void *data, enum job_stop why)
{
    struct export_tar *x = data;
    pause_borg(x, false);
    return !operation_run(op);
}

void *export_tar_new(uv_loop_t *loop, const struct export_spec *s)
{
    struct export_tar *x = mem_zalloc(sizeof *x);
    if (!x) {
        destination_drop(loop, s->destination);
        return NULL;
    }
    x->loop = loop;
    x->d = *s->destination;
    s->destination->fd = -1;
    x->filter = s->filter;
    (void)snprintf(x->destination, sizeof x->destination, "%s", x->d.path);
    (void)snprintf(x->archive, sizeof x->archive, "%s", s->archive ? s->archive : "");
    if (s->strip_components)
        (void)snprintf(x->strip, sizeof x->strip, "--strip-components=%" PRId64,
                       s->strip_components);
    entry_lines_init(&x->lines, on_entry, x);
    x->hash = EVP_MD_CTX_new();
    bool whole = x->hash && EVP_DigestInit_ex(x->hash, EVP_sha256(), NULL) == 1;
    for (char *const *path = s->paths; whole && path && *path; path++)
        whole = asked_paths_add(&x->asked, *path);
    if (whole)
        return x;
    export_tar_free(x);
    return NULL;
}

const struct operation_plan export_tar_plan = {
    .step = export_tar_step, .stop = export_tar_stop, .free = export_tar_free};
