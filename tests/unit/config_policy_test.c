#include "backup/configs/config_policy.h"

#include "backup/configs/config_keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static enum err_code judge(const char *text, bool code, struct err *e)
{
    *e = (struct err){0};
    struct yaml *y = yaml_doc_parse(text, strlen(text), e);
    if (!y)
        fail_msg("%s: %s", text, e->msg);
    bool ok = config_policy(yaml_doc_root(y), code, e);
    assert_int_equal(ok, e->code == ERR_NONE);
    yaml_doc_free(y);
    return e->code;
}

static void data_is_taken_in_both_layouts(void **state)
{
    static const char *const good[] = {
        "repositories:\n  - path: ssh://u@h/./r\n    label: x\nkeep_daily: 7\nchecks:\n"
        "  - name: data\n    frequency: 2 weeks\n",
        "location:\n  repositories: [/r, u@h:r]\n  patterns: ['R /', '- /x']\nstorage:\n"
        "  encryption_passphrase: x\nretention:\noutput: {color: false}\nhooks: {umask: 77}\n",
        "repositories: &r [/a]\ncheck_repositories: *r\n",
        "keep_daily: -1\n",
        "borg_exit_codes: [{code: 100, treat_as: error}]\n",
    };
    struct err e;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (judge(good[i], false, &e) != ERR_NONE)
            fail_msg("%s: %s", good[i], e.msg);
}

static void every_known_option_is_judged_as_its_row_says(void **state)
{
    for (const struct config_key *k = config_keys; k->name; k++) {
        char flat[128], old[160];
        struct err e;
        (void)snprintf(flat, sizeof flat, "%s: x\n", k->name);
        (void)snprintf(old, sizeof old, "hooks:\n  %s: x\n", k->name);
        enum err_code expected = k->value == CONFIG_CODE ? ERR_DISABLED : ERR_NONE;
        assert_int_equal(judge(flat, false, &e), expected);
        if (expected)
            assert_string_equal(e.field, k->name);
        assert_int_equal(judge(old, false, &e), expected);
        assert_int_equal(judge(flat, true, &e), ERR_NONE);
    }
}

static void ways_around_are_closed(void **state)
{
    static const char *const bad[] = {
        "nonsense: 1\n",
        "location: {storage: {compression: x}}\n",
        "keep_daily: !include x.yaml\n",
        "!retain\nkeep_daily: 1\n",
        "location: !include x.yaml\n",
        "source_directories: ['${HOME}']\n",
        "encryption_passphrase: '{credential keepassxc a b}'\n",
        "repositories: [&x {path: /r, before_backup: [id]}]\n<<: *x\n",
        "repositories: [{path: /r, before_backup: [id]}]\n",
        "checks: [{name: spot, xxh64sum_command: id}]\n",
        "compression: {before_backup: [id]}\n",
        "source_directories: [[/a]]\n",
        "repositories: ['rclone::sftp,ssh=id:/r']\n",
        "'${X}': 1\n",
        "keep_daily: !!int 1\n",
    };
    struct err e;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (judge(bad[i], false, &e) != ERR_DISABLED)
            fail_msg("%s: %d %s", bad[i], e.code, e.msg);
        (void)judge(bad[i], true, &e);
        assert_int_not_equal(e.code, ERR_DISABLED);
    }
}

static void options_of_borg_and_ssh_are_refused_whatever_is_allowed(void **state)
{
    static const char *const bad[] = {
        "source_directories: [--rsh=id]\n",
        "compression: --rsh=id\n",
        "location: {repositories: [-oProxyCommand=id]}\n",
        "repositories: [{path: 'ssh://-oProxyCommand=id/./r'}]\n",
        "repositories: ['ssh://-oProxyCommand=id@h/./r']\n",
        "repositories: ['u@-oProxyCommand=id:r']\n",
        "repositories: [{path: /r, label: -x}]\n",
        "source_directories: [\"a\\0b\"]\n",
        "? [a]\n: b\n",
        "location: x\n",
        "[]\n",
        "# nothing\n",
        "{}\n",
    };
    struct err e;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        for (int code = 0; code < 2; code++)
            if (judge(bad[i], code, &e) != ERR_BAD_REQUEST)
                fail_msg("%s: %d %s", bad[i], e.code, e.msg);
}

static void no_message_quotes_a_value(void **state)
{
    struct err e;
    (void)judge("before_backup: [topsecret]\n", false, &e);
    assert_null(strstr(e.msg, "topsecret"));
    assert_non_null(strstr(e.msg, "ENABLE_CONFIG_CODE"));
    (void)judge("source_directories: [-topsecret]\n", false, &e);
    assert_null(strstr(e.msg, "topsecret"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_is_taken_in_both_layouts),
        cmocka_unit_test(every_known_option_is_judged_as_its_row_says),
        cmocka_unit_test(ways_around_are_closed),
        cmocka_unit_test(options_of_borg_and_ssh_are_refused_whatever_is_allowed),
        cmocka_unit_test(no_message_quotes_a_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
