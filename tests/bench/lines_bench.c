/* How fast a child's output goes through lines, the hub and the store: 1 000 000 lines of 100 bytes
 * in reads of CHILD_READ, with and without secrets to look for. Prints lines/s, until the last line
 * was taken and until it was stored. */
#include "base/mem.h"
#include "jobs/hub.h"
#include "jobs/lines.h"
#include "limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINES = 1000 * 1000, LINE_BYTES = 100 };

struct bench {
    uv_loop_t loop;
    uv_idle_t reader;
    struct store *store;
    struct hub *hub;
    struct hub_job *job;
    struct lines *lines;
    char *input;
    size_t n, at;
    uint64_t taken_ns;
};

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    (void)fprintf(stderr, "lines_bench: %s\n", what);
    exit(1);
}

static void on_line(void *arg, const char *text, size_t n)
{
    hub_append(((struct bench *)arg)->job, EVENT_STDOUT, text, n, NULL);
}

static void on_closed(void *arg)
{
    (void)arg;
}

static void on_hub_closed(void *arg)
{
    store_close(((struct bench *)arg)->store, on_closed, arg);
}

static void on_ended(void *arg, bool ok, const struct err *e)
{
    struct bench *b = arg;
    must(ok, e ? e->msg : "the end was not kept");
    hub_close(b->hub, on_hub_closed, b);
}

static void finish(struct bench *b)
{
    lines_end(b->lines);
    lines_free(b->lines);
    struct store_job row = {
        .id = "bench:1", .kind = "bench", .state = "succeeded", .terminal = true};
    const char line[] = "{\"event\":\"success\"}";
    b->taken_ns = uv_hrtime();
    hub_end(b->job, line, sizeof line - 1, &row, on_ended, b);
}

/* One read a turn, as a pipe would give it. */
static void on_turn(uv_idle_t *idle)
{
    struct bench *b = idle->data;
    if (!hub_writable(b->job)) {
        (void)uv_idle_stop(idle);
        return;
    }
    size_t k = b->n - b->at < CHILD_READ ? b->n - b->at : CHILD_READ;
    lines_feed(b->lines, b->input + b->at, k, 0);
    b->at += k;
    if (b->at < b->n)
        return;
    uv_close((uv_handle_t *)idle, NULL);
    finish(b);
}

static void on_ready(void *arg)
{
    struct bench *b = arg;
    if (b->at < b->n)
        (void)uv_idle_start(&b->reader, on_turn);
}

static void on_created(void *arg, bool ok, const struct err *e)
{
    struct bench *b = arg;
    must(ok, e ? e->msg : "the job was not created");
    (void)uv_idle_start(&b->reader, on_turn);
}

static struct redact *secrets(int count)
{
    struct redact *r = redact_new();
    must(r != NULL, "no memory");
    for (int i = 0; i < count; i++) {
        char text[64];
        int n = snprintf(text, sizeof text, "p%dss/phr'se \xC3\xA9 %d", i, i);
        struct secret *s = secret_new(text, (size_t)n);
        must(redact_add(r, s, false), "secret refused");
        secret_free(s);
    }
    return r;
}

static void run(char *input, size_t n, int count)
{
    char dir[] = "/tmp/lines-bench-XXXXXX";
    must(mkdtemp(dir) != NULL, "no directory");
    struct bench b = {.input = input, .n = n};
    struct err e = {0};
    must(uv_loop_init(&b.loop) == 0, "no loop");
    struct store_settings set = {.dir = dir,
                                 .job_bytes = LIMIT_JOB_BYTES,
                                 .job_events = LIMIT_JOB_LINES,
                                 .all_bytes = LIMIT_STORE_BYTES,
                                 .read_job_keep_s = 3600,
                                 .jobs_keep = 100};
    b.store = store_open(&b.loop, &set, &e);
    must(b.store != NULL, e.msg);
    b.hub = hub_new(&b.loop, b.store, &e);
    struct store_job row = {.id = "bench:1", .kind = "bench", .state = "running"};
    store_job_create(b.store, &row, EVENT_RESERVE, on_created, &b);
    b.job = hub_open(b.hub, "bench:1", 0, EVENT_RESERVE, &e);
    must(b.job != NULL, e.msg);
    hub_on_ready(b.job, on_ready, &b);
    struct redact *r = secrets(count);
    b.lines = lines_new(r, on_line, &b);
    (void)uv_idle_init(&b.loop, &b.reader);
    b.reader.data = &b;
    uint64_t start = uv_hrtime();
    (void)uv_run(&b.loop, UV_RUN_DEFAULT);
    uint64_t end = uv_hrtime();
    must(uv_loop_close(&b.loop) == 0, "handles left");
    redact_free(r);
    (void)printf("%7d secrets  %10.0f lines/s taken  %10.0f lines/s stored\n", count,
                 LINES * 1e9 / (double)(b.taken_ns - start), LINES * 1e9 / (double)(end - start));
    char path[64];
    static const char *const files[] = {"state.db", "state.db-wal", "state.db-shm", "lock",
                                        "ballast"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, files[i]);
        (void)unlink(path);
    }
    (void)rmdir(dir);
}

int main(void)
{
    size_t n = (size_t)LINES * LINE_BYTES;
    char *input = mem_alloc(n);
    must(input != NULL, "no memory");
    for (size_t i = 0; i < LINES; i++) {
        char *p = input + i * LINE_BYTES;
        int k = snprintf(p, LINE_BYTES, "%08zu /home/someone/files/", i);
        for (size_t c = (size_t)k; c < LINE_BYTES - 1; c++)
            p[c] = (char)('a' + (i + c) % 26);
        p[LINE_BYTES - 1] = '\n';
    }
    run(input, n, 0);
    run(input, n, 5);
    mem_free(input);
    return 0;
}
