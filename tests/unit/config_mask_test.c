#include "backup/configs/config_mask.h"

#include "limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct config_mask *mask(const char *text)
{
    struct err e = {0};
    struct config_mask *m = config_mask_new(text, strlen(text), &e);
    if (!m)
        fail_msg("%s: %s", text, e.msg);
    return m;
}

static void shown(const char *text, const char *expected)
{
    struct config_mask *m = mask(text);
    struct buf out;
    buf_init(&out, 4 * LIMIT_YAML);
    assert_true(config_mask_text(m, &out));
    assert_string_equal(buf_str(&out), expected);
    buf_done(&out);
    config_mask_free(m);
}

static void only_what_is_secret_changes_in_the_text(void **state)
{
    static const char plain[] = "# a\r\n%YAML: no\nkeep_daily: 7   # seven\nx: &a\n  - 'b'\n";
    (void)plain;
    shown("# c\nlocation:\n  source_directories: [/etc , \"/b\"] # d\n\n",
          "# c\nlocation:\n  "
          "source_directories: [/etc , \"/b\"] # d\n\n");
    shown("encryption_passphrase: hunter2hunter # note\n",
          "encryption_passphrase: \"***\" # note\n");
    shown("encryption_passphrase: |\n  a\n  b\n\nkeep_daily: 1\n",
          "encryption_passphrase: \"***\"\nkeep_daily: 1\n");
    shown("encryption_passphrase: &p !x 'geheimnis'\nprefix: *p\n",
          "encryption_passphrase: &p !x \"***\"\nprefix: *p\n");
    shown("storage: !include s.yaml\n", "storage: !include s.yaml\n");
    shown("repositories:\n- ssh://u:passwort@h/r\n", "repositories:\n- \"ssh://u:***@h/r\"\n");
    shown("before_backup:\n- /bin/true\n- curl -H x-y\n- A=b c\n",
          "before_backup:\n- /bin/true\n- \"curl ***\"\n- \"***\"\n");
    shown("ssh_command: ssh -i k\nencryption_passcommand: pass show\n",
          "ssh_command: \"ssh ***\"\nencryption_passcommand: \"***\"\n");
    shown("healthchecks: https://hc-ping.com/x\nntfy: {topic: t1, states: [fail]}\n",
          "healthchecks: \"***\"\nntfy: {topic: \"***\", states: [fail]}\n");
    shown("unknown: {deep: [value]}\n", "unknown: {deep: [\"***\"]}\n");
    shown("commands:\n- before: action\n  run: [echo a b]\n",
          "commands:\n- before: action\n  run: [\"echo ***\"]\n");
    shown("encryption_passphrase:\n", "encryption_passphrase:\n");
}

static void comments_and_repetitions_give_nothing_away(void **state)
{
    shown("# encryption_passphrase: old one\nkeep_daily: 1\n",
          "# encryption_passphrase: ***\nkeep_daily: 1\n");
    shown("encryption_passphrase: geheimnis # geheimnis\nprefix: x-geheimnis\n",
          "encryption_passphrase: \"***\" # ***\nprefix: \"x-***\"\n");
    shown("a: 1 # ssh://u:pw@h/r and 0123456789abcdef0\n",
          "a: \"***\" # ssh://u:***@h/r and ***\n");
    shown("#    ping_url: https://x/y\n", "#    ping_url: ***\n");
    struct config_mask *m = mask("encryption_passphrase: &p geheimnis\nprefix: *p\n");
    json_t *v = config_mask_json(m);
    assert_string_equal(json_string_value(json_object_get(v, "prefix")), "***");
    json_decref(v);
    config_mask_free(m);
}

static void a_masked_text_is_yaml_and_masks_to_itself(void **state)
{
    static const char text[] =
        "x: [{password: \"a\\\"b\", n: 1}]\nstorage:\n  encryption_passphrase: >-\n"
        "    folded\n    text\n  ssh_command: 'ssh -o \"x y\"'\n";
    struct config_mask *m = mask(text);
    struct buf once, twice;
    buf_init(&once, LIMIT_YAML);
    buf_init(&twice, LIMIT_YAML);
    assert_true(config_mask_text(m, &once));
    struct config_mask *again = mask(buf_str(&once));
    assert_true(config_mask_text(again, &twice));
    assert_string_equal(buf_str(&once), buf_str(&twice));
    config_mask_free(m);
    config_mask_free(again);
    buf_done(&once);
    buf_done(&twice);
}

