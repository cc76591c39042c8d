#include "backup/archives/archive_diff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void the_path_is_taken_out_of_the_line(void **state)
{
    char line[256] = "{\"changes\": [{\"size\": 2, \"type\": \"added\"}], \"path\": "
                     "\"a\\n\\\"path\\\": \\\"\\udcff\\ud83d\\ude00\"}";
    const char *path;
    assert_true(diff_line_path(line, &path));
    assert_string_equal(path, "a\n\"path\": \"\xff\xf0\x9f\x98\x80");
    assert_string_equal(line, "{\"changes\": [{\"size\": 2, \"type\": \"added\"}]}");
}

static void another_form_is_refused(void **state)
{
    static const char *const bad[] = {"",
                                      "}",
                                      "{\"path\": \"a\"}",
                                      "{\"x\": 1, \"path\": \"\"}",
                                      "{\"x\": 1, \"path\": \"a\"",
                                      "{\"x\": 1, \"path\": \"a\", \"y\": \"z\"}",
                                      "{\"x\": 1, \"path\": \"\\ud800\"}",
                                      "{\"x\": 1, \"path\": \"a\\\"}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char line[128];
        const char *path;
        (void)snprintf(line, sizeof line, "%s", bad[i]);
        if (diff_line_path(line, &path))
            fail_msg("taken: %s", bad[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_path_is_taken_out_of_the_line),
        cmocka_unit_test(another_form_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
