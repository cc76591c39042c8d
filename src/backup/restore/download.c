#include "backup/restore/download.h"

#include "backup/archives/archive_path.h"
#include "backup/restore/download_internal.h"
#include "backup/run/run.h"
#include "base/jsonw.h"
#include "base/mem.h"
#include "limits.h"

#include <stdio.h>
#include <string.h>

_Static_assert((int)CHILD_READ <= (int)LIMIT_STREAM_CHUNK, "a read is handed on in one piece");

/* ---- life ---- */

static void download_free(void *data)
{
    struct download *d = data;
    if (!d)
        return;
    if (d->sink.free)
        d->sink.free(d->sink_arg);
    entry_lines_done(&d->lines);
    EVP_MD_CTX_free(d->hash);
    mem_free(d->path);
    mem_free(d->target);
    mem_free(d->source);
    mem_free(d);
}

struct download *download_new(const struct download_spec *spec)
{
    struct download *d = mem_zalloc(sizeof *d);
    if (!d) {
        spec->sink->free(spec->arg);
        return NULL;
    }
    d->sink = *spec->sink;
    d->sink_arg = spec->arg;
    d->stage = spec->archive ? DOWNLOAD_ALONE : DOWNLOAD_NEWEST;
    (void)snprintf(d->archive, sizeof d->archive, "%s", spec->archive ? spec->archive : "");
    d->path = mem_strdup(spec->path);
    d->hash = EVP_MD_CTX_new();
    if (d->path && d->hash && EVP_DigestInit_ex(d->hash, EVP_sha256(), NULL) == 1)
        return d;
    download_free(d);
    return NULL;
}

/* ---- the reader ---- */

static uint64_t now_of(const struct download *d)
{
    return uv_now(operation_context(d->op)->loop);
}

static void pause_borg(struct download *d, bool pause)
{
    if (operation_run(d->op))
        run_pause(operation_run(d->op), pause);
}

void download_drained(struct download *d)
{
    if (d->over)
        return;
    download_pace_ready(&d->pace, now_of(d));
    pause_borg(d, false);
}

void download_gone(struct download *d)
{
    d->over = true;
    (void)job_cancel(operation_job(d->op), JOB_STOP_CANCEL); /* ends in on_stop */
}

static void give_up(struct download *d)
{
    if (d->begun && !d->over)
        d->sink.abort(d->sink_arg);
    d->over = true;
    pause_borg(d, false); /* what still comes is thrown away */
}

static void on_timer(uv_timer_t *t)
{
    struct download *d = t->data;
    if (d->over || !download_pace_too_slow(&d->pace, now_of(d)))
        return;
    d->too_slow = true;
    give_up(d);
    if (operation_run(d->op))
        run_stop(operation_run(d->op));
}

static void freed(uv_handle_t *h)
{
    mem_free(h);
}

static void stop_timer(struct download *d)
{
    if (d->timer)
        uv_close((uv_handle_t *)d->timer, freed);
    d->timer = NULL;
}

static bool start_timer(struct download *d, struct err *e)
{
    d->timer = mem_zalloc(sizeof *d->timer);
    if (!d->timer)
        return err_set(e, ERR_NO_MEMORY, "no memory for a download");
    (void)uv_timer_init(operation_context(d->op)->loop, d->timer);
    d->timer->data = d;
    (void)uv_timer_start(d->timer, on_timer, DOWNLOAD_LOOK_MS, DOWNLOAD_LOOK_MS);
    return true;
}

/* ---- what borg writes ---- */

static bool begin(struct download *d)
{
    const struct download_head h = {
        .path = d->path, .archive = d->archive, .tar = d->tar, .size = d->tar ? -1 : d->size};
    d->begun = true;
    if (d->sink.begin(d->sink_arg, operation_job(d->op), &h))
        return true;
    download_gone(d);
    return false;
}

static void on_bytes(void *data, const char *p, size_t n)
{
    struct download *d = data;
    size_t skip = d->skip < n ? (size_t)d->skip : n;
    d->skip -= skip;
    p += skip;
    n -= skip;
    if (n == 0 || d->over || (!d->begun && !begin(d)))
        return;
    (void)EVP_DigestUpdate(d->hash, p, n);
    d->sent += n;
    download_pace_taken(&d->pace, n);
    if (d->sink.write(d->sink_arg, p, n))
        return;
    download_pace_waits(&d->pace, now_of(d));
    pause_borg(d, true);
}

static bool start_sending(struct download *d, struct err *e)
{
    static const char *const file[] = {"extract", "--stdout", NULL};
    static const char *const folder[] = {"export-tar", NULL};
    AUTO_FREE char *pattern = archive_path_pattern(d->source ? d->source : d->path, false);
    const char *const file_tail[] = {pattern, NULL};
    const char *const folder_tail[] = {"-", *d->path ? pattern : NULL, NULL};
    if (!pattern)
        return err_set(e, ERR_NO_MEMORY, "no memory for a path");
    job_stage(operation_job(d->op), "send");
    const struct operation_borg b = {.repo = operation_repo(d->op, 0),
                                     .verb = d->tar ? folder : file,
                                     .archive = d->archive,
                                     .tail = d->tar ? folder_tail : file_tail,
                                     .out = OPERATION_STREAM,
                                     .on_stdout = on_bytes};
    return start_timer(d, e) && operation_borg(d->op, &b, e);
}

