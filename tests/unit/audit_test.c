#include "policy/audit.h"

#include "base/json.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const struct audit_entry entry = {.action = "key_export",
                                         .role = "write",
                                         .identity = "write",
                                         .address = "127.0.0.1",
                                         .request_id = "r1",
                                         .label = "prod",
                                         .reason = "a \"reason\"\nwith a line",
                                         .outcome = "allowed"};

static void each_entry_is_one_line_of_json_in_a_private_file(void **state)
{
    char folder[] = "/tmp/audit-test.XXXXXX", path[64], text[2048] = "";
    struct err e = {0};
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/log", folder);
    struct audit *a = audit_new(path, false, &e);
    assert_non_null(a);
    assert_true(audit_write(a, &entry));
    assert_true(audit_write(a, &(struct audit_entry){.action = "other", .outcome = "done"}));
    audit_free(a);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    assert_true(fread(text, 1, sizeof text - 1, f) > 0);
    (void)fclose(f);
    char *second = strchr(text, '\n');
    assert_non_null(second);
    json_t *line = json_parse(text, (size_t)(second - text), &e);
    assert_string_equal(json_get_str(line, "action", ""), "key_export");
    assert_string_equal(json_get_str(line, "reason", ""), entry.reason);
    assert_null(json_object_get(line, "job"));
    json_decref(line);
    assert_non_null(strstr(second, "\"action\":\"other\""));
    (void)unlink(path);
    (void)rmdir(folder);
}

static void what_cannot_be_written_is_told(void **state)
{
    struct err e = {0};
    assert_null(audit_new("/nonexistent/log", false, &e));
    assert_int_equal(e.code, ERR_UNAVAILABLE);
    assert_string_equal(e.field, "AUDIT_LOG_PATH");
    struct audit *a = audit_new("/dev/full", false, &e);
    assert_non_null(a);
    assert_false(audit_write(a, &entry));
    audit_free(a);
    audit_free(NULL);
    a = audit_new(NULL, true, &e);
    assert_true(audit_write(a, &entry));
    audit_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_entry_is_one_line_of_json_in_a_private_file),
        cmocka_unit_test(what_cannot_be_written_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
