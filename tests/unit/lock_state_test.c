#include "backup/locks/lock_state.h"
#include "base/buf.h"
#include "limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void a_name_of_borgs_is_taken_apart(void **state)
{
    struct lock_entry e;
    lock_entry_of_name("else.where@3281355014145.4242-1f", &e);
    assert_false(e.malformed);
    assert_string_equal(e.host, "else.where@3281355014145");
    assert_int_equal(e.pid, 4242);
    assert_int_equal(e.thread, 0x1f);
    assert_int_equal(e.life, LOCK_UNKNOWN);
}

static void what_borg_would_not_understand_still_holds_the_lock(void **state)
{
    static const char *const names[] = {
        "garbage",   "vm@1.12",   "vm@1-0",
        "vm@1.x-0",  "vm@1.12-g", "vm@1.-0",
        "vm@1.12-",  ".12-0",     "vm@1.99999999999999999999-0",
        "vm@1.-5-0", "",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct lock_entry e;
        lock_entry_of_name(names[i], &e);
        assert_true(e.malformed);
        assert_string_equal(e.host, names[i]);
        assert_int_equal(e.pid, 0);
    }
    char longest[400];
    struct lock_entry e;
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    lock_entry_of_name(longest, &e);
    assert_true(e.malformed);
    assert_int_equal(strlen(e.host), LOCK_HOST_MAX);
}

static bool roster(const char *text, struct lock_state *s, const struct lock_entry *writer)
{
    *s = (struct lock_state){0};
    return lock_roster_read(text, strlen(text), s, writer);
}

static void a_roster_names_readers_and_the_writer(void **state)
{
    struct lock_state s;
    struct lock_entry writer;
    lock_entry_of_name("vm@1.12-0", &writer);
    assert_false(roster("{\"shared\": [[\"vm@1\", 7, 0], [\"nas@2\", 8, 0]]}", &s, &writer));
    assert_int_equal(s.shared_count, 2);
    assert_string_equal(s.shared[1].host, "nas@2");
    assert_int_equal(s.shared[1].pid, 8);
    assert_true(roster("{\"exclusive\": [[\"vm@1\", 12, 0]], \"shared\": []}", &s, &writer));
    assert_int_equal(s.shared_count, 0);
    assert_false(roster("{\"exclusive\": [[\"vm@1\", 13, 0]]}", &s, &writer));
    assert_false(roster("{\"exclusive\": [[\"vm@1\", 12, 0]]}", &s, NULL));
}

static void a_broken_roster_counts_as_an_empty_one(void **state)
{
    static const char *const texts[] = {"",
                                        "{\"shared\": [[\"vm@1\", 7,",
                                        "[]",
                                        "7",
                                        "{\"shared\": 7}",
                                        "{\"shared\": {\"a\": 1}}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct lock_state s;
        assert_false(roster(texts[i], &s, NULL));
        assert_int_equal(s.shared_count, 0);
    }
}