static bool merge(const char *stored, const char *sent, struct buf *out, struct err *e)
{
    struct config_mask *m = stored ? mask(stored) : NULL;
    *e = (struct err){0};
    bool ok = config_mask_merge(sent, strlen(sent), m, out, e);
    config_mask_free(m);
    return ok;
}

static void merged(const char *stored, const char *sent, const char *expected)
{
    struct buf out;
    struct err e;
    buf_init(&out, LIMIT_YAML);
    if (!merge(stored, sent, &out, &e))
        fail_msg("%s: %s", sent, e.msg);
    assert_string_equal(buf_str(&out), expected);
    buf_wipe(&out);
}

static void not_merged(const char *stored, const char *sent)
{
    struct buf out;
    struct err e;
    buf_init(&out, LIMIT_YAML);
    assert_false(merge(stored, sent, &out, &e));
    assert_int_equal(e.code, ERR_BAD_REQUEST);
    buf_wipe(&out);
}

static void a_mask_that_is_sent_back_keeps_what_is_stored(void **state)
{
    merged("encryption_passphrase: ge\"heim\n", "keep_daily: 1\nencryption_passphrase: '***'\n",
           "keep_daily: 1\nencryption_passphrase: \"ge\\\"heim\"\n");
    merged("repositories: ['ssh://u:p4sswort@h/a', 'ssh://u:anderes1@h/b']\n",
           "repositories: ['ssh://u:***@h/b', 'ssh://u:***@h/a', /new]\n",
           "repositories: [\"ssh://u:anderes1@h/b\", \"ssh://u:p4sswort@h/a\", /new]\n");
    merged("mysql_databases:\n- {name: a, password: aaaaaa}\n- {name: b, password: bbbbbb}\n",
           "mysql_databases:\n- {name: b, password: '***'}\n- {name: c, password: x}\n",
           "mysql_databases:\n- {name: b, password: \"bbbbbb\"}\n- {name: c, password: x}\n");
    merged("exclude_patterns: [x]\n", "exclude_patterns: ['***/x']\n",
           "exclude_patterns: ['***/x']\n");
    merged("storage: {encryption_passphrase: geheim}\n",
           "storage:\n  encryption_passphrase: |-\n    ***\n  umask: 1\n",
           "storage:\n  encryption_passphrase: \"geheim\"\n  umask: 1\n");
}

static void a_mask_without_a_stored_value_is_refused(void **state)
{
    not_merged(NULL, "encryption_passphrase: '***'\n");
    not_merged("keep_daily: 1\n", "encryption_passphrase: '***'\n");
    not_merged("encryption_passphrase: geheim\n", "prefix: '***'\n");
    not_merged("mysql_databases: [{name: a, password: aaaaaa}]\n",
               "mysql_databases: [{name: b, password: '***'}]\n");
    not_merged("repositories: ['ssh://u:p4sswort@h/a']\n",
               "repositories: ['ssh://u:***@evil/a']\n");
}

static void a_secret_without_quotes_that_is_no_text_is_named_by_its_line(void **state)
{
    struct err e = {0};
    struct config_mask *m = mask("keep_daily: 1\nencryption_passphrase: 123456\n");
    assert_false(config_mask_sound(m, &e));
    assert_non_null(strstr(e.msg, "line 2"));
    assert_null(strstr(e.msg, "123456"));
    config_mask_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_is_secret_changes_in_the_text),
        cmocka_unit_test(comments_and_repetitions_give_nothing_away),
        cmocka_unit_test(a_masked_text_is_yaml_and_masks_to_itself),
        cmocka_unit_test(a_mask_that_is_sent_back_keeps_what_is_stored),
        cmocka_unit_test(a_mask_without_a_stored_value_is_refused),
        cmocka_unit_test(a_secret_without_quotes_that_is_no_text_is_named_by_its_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
