#include "api/handlers/downloads.h"

#include "api/config_call.h"
#include "api/handlers/archives.h"
#include "backup/archives/archive_path.h"
#include "backup/restore/download.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "limits.h"

#include <stdio.h>
#include <string.h>

/* The client's end of a download: the download's sink. */
struct sending {
    struct app *app;
    struct download *download;
    struct http_stream *stream;
};

static void on_drain(void *arg)
{
    struct sending *s = arg;
    download_drained(s->download);
}

static void on_close(void *arg)
{
    struct sending *s = arg;
    s->stream = NULL;
    download_gone(s->download);
}

/* RFC 6266: the name in ASCII for old readers, and as it is for the others. */
static void add_disposition(struct call *c, const struct download_head *h)
{
    const char *slash = strrchr(h->path, '/');
    const char *name = slash ? slash + 1 : *h->path ? h->path : h->archive;
    struct buf b, full;
    buf_init(&b, LIMIT_HEAD);
    buf_init(&full, LIMIT_HEAD);
    (void)buf_puts(&b, "attachment; filename=\"");
    for (const char *s = name; *s; s++)
        (void)buf_putc(
            &b, (unsigned char)*s < 0x20 || (unsigned char)*s > 0x7E || strchr("\"\\/%", *s) ? '_'
                                                                                             : *s);
    for (const char *s = name; *s;) { /* the parameter's value is UTF-8 by its own word */
        size_t n = utf8_char((const unsigned char *)s, strlen(s));
        char one[5] = "_";
        if (n)
            memcpy(one, s, n);
        one[n ? n : 1] = '\0';
        archive_path_encode(&full, one);
        s += n ? n : 1;
    }
    (void)buf_printf(&b, "%s\"; filename*=UTF-8''%s%s", h->tar ? ".tar" : "", buf_str(&full),
                     h->tar ? ".tar" : "");
    if (!b.failed)
        http_add_header(c->req, "Content-Disposition", buf_str(&b));
    buf_done(&b);
    buf_done(&full);
}

static bool begin(void *arg, struct job *j, const struct download_head *h)
{
    static const struct http_stream_cb cb = {.on_drain = on_drain, .on_close = on_close};
    struct sending *s = arg;
    struct call *c = call_await_take(s->app, j);
    char size[24];
    if (!c)
        return false;
    (void)snprintf(size, sizeof size, "%lld", (long long)h->size);
    if (!h->tar)
        http_add_header(c->req, "X-File-Size", size);
    http_add_header(c->req, "X-Job-Id", job_id(j));
    add_disposition(c, h);
    s->stream =
        call_stream(c, 200, h->tar ? "application/x-tar" : "application/octet-stream", &cb, s);
    return s->stream != NULL;
}

static bool write_piece(void *arg, const char *p, size_t n)
{
    struct sending *s = arg;
    return http_stream_write(s->stream, p, n);
}

static void end(void *arg)
{
    struct sending *s = arg;
    http_stream_end(TAKE(s->stream));
}

static void break_off(void *arg)
{
    struct sending *s = arg;
    if (s->stream)
        http_stream_abort(TAKE(s->stream));
}

static const struct download_sink sink = {
    .begin = begin, .write = write_piece, .end = end, .abort = break_off, .free = mem_free};

/* ---- the request ---- */

static void count(void *arg, struct job *j)
{
    size_t *n = arg;
    *n += strcmp(job_kind(j), "download") == 0;
}

static bool room(struct call *c)
{
    size_t n = 0;
    struct err e;
    jobs_each(c->app->jobs, count, &n);
    if (n < DOWNLOADS_MAX)
        return true;
    (void)err_set(&e, ERR_TOO_BUSY, "%d downloads at a time are enough", DOWNLOADS_MAX);
    call_error(c, &e);
    return false;
}

static void send_file(struct config_call *cc)
{
    struct call *c = cc->c;
    struct err e = {0};
    struct sending *s;
    const char *archive = archives_named(cc, call_str(c, "archive", ""));
    if (!archive || !room(c))
        return;
    AUTO_FREE char *path = archive_path_clean(call_bytes(c, "path", ""), "path", &e);
    if (!path) {
        call_error(c, &e);
        return;
    }
    if (!(s = mem_zalloc(sizeof *s))) {
        (void)err_set(&e, ERR_NO_MEMORY, "no memory for a download");
        call_error(c, &e);
        return;
    }
    s->app = c->app;
    const struct download_spec spec = {
        .archive = *archive ? archive : NULL, .path = path, .sink = &sink, .arg = s};
    struct download *d = download_new(&spec);
    if (!d) {
        (void)err_set(&e, ERR_NO_MEMORY, "no memory for a download");
        call_error(c, &e);
        return;
    }
    s->download = d;
    config_call_job(cc, &(struct config_job){.kind = "download",
                                             .reading = true,
                                             .yields = true,
                                             .unslotted = true,
                                             .document = true,
                                             .done_word = "sent",
                                             .done_sentence = "all of it was sent",
                                             .plan = &download_plan,
                                             .data = d});
}

void downloads_file(struct call *c)
{
    config_call(c, call_str(c, "label", ""), send_file);
}
