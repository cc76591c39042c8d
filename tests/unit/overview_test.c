#include "api/overview.h"

#include "base/json.h"
#include "limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void fold(struct overview *o, enum overview_kind kind, const char *text)
{
    json_t *record = json_parse(text, strlen(text), NULL);
    assert_non_null(record);
    overview_fold(o, kind, record);
    json_decref(record);
}

#define RECORD(id, state, started, ended, repositories) \
    "{\"id\":\"" id "\",\"state\":\"" state "\",\"started\":" started ",\"ended\":" ended \
    ",\"result\":{\"repositories\":[" repositories "]}}"
#define MADE(where, name) \
    "{\"repository\":\"" where "\",\"archive\":{\"name\":\"" name \
    "\",\"id\":\"ab\",\"verified\":true,\"start\":\"2026-11-23T02:45:54.000000\"}," \
    "\"verdict\":{\"word\":\"archive_created\"}}"
#define FAILED(where) \
    "{\"repository\":\"" where "\",\"archive\":null,\"verdict\":{\"word\":\"repository_locked\"}}"

static void an_archive_is_a_success_although_another_repository_failed(void **state)
{
    struct overview a, b;
    overview_init(&a, "/a");
    overview_init(&b, "/b");
    static const char both[] =
        RECORD("create:2", "failed", "20", "25", MADE("/a", "x") "," FAILED("/b"));
    static const char old[] =
        RECORD("create:1", "succeeded", "10", "15", MADE("/a", "w") "," MADE("/b", "w"));
    fold(&a, OVERVIEW_CREATE, both);
    fold(&a, OVERVIEW_CREATE, old);
    fold(&a, OVERVIEW_CREATE, both); /* a second pass brings it again */
    fold(&b, OVERVIEW_CREATE, both);
    fold(&b, OVERVIEW_CREATE, old);
    assert_string_equal(a.last_state, "succeeded");
    assert_true(a.last_success == 25 && a.last_attempt == 20);
    assert_string_equal(json_get_str(a.archive, "name", ""), "x");
    assert_string_equal(b.last_state, "failed");
    assert_string_equal(b.last_word, "repository_locked");
    assert_true(b.last_success == 15 && b.last_attempt == 20);
    assert_string_equal(json_get_str(b.archive, "name", ""), "w");
    overview_done(&a);
    overview_done(&b);
}

static void a_job_on_other_repositories_and_a_dry_run_tell_nothing(void **state)
{
    struct overview o;
    overview_init(&o, "/a");
    fold(&o, OVERVIEW_CREATE, RECORD("create:2", "succeeded", "20", "25", MADE("/b", "x")));
    fold(&o, OVERVIEW_CREATE,
         "{\"id\":\"create:3\",\"state\":\"succeeded\",\"started\":30,\"ended\":31,\"result\":{"
         "\"dry_run\":true,\"repositories\":[" MADE("/a", "x") "]}}");
    assert_true(o.last_attempt == 0 && o.last_success == 0 && !o.archive);
    fold(&o, OVERVIEW_CREATE,
         "{\"id\":\"create:4\",\"state\":\"running\",\"started\":40,\"ended\":null}");
    assert_true(o.last_attempt == 40);
    assert_string_equal(o.last_state, "running");
    overview_done(&o);
}

static void the_other_kinds_tell_what_they_are_for(void **state)
{
    struct overview o;
    struct buf b;
    struct jsonw w;
    overview_init(&o, "/a");
    fold(&o, OVERVIEW_CHECK, RECORD("check:2", "failed", "20", "25", FAILED("/a")));
    fold(&o, OVERVIEW_CHECK, RECORD("check:1", "succeeded", "10", "15", FAILED("/a")));
    fold(&o, OVERVIEW_RESTORE, RECORD("v:1", "failed", "10", "16", "{\"repository\":\"/a\"}"));
    fold(&o, OVERVIEW_RESTORE, RECORD("v:1", "succeeded", "10", "15", "{\"repository\":\"/a\"}"));
    fold(&o, OVERVIEW_INFO,
         RECORD("info:1", "succeeded", "10", "15", "{\"repository\":\"/a\",\"size\":77}"));
    fold(&o, OVERVIEW_CREATE, RECORD("create:2", "succeeded", "20", "25", MADE("/a", "x")));
    buf_init(&b, LIMIT_RECORD);
    jsonw_init(&w, &b);
    jsonw_begin_object(&w);
    overview_write(&o, &w);
    jsonw_end_object(&w);
    json_t *shown = json_parse(buf_str(&b), b.n, NULL);
    assert_true(json_get_num(shown, "last_check", 0) == 25);
    assert_string_equal(json_get_str(shown, "last_check_state", ""), "failed");
    assert_true(json_get_num(shown, "last_restore_verified", 0) == 15);
    assert_int_equal(json_get_int(shown, "size", 0), 77);
    assert_true(json_get_num(json_object_get(shown, "last_archive"), "time", 0) == 1795401954);
    json_decref(shown);
    buf_done(&b);
    overview_done(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_archive_is_a_success_although_another_repository_failed),
        cmocka_unit_test(a_job_on_other_repositories_and_a_dry_run_tell_nothing),
        cmocka_unit_test(the_other_kinds_tell_what_they_are_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