/* ---- the end ---- */

static void note_result(struct download *d)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    struct buf b;
    struct jsonw w;
    buf_init(&b, LIMIT_RECORD);
    jsonw_init(&w, &b);
    jsonw_kstr(&w, "archive", d->archive);
    jsonw_kstr(&w, "format", d->tar ? "tar" : "file");
    jsonw_kint(&w, "bytes", (int64_t)d->sent);
    if (EVP_DigestFinal_ex(d->hash, digest, &size) == 1 && size == DOWNLOAD_DIGEST) {
        char hex[2 * DOWNLOAD_DIGEST + 1];
        for (size_t i = 0; i < DOWNLOAD_DIGEST; i++)
            (void)snprintf(hex + 2 * i, 3, "%02x", digest[i]);
        jsonw_kstr(&w, "sha256", hex);
    }
    operation_repo_result(operation_repo(d->op, 0), buf_str(&b));
    buf_done(&b);
}

/* Nothing is wrong with what was sent, or false and why not. */
static bool whole(const struct download *d, const struct verdict_result *v, struct err *e)
{
    if (d->tar)
        return true;
    if (v->state == VERDICT_WARNING)
        return err_set(e, ERR_COMMAND_FAILED,
                       "borg warned while it read the file, so it may be damaged: %.200s",
                       v->sentence);
    return d->sent == (uint64_t)d->size ||
           err_set(e, ERR_COMMAND_FAILED, "borg gave %llu bytes of a file of %lld",
                   (unsigned long long)d->sent, (long long)d->size);
}

static void end_slow(struct download *d)
{
    struct verdict_result v = {.state = VERDICT_FAILED, .api = ERR_TIMEOUT};
    (void)snprintf(v.word, sizeof v.word, "reader_too_slow");
    (void)snprintf(v.sentence, sizeof v.sentence,
                   "the reader took less than %d bytes a second for %d seconds", DOWNLOAD_SLOW_RATE,
                   DOWNLOAD_SLOW_MS / 1000);
    operation_end(d->op, &v, NULL);
}

static void finish(struct download *d, const struct operation_result *last)
{
    struct verdict_result v;
    struct err e = {0};
    verdict_result(last->verdict, &v);
    stop_timer(d);
    note_result(d);
    if (d->too_slow && !last->stopped) {
        end_slow(d);
        return;
    }
    bool well = !last->stopped && v.state != VERDICT_FAILED && whole(d, &v, &e);
    if (well && !d->begun)
        well = begin(d); /* an empty file */
    if (well && !d->over)
        d->sink.end(d->sink_arg);
    else
        give_up(d);
    d->over = true;
    if (e.code != ERR_NONE)
        operation_fail(d->op, &e);
    else
        operation_end_worst(d->op, NULL);
}

/* ---- the course ---- */

/* Takes what ended into account; false: the operation has ended. */
static bool take(struct download *d, const struct operation_result *last)
{
    struct verdict_result v;
    struct err e = {0};
    if (last->stopped) {
        operation_end_worst(d->op, NULL);
        return false;
    }
    verdict_result(last->verdict, &v);
    if (d->stage == DOWNLOAD_NEWEST) {
        d->stage = DOWNLOAD_ALONE;
        if (newest_archive_name(last, d->archive, &e))
            return true;
    } else if (v.state == VERDICT_FAILED) {
        operation_end_worst(d->op, NULL);
        return false;
    } else if (download_looked(d, &e)) {
        return true;
    }
    operation_fail(d->op, &e);
    return false;
}

static bool go_on(struct download *d, struct err *e)
{
    if (d->stage == DOWNLOAD_NEWEST)
        return newest_archive_ask(d->op, operation_repo(d->op, 0), e);
    if (!*d->path) { /* the whole archive needs no look */
        d->tar = true;
        d->stage = DOWNLOAD_SEND;
    }
    return d->stage == DOWNLOAD_SEND ? start_sending(d, e) : download_look(d, e);
}

static void download_step(struct operation *op, void *data, const struct operation_result *last)
{
    struct download *d = data;
    struct err e = {0};
    d->op = op;
    if (last->ran && d->stage == DOWNLOAD_SEND && d->timer) {
        finish(d, last);
        return;
    }
    if (last->ran && !take(d, last))
        return;
    if (go_on(d, &e))
        return;
    stop_timer(d);
    operation_fail(op, &e);
}

/* What still comes is read and thrown away, so that borg's end is seen. */
static bool download_stop(struct operation *op, void *data, enum job_stop why)
{
    give_up(data);
    return false;
}

const struct operation_plan download_plan = {
    .step = download_step, .stop = download_stop, .free = download_free};
