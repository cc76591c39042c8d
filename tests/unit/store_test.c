#include "store_kit.h"

#include "base/mem.h"
#include "limits.h"

#include <setjmp.h>
#include <stdarg.h>
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
    assert_true(kit_end_job(&k, "create:9", 1, false));
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
    assert_true(kit_end_job(&k, "list:1700000000123", 1, true));
    assert_true(kit_gone(&k, "list:1700000000123"));
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
        T(a_key_leads_to_its_job_for_a_day),
        T(unfinished_jobs_come_with_their_marks),
        T(the_highest_job_number_outlives_its_job),
        T(a_newer_schema_is_refused_and_left_alone),
        T(a_strange_database_and_a_file_that_is_none_are_refused),
        T(a_directory_in_use_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
