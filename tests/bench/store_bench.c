/* store_bench [records] [directory]: records of 100 bytes through block_add and store_append, the
 * writer waiting whenever the store is behind, as the hub does. Prints lines a second until the
 * last one is kept, and what the process and the file weigh. */
#include "jobs/store.h"
#include "limits.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct bench {
    uv_loop_t loop;
    struct store *store;
    struct block *block;
    uint64_t next, records, lost;
    bool over;
};

static void on_append(void *arg, bool ok, const struct err *e)
{
    struct bench *b = arg;
    b->lost += ok ? 0 : 1;
}

static void on_last(void *arg, bool ok, const struct err *e)
{
    struct bench *b = arg;
    b->over = true;
}

static void hand_over(struct bench *b)
{
    store_append(b->store, b->block, on_append, b);
    block_unref(b->block);
    b->block = block_new("bench:1", b->next);
}

/* What memory the process holds, in kB, by that name of /proc/self/status. */
static long memory_kb(const char *name)
{
    char text[4096], key[32];
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    (void)close(fd);
    text[n > 0 ? n : 0] = '\0';
    (void)snprintf(key, sizeof key, "\n%s:", name);
    const char *p = strstr(text, key);
    return p ? strtol(p + strlen(key), NULL, 10) : 0;
}

static void fill(struct bench *b)
{
    char line[100];
    memset(line, 'x', sizeof line);
    while (b->next < b->records) {
        if (!block_add(b->block, EVENT_STDOUT, b->next + 1, 1700000000.5, line, sizeof line, NULL))
            abort();
        b->next++;
        if (b->block->text.n >= EVENT_BLOCK)
            hand_over(b);
        while (store_backlog(b->store) > STORE_QUEUE_HIGH)
            (void)uv_run(&b->loop, UV_RUN_ONCE);
    }
    hand_over(b);
    store_job_update(b->store,
                     &(struct store_job){.id = "bench:1", .state = "succeeded", .terminal = true},
                     true, on_last, b);
    while (!b->over)
        (void)uv_run(&b->loop, UV_RUN_ONCE);
}

int main(int argc, char **argv)
{
    struct bench b = {.records = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000};
    char dir[] = "/tmp/store-bench-XXXXXX", path[256];
    const char *where = argc > 2 ? argv[2] : mkdtemp(dir);
    struct store_settings set = {.dir = where,
                                 .job_bytes = LIMIT_JOB_BYTES,
                                 .job_events = LIMIT_JOB_LINES,
                                 .all_bytes = LIMIT_STORE_BYTES,
                                 .read_job_keep_s = 3600,
                                 .jobs_keep = 1000};
    struct err e;
    (void)uv_loop_init(&b.loop);
    b.store = store_open(&b.loop, &set, &e);
    if (!b.store) {
        (void)fprintf(stderr, "%s\n", e.msg);
        return 1;
    }
    b.block = block_new("bench:1", 0);
    store_job_create(b.store, &(struct store_job){.id = "bench:1", .state = "running"}, UINT32_MAX,
                     on_append, &b);
    long before = memory_kb("VmRSS");
    uint64_t from = uv_hrtime();
    fill(&b);
    double s = (double)(uv_hrtime() - from) / 1e9;
    struct stat st = {0};
    struct store_health h;
    store_health(b.store, &h);
    (void)snprintf(path, sizeof path, "%s/state.db", where);
    (void)stat(path, &st);
    (void)printf("%llu lines in %.2f s: %.0f lines/s; %llu lost, %llu commits; memory %ld kB, was "
                 "%ld kB; file %lld kB\n",
                 (unsigned long long)b.records, s, (double)b.records / s,
                 (unsigned long long)b.lost, (unsigned long long)h.commits, memory_kb("VmHWM"),
                 before, (long long)st.st_size / 1024);
    block_unref(b.block);
    store_close(b.store, NULL, NULL);
    (void)uv_run(&b.loop, UV_RUN_DEFAULT);
    return uv_loop_close(&b.loop);
}
