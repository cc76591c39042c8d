#include "store_kit.h"

#include "base/mem.h"
#include "limits.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static struct kit k;

static int fresh(void **state)
{
    kit_make(&k);
    return 0;
}

static int gone(void **state)
{
    kit_done(&k);
    return 0;
}

static void reopen(void)
{
    kit_close(&k);
    assert_true(kit_open(&k));
}

/* ---- jobs ---- */
static void a_job_survives_reopening_with_all_its_fields(void **state)
{
    assert_true(kit_open(&k));
    assert_true(kit_create(&k, "create:a:1700000000001"));
    assert_true(kit_get(&k, "create:a:1700000000001"));
    assert_string_equal(k.state, "queued");
    assert_true(kit_update(&k, "create:a:1700000000001", "running", false));
    reopen();
    assert_true(kit_get(&k, "create:a:1700000000001"));
    assert_string_equal(k.state, "running");
    assert_string_equal(k.record, "{}");
    assert_false(kit_get(&k, "create:a:2"));
    assert_false(k.unknown);
}

static void the_directory_and_its_files_are_private(void **state)
{
    struct stat st;
    char path[256], sub[128];
    (void)snprintf(sub, sizeof sub, "%s/filler", k.dir);
    k.set.dir = sub;
    assert_true(kit_open(&k));
    assert_true(kit_create(&k, "create:1"));
    assert_int_equal(stat(sub, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    static const char *const names[] = {"state.db", "state.db-wal", "ballast", "lock"};
    for (size_t i = 0; i < 4; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", sub, names[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
    kit_close(&k);
    for (size_t i = 0; i < 4; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", sub, names[i]);
        (void)remove(path);
    }
    (void)remove(sub);
}

static void a_second_job_with_an_id_and_an_update_without_one_are_refused(void **state)
{
    assert_true(kit_open(&k));
    assert_true(kit_create(&k, "create:1"));
    assert_false(kit_create(&k, "create:1"));
    assert_int_equal(k.err.code, ERR_ALREADY_EXISTS);
    assert_false(kit_update(&k, "create:2", "running", false));
    assert_int_equal(k.err.code, ERR_NOT_FOUND);
}

static char order[64];

static void mark(const char *c)
{
    order[strlen(order)] = *c;
    k.fired++;
}

static void mark_done(void *arg, bool ok, const struct err *e)
{
    assert_true(ok);
    mark(arg);
}

static void mark_job(void *arg, bool found, const struct store_job *row)
{
    assert_true(found);
    mark(arg);
}

static void mark_events(void *arg, const char *text, size_t n)
{
    assert_int_equal(kit_count(text), 3); /* sees the append called before it */
    mark(arg);
}

static char letters[] = "abcdef";

static void callbacks_come_in_the_order_of_the_calls_never_inside_one(void **state)
{
    assert_true(kit_open(&k));
    memset(order, 0, sizeof order);
    struct store_job row = {.id = "create:1", .state = "queued"};
    struct block *b = kit_block("create:1", 0, 1, 3, 10);
    store_job_create(k.store, &row, 10, mark_done, &letters[0]);
    store_job_get(k.store, "create:1", mark_job, &letters[1]);
    store_append(k.store, b, mark_done, &letters[2]);
    store_events(k.store, "create:1", 0, 10000, mark_events, &letters[3]);
    store_job_update(k.store, &row, true, mark_done, &letters[4]);
    store_reserve(k.store, "create:1", 20, mark_done, &letters[5]);
    assert_int_equal(k.fired, 0);
    kit_wait(&k, 6);
    assert_string_equal(order, "abcdef");
    block_unref(b);
}

static void a_job_ends_with_its_last_block(void **state)
{
    assert_true(kit_open(&k));
    assert_true(kit_create(&k, "create:1"));
    struct store_job row = {
        .id = "create:1", .state = "succeeded", .terminal = true, .last_event_id = 4};
    struct block *b = kit_block("create:1", 0, 1, 5, 10);
    store_job_end(k.store, &row, b, kit_on_done, &k);
    block_unref(b);
    kit_wait(&k, 1);
    assert_true(k.ok);
    reopen();
    assert_true(kit_get(&k, "create:1"));
    assert_string_equal(k.state, "succeeded");
    assert_int_equal(kit_count(kit_events(&k, "create:1", 0, 10000)), 5);
    store_job_end(k.store, &row, NULL, kit_on_done, &k);
    kit_wait(&k, 1);
    assert_true(k.ok);
}

/* ---- lists ---- */
static void make_list(void)
{
    static const struct store_job rows[] = {
        {.id = "create:home:1", .kind = "create", .label = "home", .state = "failed"},
        {.id = "create:home:2", .kind = "create", .label = "home", .state = "succeeded"},
        {.id = "check:3", .kind = "check", .state = "succeeded"},
        {.id = "create:root:4", .kind = "create", .label = "root", .state = "succeeded"},
        {.id = "create:home:5", .kind = "create", .label = "home", .state = "running"},
    };
    assert_true(kit_open(&k));
    for (size_t i = 0; i < 5; i++) {
        struct store_job row = rows[i];
        row.queued_ms = (int64_t)i * 1000;
        store_job_create(k.store, &row, 10, kit_on_done, &k);
    }
    kit_wait(&k, 5);
}

static void jobs_are_listed_newest_first_and_filtered(void **state)
{
    make_list();
    kit_list(&k, &(struct store_filter){.limit = 10});
    assert_int_equal(k.n, 5);
    assert_int_equal(k.cursor, 0);
    assert_string_equal(k.ids[0], "create:home:5");
    assert_string_equal(k.ids[4], "create:home:1");
    kit_list(&k, &(struct store_filter){.limit = 10, .state = "succeeded"});
    assert_int_equal(k.n, 3);
    kit_list(&k, &(struct store_filter){.limit = 10, .state = "succeeded", .kind = "create"});
    assert_int_equal(k.n, 2);
    kit_list(&k, &(struct store_filter){.limit = 10, .label = "home", .since_ms = 1000});
    assert_int_equal(k.n, 2);
    assert_string_equal(k.ids[1], "create:home:2");
    kit_list(&k, &(struct store_filter){.limit = 10, .state = "cancelled"});
    assert_int_equal(k.n, 0);
}

static void a_cursor_visits_each_job_once(void **state)
{
    make_list();
    struct store_filter f = {.limit = 2};
    char seen[400] = "";
    int pages = 0;
    do {
        kit_list(&k, &f);
        for (size_t i = 0; i < k.n; i++)
            (void)snprintf(seen + strlen(seen), sizeof seen - strlen(seen), "%s ", k.ids[i]);
        f.before_seq = k.cursor;
        pages++;
    } while (k.cursor);
    assert_int_equal(pages, 3);
    assert_string_equal(seen, "create:home:5 create:root:4 check:3 create:home:2 create:home:1 ");
    kit_list(&k, &(struct store_filter){.limit = 5});
    assert_int_equal(k.cursor, 0); /* exactly a page is the end */
}

static void a_page_of_large_records_is_cut_and_continued(void **state)
{
    assert_true(kit_open(&k));
    char *record = mem_alloc(LIMIT_RECORD);
    memset(record, 'x', LIMIT_RECORD);
    record[LIMIT_RECORD - 1] = '\0';
    for (int i = 0; i < 40; i++) {
        char id[32];
        (void)snprintf(id, sizeof id, "create:%d", i);
        store_job_create(k.store, &(struct store_job){.id = id, .record = record}, 10, kit_on_done,
                         &k);
    }
    mem_free(record);
    kit_wait(&k, 40);
    kit_list(&k, &(struct store_filter){.limit = 100});
    size_t first = k.n;
    assert_in_range(first, 1, 20);
    assert_true(k.cursor > 0);
    size_t sum = first;
    while (k.cursor) {
        kit_list(&k, &(struct store_filter){.limit = 100, .before_seq = k.cursor});
        sum += k.n;
    }
    assert_int_equal(sum, 40);
}

/* ---- events ---- */
static void events_are_paged_from_any_id_in_any_size(void **state)
{
    assert_true(kit_open(&k));
    assert_true(kit_create(&k, "create:1"));
    assert_true(kit_append(&k, kit_block("create:1", 0, 1, 10, 50)));
    assert_true(kit_append(&k, kit_block("create:1", 10, 11, 1, 50)));
    assert_true(kit_append(&k, kit_block("create:1", 15, 20, 10, 50))); /* 11…14 are missing */
    for (uint64_t from = 0; from < 30; from++) {
        for (size_t max = 0; max < 3000; max += 130) {
            const char *text = kit_events(&k, "create:1", from, max);
            uint64_t want = from < 11 ? from : from < 15 ? 15 : from;
            if (from > 24) {
                assert_string_equal(text, "");
                continue;
            }
            size_t n = kit_count(text);
            assert_true(n >= 1 && (n == 1 || strlen(text) <= max));
            for (size_t i = 0; i < n; i++, want = want == 10 ? 15 : want + 1)
                assert_int_equal(kit_number(text, false, i, 0), want);
        }
    }
    assert_string_equal(kit_events(&k, "create:2", 0, 1000), "");
    assert_string_equal(kit_events(&k, "create:1", UINT64_MAX, 1000), "");
}

static void blocks_of_no_job_and_blocks_kept_already_are_refused(void **state)
{
    assert_true(kit_open(&k));
    assert_true(kit_create(&k, "create:1"));
    assert_false(kit_append(&k, kit_block("create:2", 0, 1, 1, 10)));
    assert_int_equal(k.err.code, ERR_NOT_FOUND);
    assert_true(kit_append(&k, kit_block("create:1", 0, 1, 1, 10)));
    assert_false(kit_append(&k, kit_block("create:1", 0, 1, 1, 10)));
    assert_int_equal(k.err.code, ERR_ALREADY_EXISTS);
    assert_true(kit_append(&k, kit_block("create:1", 5, 5, 0, 10))); /* an empty one is nothing */
    assert_int_equal(kit_count(kit_events(&k, "create:1", 0, 1000)), 1);
    assert_int_equal(store_backlog(k.store), 0);
}

/* Jobs write side by side, each in blocks of its own; gids are given out in turn. */
static void interleave(unsigned jobs, uint64_t gids, unsigned longest)
{
    struct block *open[80] = {0};
    uint64_t next[80] = {0};
    unsigned room[80] = {0};
    for (uint64_t gid = 1; gid <= gids; gid++) {
        unsigned j = (unsigned)rand() % jobs;
        char id[32], line[40];
        (void)snprintf(id, sizeof id, "create:%u", j);
        if (!open[j]) {
            open[j] = block_new(id, next[j]);
            room[j] = 1 + (unsigned)rand() % longest;
        }
        (void)snprintf(line, sizeof line, "line %llu", (unsigned long long)gid);
        assert_true(block_add(open[j], EVENT_STDOUT, gid, 1, line, strlen(line), NULL));
        next[j]++;
        if (--room[j])
            continue;
        assert_true(kit_append(&k, open[j]));
        open[j] = NULL;
    }
    for (unsigned j = 0; j < jobs; j++)
        if (open[j])
            assert_true(kit_append(&k, open[j]));
}

static void check_merge(uint64_t gids, size_t max)
{
    uint64_t from = 1 + (uint64_t)rand() % gids, want = from;
    while (want <= gids) {
        const char *text = kit_events_all(&k, want, max);
        size_t n = kit_count(text);
        assert_true(n > 0);
        for (size_t i = 0; i < n; i++) {
            struct event ev;
            size_t used;
            const char *record = strchr(text, ' ') + 1;
            assert_memory_equal(text, "create:", 7);
            assert_true(event_parse(record, strlen(record), &ev, &used));
            assert_int_equal(ev.gid, want);
            want++;
            text = record + used;
        }
    }
    assert_string_equal(kit_events_all(&k, gids + 1, max), "");
}

static void all_events_come_by_gid_however_jobs_interleave(void **state)
{
    unsigned seed = (unsigned)uv_hrtime();
    print_message("seed %u\n", seed);
    srand(seed);
    for (int round = 0; round < 6; round++) {
        unsigned jobs = round == 0 ? 1 : round == 1 ? 70 : 1 + (unsigned)rand() % 10;
        uint64_t gids = 500 + (uint64_t)rand() % 1000;
        assert_true(kit_open(&k));
        for (unsigned j = 0; j < jobs; j++) {
            char id[32];
            (void)snprintf(id, sizeof id, "create:%u", j);
            assert_true(kit_create(&k, id));
        }
        interleave(jobs, gids, round == 1 ? 40 : 1 + (unsigned)rand() % 30);
        check_merge(gids, 1);
        check_merge(gids, 300);
        check_merge(gids, 100000);
        kit_done(&k);
        kit_make(&k);
    }
}

/* ---- retention ---- */
static void append_many(const char *id, unsigned blocks, unsigned from)
{
    int waiting = 0;
    for (unsigned i = from; i < from + blocks; i++) {
        struct block *b = kit_block(id, i * 10ULL, i * 10ULL + 1, 10, 100);
        store_append(k.store, b, kit_on_done, &k);
        block_unref(b);
        if (++waiting < 100 && i + 1 < from + blocks)
            continue;
        kit_wait(&k, waiting);
        waiting = 0;
    }
}

static void a_job_keeps_its_head_and_its_tail(void **state)
{
    k.set.job_bytes = 200 * 1024;
    assert_true(kit_open(&k));
    assert_true(kit_create(&k, "create:1"));
    append_many("create:1", 500, 0);
    const char *text = kit_events(&k, "create:1", 0, 4 * 1024 * 1024);
    size_t n = kit_count(text), holes = 0, head = 0;
    assert_in_range(strlen(text), 150 * 1024, 200 * 1024);
    assert_int_equal(kit_number(text, false, 0, 0), 0);
    assert_int_equal(kit_number(text, false, n - 1, 0), 4999);
    for (size_t i = 1; i < n; i++) {
        if (kit_number(text, false, i, 0) == kit_number(text, false, i - 1, 0) + 1)
            continue;
        holes++;
        head = i;
    }
    assert_int_equal(holes, 1);
    assert_in_range(head * 100 / n, 20, 30);
}

static void a_job_keeps_so_many_events(void **state)
{
    k.set.job_events = 400;
    assert_true(kit_open(&k));
    assert_true(kit_create(&k, "create:1"));
    append_many("create:1", 100, 0);
    const char *text = kit_events(&k, "create:1", 0, 4 * 1024 * 1024);
    assert_in_range(kit_count(text), 390, 400);
    assert_int_equal(kit_number(text, false, 0, 0), 0);
    assert_int_equal(kit_number(text, false, kit_count(text) - 1, 0), 999);
}

static void end_job(const char *id, int64_t ended_ms, bool reading)
{
    struct store_job row = {
        .id = id, .state = "succeeded", .terminal = true, .reading = reading, .ended_ms = ended_ms};
    store_job_update(k.store, &row, false, kit_on_done, &k);
    kit_wait(&k, 1);
    assert_true(k.ok);
}

static size_t events_of(const char *id)
{
    return kit_count(kit_events(&k, id, 0, 8 * 1024 * 1024));
}

static void in_all_the_oldest_ended_jobs_give_way_reading_ones_first(void **state)
{
    int64_t now = 4000000000000; /* far ahead, so that none expires */
    k.set.all_bytes = 400 * 1024;
    assert_true(kit_open(&k));
    static const char *const ids[] = {"create:1", "create:2", "list:3", "create:4"};
    for (unsigned i = 0; i < 4; i++) {
        assert_true(kit_create(&k, ids[i]));
        append_many(ids[i], 40, i * 1000); /* about 70 kB each */
    }
    end_job("create:1", now + 2, false);
    end_job("create:2", now + 1, false);
    end_job("list:3", now + 3, true);
    append_many("create:4", 80, 3040);
    assert_int_equal(events_of("create:4"), 1200);
    append_many("create:4", 10, 3120);
    assert_true(events_of("list:3") < 400);
    assert_int_equal(events_of("create:1"), 400);
    assert_int_equal(events_of("create:2"), 400);
    append_many("create:4", 40, 3130);
    assert_int_equal(events_of("list:3"), 10); /* its last block tells how it ended */
    assert_true(events_of("create:2") < 400);
    assert_int_equal(events_of("create:1"), 400);
    assert_int_equal(events_of("create:4"), 1700);
    append_many("create:4", 200, 3170);
    assert_int_equal(events_of("create:1"), 10);
    assert_true(events_of("create:4") < 3600); /* nobody else is left to give */
    assert_true(kit_get(&k, "create:1"));
    kit_close(&k);
    assert_in_range(kit_sql(&k, "SELECT sum(bytes) FROM block"), 300 * 1024, 400 * 1024);
    assert_int_equal(kit_sql(&k, "SELECT sum(bytes) FROM block"),
                     kit_sql(&k, "SELECT value FROM number WHERE name = 'bytes'"));
    assert_int_equal(kit_sql(&k, "SELECT sum(bytes) FROM block"),
                     kit_sql(&k, "SELECT sum(bytes) FROM job_log"));
}

static void wait_until_gone(const char *id)
{
    for (int i = 0; i < KIT_WAIT_MS / 10 && kit_get(&k, id); i++)
        kit_pause(&k, 10);
    assert_false(kit_get(&k, id));
}

static void reading_jobs_expire_and_of_the_others_the_newest_stay(void **state)
{
    k.set.read_job_keep_s = 60;
    k.set.jobs_keep = 2;
    assert_true(kit_open(&k));
    static const char *const ids[] = {"create:1", "create:2", "create:3", "list:4", "list:5"};
    for (unsigned i = 0; i < 5; i++)
        assert_true(kit_create(&k, ids[i]));
    append_many("list:4", 200, 0);
    end_job("list:5", (int64_t)4000000000000, true);
    end_job("list:4", 1000, true);
    wait_until_gone("list:4");
    assert_true(kit_get(&k, "list:5"));
    for (unsigned i = 0; i < 3; i++)
        end_job(ids[i], 1000 + i, false);
    wait_until_gone("create:1");
    assert_true(kit_get(&k, "create:2"));
    assert_true(kit_get(&k, "create:3"));
    kit_close(&k);
    assert_int_equal(kit_sql(&k, "SELECT count(*) FROM block"), 0);
    assert_int_equal(kit_sql(&k, "SELECT value FROM number WHERE name = 'bytes'"), 0);
}

static void the_file_shrinks_when_events_go(void **state)
{
    k.set.read_job_keep_s = 0;
    assert_true(kit_open(&k));
    assert_true(kit_create(&k, "list:1"));
    for (unsigned i = 0; i < 20; i++)
        append_many("list:1", 500, i * 500);
    reopen(); /* everything is in the file itself */
    int64_t before = kit_file_size(&k, "state.db");
    assert_true(before > 12 * 1024 * 1024);
    end_job("list:1", 1000, true);
    wait_until_gone("list:1");
    for (int i = 0; i < KIT_WAIT_MS / 10 && kit_file_size(&k, "state.db-wal") > 0; i++) {
        kit_pause(&k, 10);
        struct store_health h;
        store_health(k.store, &h);
        if (i % 20 == 19) { /* the log is written into the file when it is closed */
            reopen();
            if (kit_file_size(&k, "state.db") < before / 2)
                break;
        }
    }
    assert_true(kit_file_size(&k, "state.db") < before / 2);
}

/* ---- keys, marks ---- */
static bool create_with_key(const char *id, const char *key, const char *fingerprint)
{
    struct store_job row = {.id = id, .idem_key = key, .idem_fingerprint = fingerprint};
    store_job_create(k.store, &row, 10, kit_on_done, &k);
    kit_wait(&k, 1);
    return k.ok;
}

static bool find_key(const char *key)
{
    store_key_get(k.store, key, kit_on_key, &k);
    kit_wait(&k, 1);
    return k.found;
}

static void a_key_leads_to_its_job_for_a_day(void **state)
{
    assert_true(kit_open(&k));
    assert_false(find_key("K"));
    assert_true(create_with_key("create:1", "K", "body"));
    assert_true(find_key("K"));
    assert_string_equal(k.id, "create:1");
    assert_string_equal(k.fingerprint, "body");
    assert_false(create_with_key("create:2", "K", "body"));
    assert_int_equal(k.err.code, ERR_IN_FLIGHT);
    assert_false(kit_get(&k, "create:2"));
    kit_close(&k);
    (void)kit_sql(&k, "UPDATE idem_key SET made_ms = made_ms - 24 * 3600 * 1000");
    assert_true(kit_open(&k));
    assert_false(find_key("K"));
    assert_true(create_with_key("create:2", "K", "other"));
    assert_true(find_key("K"));
    assert_string_equal(k.id, "create:2");
}

static char unfinished[200];

static void note_unfinished(void *arg, const struct store_job *row, uint64_t mark_at)
{
    (void)snprintf(unfinished + strlen(unfinished), sizeof unfinished - strlen(unfinished),
                   "%s %s %llu;", row->id, row->private_json, (unsigned long long)mark_at);
}

static void unfinished_jobs_come_with_their_marks(void **state)
{
    assert_true(kit_open(&k));
    store_job_create(k.store, &(struct store_job){.id = "create:7", .private_json = "{}"}, 100,
                     NULL, NULL);
    store_job_create(k.store, &(struct store_job){.id = "create:8", .private_json = "[]"}, 100,
                     NULL, NULL);
    assert_true(kit_create(&k, "create:9"));
    end_job("create:9", 1, false);
    store_reserve(k.store, "create:8", 500, kit_on_done, &k);
    store_reserve(k.store, "create:8", 300, kit_on_done, &k); /* never goes back */
    store_reserve(k.store, "create:99", 300, NULL, NULL);
    store_reserve_gid(k.store, 1000, kit_on_done, &k);
    store_reserve_gid(k.store, 900, kit_on_done, &k);
    kit_wait(&k, 4);
    reopen();
    unfinished[0] = '\0';
    assert_true(store_unfinished(k.store, note_unfinished, NULL));
    assert_string_equal(unfinished, "create:7 {} 100;create:8 [] 500;");
    assert_int_equal(store_gid_mark(k.store), 1000);
    assert_int_equal(store_last_job_ms(k.store), 9);
}

static void the_highest_job_number_outlives_its_job(void **state)
{
    k.set.read_job_keep_s = 0;
    assert_true(kit_open(&k));
    assert_int_equal(store_last_job_ms(k.store), 0);
    assert_true(kit_create(&k, "list:1700000000123"));
    end_job("list:1700000000123", 1, true);
    wait_until_gone("list:1700000000123");
    assert_true(kit_create(&k, "list:x:17"));
    reopen();
    assert_int_equal(store_last_job_ms(k.store), 1700000000123);
}

/* ---- opening ---- */
static void a_newer_schema_is_refused_and_left_alone(void **state)
{
    assert_true(kit_open(&k));
    kit_close(&k);
    (void)kit_sql(&k, "PRAGMA user_version = 99");
    assert_false(kit_open(&k));
    assert_non_null(strstr(k.err.msg, "newer version"));
    assert_int_equal(kit_sql(&k, "PRAGMA user_version"), 99);
}

static void a_strange_database_and_a_file_that_is_none_are_refused(void **state)
{
    (void)kit_sql(&k, "CREATE TABLE other(x)");
    assert_false(kit_open(&k));
    assert_non_null(strstr(k.err.msg, "not one of ours"));
    char path[128];
    (void)snprintf(path, sizeof path, "%s/state.db", k.dir);
    FILE *f = fopen(path, "we");
    for (int i = 0; i < 1000; i++)
        (void)fputs("this is a letter, not a database\n", f);
    (void)fclose(f);
    assert_false(kit_open(&k));
    assert_non_null(strstr(k.err.msg, "no database"));
}

static void a_directory_in_use_is_refused(void **state)
{
    assert_true(kit_open(&k));
    struct err e;
    assert_null(store_open(&k.loop, &k.set, &e));
    assert_non_null(strstr(e.msg, "another process uses"));
    kit_close(&k);
    assert_true(kit_open(&k));
    kit_close(&k);
    k.set.dir = "/proc/self/nowhere";
    assert_false(kit_open(&k));
}

/* ---- trouble ---- */
static sqlite3 *occupy(void)
{
    char path[128];
    sqlite3 *db = NULL;
    (void)snprintf(path, sizeof path, "%s/state.db", k.dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    return db;
}

static void a_verdict_waits_for_the_database_reads_do_not(void **state)
{
    assert_true(kit_open(&k));
    assert_true(kit_create(&k, "create:1"));
    sqlite3 *db = occupy();
    struct store_job row = {.id = "create:1", .state = "running"};
    struct kit verdict = k;
    verdict.fired = 0;
    store_job_update(k.store, &row, true, kit_on_done, &verdict);
    row.state = "succeeded";
    store_job_update(k.store, &row, true, kit_on_done, &verdict);
    assert_false(kit_append(&k, kit_block("create:1", 0, 1, 1, 10)));
    assert_int_equal(k.err.code, ERR_UNAVAILABLE);
    assert_true(kit_get(&k, "create:1"));
    assert_string_equal(k.state, "queued");
    assert_int_equal(verdict.fired, 0);
    (void)sqlite3_close(db);
    for (int i = 0; i < KIT_WAIT_MS / 10 && verdict.fired < 2; i++)
        kit_pause(&k, 10);
    assert_int_equal(verdict.fired, 2);
    assert_true(verdict.ok);
    assert_true(kit_get(&k, "create:1"));
    assert_string_equal(k.state, "succeeded"); /* in the order of the calls */
}

static int refused, answered;

static void count_answer(void *arg, bool found, const struct store_job *row)
{
    const struct err *e = store_read_error(k.store);
    answered++;
    if (e) {
        assert_int_equal(e->code, ERR_TOO_BUSY);
        refused++;
    }
}

static void too_many_operations_are_refused_updates_never(void **state)
{
    assert_true(kit_open(&k));
    assert_true(kit_create(&k, "create:1"));
    sqlite3 *db = occupy();
    refused = answered = 0;
    struct store_job row = {.id = "create:1", .state = "running"};
    store_reserve_gid(k.store, 5, NULL, NULL); /* the thread waits for the lock with this */
    for (int i = 0; i < STORE_OPS + 100; i++)
        store_job_get(k.store, "create:1", count_answer, NULL);
    store_job_update(k.store, &row, false, kit_on_done, &k);
    (void)sqlite3_close(db);
    kit_wait(&k, 1);
    assert_true(k.ok);
    while (answered < STORE_OPS + 100)
        kit_pause(&k, 5);
    assert_int_equal(refused, 101);
    assert_true(kit_get(&k, "create:1"));
}

static void closing_carries_out_what_is_queued_and_answers_it(void **state)
{
    assert_true(kit_open(&k));
    assert_true(kit_create(&k, "create:1"));
    for (unsigned i = 0; i < 300; i++) {
        struct block *b = kit_block("create:1", i * 10ULL, i * 10ULL + 1, 10, 100);
        store_append(k.store, b, kit_on_done, &k);
        block_unref(b);
    }
    store_events(k.store, "create:1", 0, 100, kit_on_events, &k);
    kit_close(&k);
    assert_int_equal(k.fired, 301);
    k.fired = 0;
    assert_true(kit_open(&k));
    assert_int_equal(events_of("create:1"), 3000);
}

static void without_memory_each_call_still_answers(void **state)
{
    assert_true(kit_open(&k));
    assert_true(kit_create(&k, "create:1"));
    for (unsigned n = 1; n <= 2; n++) {
        (void)mem_fail_at(n);
        store_job_get(k.store, "create:1", kit_on_job, &k);
        (void)mem_fail_at(0);
        assert_int_equal(k.fired, 0);
        kit_wait(&k, 1);
        assert_true(k.unknown);
        assert_int_equal(k.err.code, ERR_NO_MEMORY);
        struct block *b = kit_block("create:1", 0, 1, 1, 10);
        (void)mem_fail_at(n);
        store_append(k.store, b, kit_on_done, &k);
        (void)mem_fail_at(0);
        kit_wait(&k, 1);
        assert_false(k.ok);
        assert_int_equal(atomic_load(&b->refs), 1);
        block_unref(b);
    }
    assert_true(kit_get(&k, "create:1"));
}

static void its_health_counts(void **state)
{
    struct store_health h, later;
    assert_true(kit_open(&k));
    store_health(k.store, &h);
    assert_false(h.full);
    assert_int_equal(h.backlog, 0);
    assert_int_equal(h.stalled_ms, 0);
    struct block *b = kit_block("create:1", 0, 1, 10, 100);
    store_append(k.store, b, kit_on_done, &k);
    assert_int_equal(store_backlog(k.store), b->text.n);
    kit_wait(&k, 1);
    block_unref(b);
    assert_int_equal(store_backlog(k.store), 0);
    assert_true(kit_create(&k, "create:1"));
    store_health(k.store, &later);
    assert_true(later.commits > h.commits);
    assert_int_equal(later.failures, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, fresh, gone)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_job_survives_reopening_with_all_its_fields),
        T(the_directory_and_its_files_are_private),
        T(a_second_job_with_an_id_and_an_update_without_one_are_refused),
        T(callbacks_come_in_the_order_of_the_calls_never_inside_one),
        T(a_job_ends_with_its_last_block),
        T(jobs_are_listed_newest_first_and_filtered),
        T(a_cursor_visits_each_job_once),
        T(a_page_of_large_records_is_cut_and_continued),
        T(events_are_paged_from_any_id_in_any_size),
        T(blocks_of_no_job_and_blocks_kept_already_are_refused),
        T(all_events_come_by_gid_however_jobs_interleave),
        T(a_job_keeps_its_head_and_its_tail),
        T(a_job_keeps_so_many_events),
        T(in_all_the_oldest_ended_jobs_give_way_reading_ones_first),
        T(reading_jobs_expire_and_of_the_others_the_newest_stay),
        T(the_file_shrinks_when_events_go),
        T(a_key_leads_to_its_job_for_a_day),
        T(unfinished_jobs_come_with_their_marks),
        T(the_highest_job_number_outlives_its_job),
        T(a_newer_schema_is_refused_and_left_alone),
        T(a_strange_database_and_a_file_that_is_none_are_refused),
        T(a_directory_in_use_is_refused),
        T(a_verdict_waits_for_the_database_reads_do_not),
        T(too_many_operations_are_refused_updates_never),
        T(closing_carries_out_what_is_queued_and_answers_it),
        T(without_memory_each_call_still_answers),
        T(its_health_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
