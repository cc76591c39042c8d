/* What resolve reads in texts, without borgmatic. */
#include "backup/repo/resolve.h"
#include "backup/repo/resolve_record.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void locations_have_one_normal_form(void **state)
{
    static const struct {
        const char *location, *normal;
    } rows[] = {
        {"/srv/repo", "/srv/repo"},
        {"/srv//repo/./x//", "/srv/repo/x"},
        {"/", "/"},
        {"file:///srv/repo/", "/srv/repo"},
        {"ssh://me@Host.Example:22/srv//repo/", "ssh://me@host.example/srv/repo"},
        {"ssh://Me@host:2222/./repo", "ssh://Me@host:2222/./repo"},
        {"ssh://host/~/repo/", "ssh://host/./repo"},
        {"host:repo", "ssh://host/./repo"},
        {"me@host:/srv/repo", "ssh://me@host/srv/repo"},
        {"me@host:~/repo", "ssh://me@host/./repo"},
        {"[::1]:repo", "ssh://[::1]/./repo"},
        {"ssh://[::1]:22/repo", "ssh://[::1]/repo"},
        {"relative/a:b", "/relative/a:b"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *normal = resolve_normal(rows[i].location);
        assert_string_equal(normal, rows[i].normal);
        mem_free(normal);
    }
}

static void the_text_tells_how_overrides_are_spelled(void **state)
{
    static const struct {
        const char *text;
        bool sectioned, local_path;
    } rows[] = {
        {"location:\n    repositories: [x]\n", true, false},
        {"repositories: [x]\n", false, false},
        {"repositories: [x]\n# local_path: y\n", false, false},
        {"repositories: [x]\nlocal_path: y\n", false, true},
        {"repositories: [x]\n<<: !include c.yaml\n", false, true},
        {"<<: !include c.yaml\n", true, true},
        {"x: 1\n    location: y", false, false},
        {"", false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct resolve_scan scan;
        resolve_scan_text(rows[i].text, &scan);
        assert_int_equal(scan.sectioned, rows[i].sectioned);
        assert_int_equal(scan.local_path, rows[i].local_path);
    }
}

static void the_program_is_found_in_borgmatics_words(void **state)
{
    char out[32];
    assert_true(resolve_program_of("x\nCommand '/opt/borg list /x' returned non-zero exit status "
                                   "2.\n",
                                   out, sizeof out));
    assert_string_equal(out, "/opt/borg");
    assert_true(resolve_program_of("r: Command '('borg1', 'list', '--json')' returned non-zero "
                                   "exit status 2.",
                                   out, sizeof out));
    assert_string_equal(out, "borg1");
    assert_false(resolve_program_of("nothing", out, sizeof out));
    assert_false(resolve_program_of("Command 'x", out, sizeof out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(locations_have_one_normal_form),
        cmocka_unit_test(the_text_tells_how_overrides_are_spelled),
        cmocka_unit_test(the_program_is_found_in_borgmatics_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