static void a_reader_that_is_not_understood_is_one_all_the_same(void **state)
{
    struct lock_state s;
    (void)roster("{\"shared\": [7, [\"vm@1\"], [1, 2, 3], [\"vm@1\", \"2\", 0]]}", &s, NULL);
    assert_int_equal(s.shared_count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_true(s.shared[i].malformed);
}

static void more_readers_than_have_room_are_told(void **state)
{
    struct buf b;
    struct lock_state s;
    buf_init(&b, LIMIT_RECORD);
    (void)buf_puts(&b, "{\"shared\": [[\"vm@1\", 1, 0]");
    for (int i = 0; i < LOCK_ENTRIES; i++)
        (void)buf_puts(&b, ", [\"vm@1\", 2, 0]");
    (void)buf_puts(&b, "]}");
    (void)roster(buf_str(&b), &s, NULL);
    assert_int_equal(s.shared_count, LOCK_ENTRIES);
    assert_true(s.more);
    buf_done(&b);
}

static struct lock_state held_by(enum lock_life writer, enum lock_life reader)
{
    struct lock_state s = {.word = LOCK_LOCKED, .readers_seen = true};
    s.exclusive_count = s.shared_count = 1;
    s.exclusive[0] = (struct lock_entry){.host = "vm@1", .pid = 1, .life = writer};
    s.shared[0] = (struct lock_entry){.host = "vm@1", .pid = 2, .life = reader};
    return s;
}

static void only_locks_of_the_dead_are_broken_without_force(void **state)
{
    struct lock_state s = held_by(LOCK_DEAD, LOCK_DEAD);
    assert_int_equal(lock_rule(&s, false), LOCK_MAY_BREAK);
    s.more = true;
    assert_int_equal(lock_rule(&s, false), LOCK_UNPROVEN);
    s = held_by(LOCK_DEAD, LOCK_ALIVE);
    assert_int_equal(lock_rule(&s, false), LOCK_IN_USE);
    s = held_by(LOCK_ALIVE, LOCK_DEAD);
    assert_int_equal(lock_rule(&s, false), LOCK_IN_USE);
    s = held_by(LOCK_DEAD, LOCK_UNKNOWN);
    assert_int_equal(lock_rule(&s, false), LOCK_UNPROVEN);
    s = held_by(LOCK_UNKNOWN, LOCK_DEAD);
    assert_int_equal(lock_rule(&s, false), LOCK_UNPROVEN);
    assert_int_equal(lock_rule(&s, true), LOCK_MAY_BREAK);
    s = held_by(LOCK_DEAD, LOCK_DEAD);
    s.readers_seen = false;
    assert_int_equal(lock_rule(&s, false), LOCK_UNPROVEN);
    s = (struct lock_state){.word = LOCK_NOT_KNOWN};
    assert_int_equal(lock_rule(&s, false), LOCK_UNPROVEN);
    assert_int_equal(lock_rule(&s, true), LOCK_MAY_BREAK);
    s.word = LOCK_LOCKED; /* and nobody can be seen */
    assert_int_equal(lock_rule(&s, false), LOCK_UNPROVEN);
    s.word = LOCK_FREE;
    assert_int_equal(lock_rule(&s, true), LOCK_NOTHING_TO_BREAK);
    assert_int_equal(lock_ruling_error(LOCK_IN_USE), ERR_LOCK_IN_USE);
    assert_int_equal(lock_ruling_error(LOCK_UNPROVEN), ERR_LOCK_HOLDER_UNKNOWN);
    assert_int_equal(lock_ruling_error(LOCK_MAY_BREAK), ERR_NONE);
}

static void somebody_who_came_after_is_told_from_who_stayed(void **state)
{
    struct lock_state before = held_by(LOCK_DEAD, LOCK_DEAD), after = before;
    assert_false(lock_taken_anew(&before, &after));
    after.exclusive[0].pid = 99;
    assert_true(lock_taken_anew(&before, &after));
    after = before;
    after.shared[0].pid = 99;
    assert_true(lock_taken_anew(&before, &after));
}

static void what_is_not_known_is_null(void **state)
{
    struct buf b;
    struct jsonw w;
    struct lock_state s = {.problem = "no way"};
    buf_init(&b, LIMIT_RECORD);
    jsonw_init(&w, &b);
    lock_state_write(&s, &w);
    assert_string_equal(buf_str(&b), "\"state\":\"unknown\",\"exclusive\":null,\"shared\":null,"
                                     "\"detection_method\":null,\"problem\":\"no way\"");
    buf_reset(&b);
    s = held_by(LOCK_DEAD, LOCK_UNKNOWN);
    s.shared_count = 0;
    s.method = "files";
    jsonw_init(&w, &b);
    lock_state_write(&s, &w);
    assert_string_equal(buf_str(&b),
                        "\"state\":\"locked\",\"exclusive\":[{\"host\":\"vm\",\"node\":\"1\","
                        "\"pid\":1,\"thread\":0,\"since\":null,\"holder\":\"stale\"}],"
                        "\"shared\":[],\"stale\":true,\"detection_method\":\"files\","
                        "\"problem\":null");
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_of_borgs_is_taken_apart),
        cmocka_unit_test(what_borg_would_not_understand_still_holds_the_lock),
        cmocka_unit_test(a_roster_names_readers_and_the_writer),
        cmocka_unit_test(a_broken_roster_counts_as_an_empty_one),
        cmocka_unit_test(a_reader_that_is_not_understood_is_one_all_the_same),
        cmocka_unit_test(more_readers_than_have_room_are_told),
        cmocka_unit_test(only_locks_of_the_dead_are_broken_without_force),
        cmocka_unit_test(somebody_who_came_after_is_told_from_who_stayed),
        cmocka_unit_test(what_is_not_known_is_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
