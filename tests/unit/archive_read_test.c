/* archive_read against the real borg. */
#include "archive_kit.h"

#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static const json_t *nth(const struct fixture *f, size_t i)
{
    return json_array_get(f->found, i);
}

static void a_named_archive_is_read_with_its_sizes(void **state)
{
    struct fixture *f = *state;
    struct archive_read_spec spec = spec_of(f);
    spec.archive = "old-1";
    ask(f, &spec);
    assert_int_equal(json_array_size(f->found), 1);
    assert_string_equal(json_get_str(nth(f, 0), "name", ""), "old-1");
    assert_int_equal(strlen(json_get_str(nth(f, 0), "id", "")), 64);
    assert_int_equal(json_get_int(json_object_get(nth(f, 0), "stats"), "nfiles", -1), 1);
    int64_t start = archive_read_time(json_get_str(nth(f, 0), "start", ""));
    assert_true(start >= f->begun && start <= time(NULL)); /* UTC, whatever our own zone is */
}

static void the_newest_of_a_time_are_found(void **state)
{
    struct fixture *f = *state;
    struct archive_read_spec spec = spec_of(f);
    spec.since_ms = 1000 * f->begun;
    ask(f, &spec);
    assert_int_equal(json_array_size(f->found), 1);
    assert_string_equal(json_get_str(nth(f, 0), "name", ""), "new-2");
}

static void a_list_comes_newest_first_and_within_the_time(void **state)
{
    struct fixture *f = *state;
    struct archive_read_spec spec = spec_of(f);
    spec.since_ms = 1000 * f->begun;
    spec.max = 10;
    ask(f, &spec);
    assert_int_equal(json_array_size(f->found), 2);
    assert_string_equal(json_get_str(nth(f, 0), "name", ""), "new-2");
    assert_string_equal(json_get_str(nth(f, 1), "name", ""), "old-1");
}

static void none_in_the_time_is_an_empty_list(void **state)
{
    struct fixture *f = *state;
    struct archive_read_spec spec = spec_of(f);
    spec.since_ms = 1000;
    spec.until_ms = 2000;
    ask(f, &spec);
    assert_int_equal(json_array_size(f->found), 0);
}

static void an_archive_that_is_not_there_is_not_found(void **state)
{
    struct fixture *f = *state;
    struct archive_read_spec spec = spec_of(f);
    spec.archive = "nope";
    ask(f, &spec);
    assert_int_equal(f->e.code, ERR_ARCHIVE_NOT_FOUND);
}

static void the_configs_own_passphrase_serves_when_the_caller_gives_none(void **state)
{
    struct fixture *f = *state;
    struct archive_read_spec spec = spec_of(f);
    struct resolved_repo repo = f->repo;
    repo.passphrase = f->secret;
    spec.repo = &repo;
    spec.passphrase = NULL;
    ask(f, &spec);
    assert_non_null(f->found);
}

static void the_callers_passphrase_wins(void **state)
{
    static const char *const env[] = {"BORG_PASSCOMMAND=false", NULL};
    struct fixture *f = *state;
    struct archive_read_spec spec = spec_of(f);
    struct resolved_repo repo = f->repo;
    repo.passphrase = f->wrong;
    repo.env = env;
    spec.repo = &repo;
    ask(f, &spec);
    assert_non_null(f->found);
}

static void a_passcommand_is_left_to_borg(void **state)
{
    static const char *const env[] = {"BORG_PASSCOMMAND=echo 'correct horse \"battery\" staple'",
                                      NULL};
    struct fixture *f = *state;
    struct archive_read_spec spec = spec_of(f);
    struct resolved_repo repo = f->repo;
    repo.env = env;
    spec.repo = &repo;
    spec.passphrase = NULL;
    ask(f, &spec);
    assert_non_null(f->found);
}

static void a_wrong_or_missing_passphrase_is_told(void **state)
{
    struct fixture *f = *state;
    struct archive_read_spec spec = spec_of(f);
    spec.passphrase = f->wrong;
    ask(f, &spec);
    assert_int_equal(f->e.code, ERR_WRONG_PASSPHRASE);
    assert_string_equal(f->e.msg, "the passphrase of the repository is wrong");
    (void)archive_fresh(state);
    spec.passphrase = NULL;
    ask(f, &spec);
    assert_int_equal(f->e.code, ERR_WRONG_PASSPHRASE);
    assert_non_null(strstr(f->e.msg, "none was given"));
}

static void a_missing_repository_is_told(void **state)
{
    struct fixture *f = *state;
    struct archive_read_spec spec = spec_of(f);
    struct resolved_repo repo = f->repo;
    repo.location = "/nonexistent/repository";
    spec.repo = &repo;
    ask(f, &spec);
    assert_int_equal(f->e.code, ERR_REPOSITORY_NOT_FOUND);
}

static void a_locked_repository_is_told(void **state)
{
    struct fixture *f = *state;
    struct archive_read_spec spec = spec_of(f);
    assert_int_equal(shell("mkdir repo/lock.exclusive && : > "
                           "repo/lock.exclusive/elsewhere@123456.4242-0"),
                     0);
    ask(f, &spec);
    assert_int_equal(shell("rm -r repo/lock.exclusive"), 0);
    assert_int_equal(f->e.code, ERR_REPOSITORY_LOCKED);
    assert_non_null(strstr(f->e.msg, "lock.exclusive"));
}

static void borgs_times_are_read(void **state)
{
    assert_int_equal(archive_read_time("1970-01-01T00:01:00.000000"), 60);
    assert_int_equal(archive_read_time("2026-11-23T02:45:54"), 1795401954);
    assert_int_equal(archive_read_time("yesterday"), -1);
    assert_int_equal(archive_read_time("2026-11-23T02:45:54+01:00"), -1);
    assert_int_equal(archive_read_time(""), -1);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, archive_fresh, archive_drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_named_archive_is_read_with_its_sizes),
        CASE(the_newest_of_a_time_are_found),
        CASE(a_list_comes_newest_first_and_within_the_time),
        CASE(none_in_the_time_is_an_empty_list),
        CASE(an_archive_that_is_not_there_is_not_found),
        CASE(the_configs_own_passphrase_serves_when_the_caller_gives_none),
        CASE(the_callers_passphrase_wins),
        CASE(a_passcommand_is_left_to_borg),
        CASE(a_wrong_or_missing_passphrase_is_told),
        CASE(a_missing_repository_is_told),
        CASE(a_locked_repository_is_told),
        cmocka_unit_test(borgs_times_are_read),
    };
    return cmocka_run_group_tests(tests, archive_make, archive_destroy);
}
