/* The journal itself: what it must say to be believed, and what is done when it cannot be kept. */
#include "aio/target/target_internal.h"

#include "base/json.h"
#include "target_kit.h"

#include <setjmp.h>
#include <signal.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#define JOURNAL "../state/aio/journal.json"

static struct target_kit k;

static int setup(void **unused)
{
    kit_make(&k);
    return 0;
}

static int teardown(void **unused)
{
    return kit_done(&k);
}

/* The journal of a switch that is under way, as JSON; the caller's. */
static json_t *switched(void)
{
    assert_true(kit_switch(&k, &kit_other));
    const char *text = kit_get(&k, JOURNAL);
    json_t *o = json_parse(text, strlen(text), NULL);
    assert_non_null(o);
    return o;
}

static bool believed(const json_t *o)
{
    char *text = json_dumps(o, 0);
    struct target_journal j;
    kit_put(&k, JOURNAL, text);
    free(text);
    memset(&k.e, 0, sizeof k.e);
    bool ok = target_journal_read(&k.x, &j, &k.e);
    if (!ok) {
        assert_int_equal(k.e.code, ERR_UNAVAILABLE);
        assert_string_equal(k.e.field, "STATE_DIR");
        assert_false(target_put_back(&k.x, &k.e));
        kit_assert_target(&k, &kit_other); /* nothing was put back by halves */
    }
    return ok;
}

static void each_of_its_texts_must_be_there_and_fit(void **unused)
{
    static const struct {
        const char *in, *key;
        size_t room;
    } rows[] = {{NULL, "job_id", AIO_JOB_ID},
                {NULL, "master_id", 65},
                {NULL, "borg_id", 65},
                {"original", "host_location", AIO_TARGET_MAX},
                {"original", "remote_repo", AIO_TARGET_MAX},
                {"intended", "host_location", AIO_TARGET_MAX},
                {"intended", "remote_repo", AIO_TARGET_MAX},
                {NULL, "phase", 0}};
    json_t *whole = switched();
    assert_true(believed(whole));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_t *o = json_deep_copy(whole);
        json_t *in = rows[i].in ? json_object_get(o, rows[i].in) : o;
        char text[AIO_TARGET_MAX + 1];
        memset(text, 'x', sizeof text);
        text[rows[i].room] = '\0'; /* one byte more than there is room for */
        (void)json_object_set_new(in, rows[i].key, json_string(text));
        assert_false(believed(o));
        (void)json_object_set_new(in, rows[i].key, json_integer(1));
        assert_false(believed(o));
        (void)json_object_del(in, rows[i].key);
        assert_false(believed(o));
        if (rows[i].room) {
            text[rows[i].room - 1] = '\0';
            (void)json_object_set_new(in, rows[i].key, json_string(text));
            assert_true(believed(o));
        }
        json_decref(o);
    }
    json_decref(whole);
}

static void its_phase_is_one_of_four(void **unused)
{
    static const struct {
        const char *phase;
        bool ok;
    } rows[] = {{"switching", true}, {"switched", true}, {"kept", true},
                {"put_back", true},  {"", false},        {"over", false}};
    json_t *o = switched();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        (void)json_object_set_new(o, "phase", json_string(rows[i].phase));
        assert_int_equal(believed(o), rows[i].ok);
    }
    json_decref(o);
}

static void its_targets_of_one_downtime_are_whole_and_not_too_many(void **unused)
{
    json_t *o = switched(), *list = json_object_get(o, "temporary");
    assert_int_equal(json_array_size(list), 1);
    for (int n = 1; n <= TARGET_TEMPORARIES; n++) {
        assert_true(believed(o));
        (void)json_array_append(list, json_array_get(list, 0));
    }
    assert_int_equal(json_array_size(list), TARGET_TEMPORARIES + 1);
    assert_false(believed(o));
    (void)json_array_clear(list);
    (void)json_array_append_new(list, json_pack("{s:s}", "host_location", "/mnt/x"));
    assert_false(believed(o));
    (void)json_object_del(o, "temporary");
    assert_true(believed(o)); /* none */
    json_decref(o);
}

/* The journal that comes between the first look for one and ours: two that ask at once. */
static void the_later_of_two_is_told_that_it_is_switched(void **unused)
{
    struct places at = {-1, -1};
    static const struct journal first = {.j = {.job_id = "a:1"}}, second = {.j = {.job_id = "a:2"}};
    struct journal now;
    assert_true(places_open_own(&k.x, &at, &k.e));
    assert_true(journal_store(&at, &first, true, &k.e));
    assert_false(journal_store(&at, &second, true, &k.e));
    assert_int_equal(k.e.code, ERR_TARGET_SWITCHED);
    assert_true(journal_load(&at, &now, &k.e));
    assert_string_equal(now.j.job_id, "a:1");
    assert_true(journal_store(&at, &second, false, &k.e));
    assert_true(journal_load(&at, &now, &k.e));
    assert_string_equal(now.j.job_id, "a:2");
    places_close(&at);
}

/* No file may grow past so many bytes: AIO's small files may be copied, a journal not. */
static void limit_files(rlim_t bytes)
{
    struct rlimit r;
    (void)signal(SIGXFSZ, bytes == RLIM_INFINITY ? SIG_DFL : SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &r), 0);
    r.rlim_cur = bytes == RLIM_INFINITY ? r.rlim_max : bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &r), 0);
}

static void a_journal_that_cannot_be_kept_switches_nothing(void **unused)
{
    limit_files(64);
    bool ok = kit_switch(&k, &kit_other);
    limit_files(RLIM_INFINITY);
    assert_false(ok);
    assert_int_not_equal(k.e.code, ERR_TARGET_SWITCHED);
    assert_string_equal(k.e.field, "STATE_DIR");
    assert_non_null(strstr(k.e.msg, "the journal of AIO's backup target"));
    kit_assert_as_found(&k);
    kit_assert_over(&k);
}

static void one_that_cannot_be_written_again_stands_as_it_was(void **unused)
{
    struct target_journal j;
    json_decref(switched());
    assert_true(target_journal_read(&k.x, &j, &k.e));
    (void)snprintf(j.borg_id, sizeof j.borg_id, "abc");
    limit_files(64);
    bool ok = target_journal_write(&k.x, &j, &k.e);
    limit_files(RLIM_INFINITY);
    assert_false(ok);
    assert_string_equal(k.e.field, "STATE_DIR");
    assert_true(target_journal_read(&k.x, &j, &k.e));
    assert_string_equal(j.borg_id, "");
    kit_put_back_and_finish(&k);
    kit_assert_as_found(&k);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    if (sodium_init() < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        T(each_of_its_texts_must_be_there_and_fit),
        T(its_phase_is_one_of_four),
        T(its_targets_of_one_downtime_are_whole_and_not_too_many),
        T(the_later_of_two_is_told_that_it_is_switched),
        T(a_journal_that_cannot_be_kept_switches_nothing),
        T(one_that_cannot_be_written_again_stands_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
