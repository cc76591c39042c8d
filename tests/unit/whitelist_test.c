#include "docker/whitelist.h"

#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MASTER "nextcloud-aio-mastercontainer"
#define DAILY "/daily-backup.sh"
#define HEALTH "/healthcheck.sh"

#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})
#define ENV(...) ((const char *const[]){__VA_ARGS__, NULL})
#define FLAGS(d, c, s, u, a) \
    "DAILY_BACKUP=" d, "CHECK_BACKUP=" c, "STOP_CONTAINERS=" s, "START_CONTAINERS=" u, \
        "AUTOMATIC_UPDATES=" a

static const struct whitelist list = {MASTER, DAILY, HEALTH};

static bool allows(const char *container, const char *const *argv, const char *const *env)
{
    struct err e = {0};
    if (whitelist_allows(&list, container, argv, env, &e))
        return true;
    assert_int_equal(e.code, ERR_EXEC_FORBIDDEN);
    assert_true(e.msg[0] && e.field[0]);
    return false;
}

static bool daily(const char *const *env)
{
    return allows(MASTER, ARGV(DAILY), env);
}

static bool stop(const char *const *env)
{
    return allows(MASTER, ARGV(DAILY, "stop"), env);
}

static void the_three_commands_pass(void **state)
{
    assert_true(daily(ENV(FLAGS("1", "0", "0", "1", "0"))));
    assert_true(stop(ENV(FLAGS("0", "0", "1", "0", "0"))));
    assert_true(allows(MASTER, ARGV(HEALTH), NULL));
    assert_true(allows(MASTER, ARGV(HEALTH), ENV(NULL)));
}

static void no_other_command_passes(void **state)
{
    const char *const *env = ENV(FLAGS("1", "0", "0", "1", "0"));
    static const char *const words[] = {DAILY "-evil;id",
                                        DAILY " ",
                                        " " DAILY,
                                        DAILY " stop",
                                        DAILY "\n",
                                        "/daily-backup.s",
                                        "daily-backup.sh",
                                        "//daily-backup.sh",
                                        "/./daily-backup.sh",
                                        "/DAILY-BACKUP.SH",
                                        "bash",
                                        "sh",
                                        "/bin/sh",
                                        "id",
                                        "",
                                        HEALTH ";id",
                                        "/usr/bin/env"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        assert_false(allows(MASTER, ARGV(words[i]), env));
    static const char *const more[] = {"start", "", " ", "stop ", "Stop", "STOP", "-c", "--", "id"};
    for (size_t i = 0; i < sizeof more / sizeof *more; i++)
        assert_false(allows(MASTER, ARGV(DAILY, more[i]), env));
    assert_false(allows(MASTER, ARGV(DAILY, "stop", "stop"), env));
    assert_false(allows(MASTER, ARGV("sh", "-c", DAILY), env));
    assert_false(allows(MASTER, ARGV("stop"), env));
    assert_false(allows(MASTER, ARGV(HEALTH, "stop"), NULL));
    assert_false(allows(MASTER, ARGV(NULL), NULL));
}

static void no_other_container_is_entered(void **state)
{
    const char *const *env = ENV(FLAGS("1", "0", "0", "1", "0"));
    static const char *const names[] = {"",
                                        "nextcloud-aio-nextcloud",
                                        MASTER "2",
                                        MASTER "/",
                                        "nextcloud-aio-mastercontaine",
                                        "/" MASTER,
                                        MASTER "/../x"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_false(allows(names[i], ARGV(DAILY), env));
    const struct whitelist none = {"", DAILY, HEALTH};
    struct err e = {0};
    assert_false(whitelist_allows(&none, "", ARGV(HEALTH), NULL, &e));
    assert_string_equal(e.field, "container");
}

static void every_flag_must_be_said(void **state)
{
    static const char *const all[] = {FLAGS("1", "0", "0", "1", "0"), NULL};
    for (size_t left_out = 0; left_out < WHITELIST_FLAGS; left_out++) {
        const char *env[WHITELIST_FLAGS] = {NULL};
        for (size_t i = 0, n = 0; all[i]; i++)
            if (i != left_out)
                env[n++] = all[i];
        assert_false(daily(env));
    }
    assert_true(daily(all));
    assert_false(daily(NULL));
    assert_false(daily(ENV(FLAGS("0", "0", "0", "0", "0")))); /* it would stop everything */
}

static void a_flag_is_0_or_1(void **state)
{
    static const char *const values[] = {"",   "true", "false", "2",   "01", "1 ",
                                         " 1", "1\n",  "$(id)", "0|1", "|"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        for (const struct whitelist_env *row = whitelist_env_table(); row->values; row++) {
            char entry[64];
            (void)snprintf(entry, sizeof entry, "%s=%s", row->key, values[i]);
            assert_false(daily(ENV(FLAGS("1", "0", "0", "1", "0"), entry)));
            const char *env[] = {FLAGS("1", "0", "0", "1", "0"), NULL};
            for (size_t k = 0; env[k]; k++)
                if (strncmp(env[k], entry, strlen(row->key) + 1) == 0)
                    env[k] = entry;
            if (row - whitelist_env_table() < WHITELIST_FLAGS)
                assert_false(daily(env));
        }
}

static void stop_means_stop_and_nothing_else(void **state)
{
    for (unsigned bits = 0; bits < 1U << WHITELIST_FLAGS; bits++) {
        char text[WHITELIST_FLAGS][40];
        const char *env[WHITELIST_FLAGS + 1] = {NULL};
        for (unsigned i = 0; i < WHITELIST_FLAGS; i++) {
            (void)snprintf(text[i], sizeof text[i], "%s=%d", whitelist_env_table()[i].key,
                           (bits >> i) & 1);
            env[i] = text[i];
        }
        bool only_stop = bits == 1U << 2;
        assert_string_equal(whitelist_env_table()[2].key, "STOP_CONTAINERS");
        assert_int_equal(stop(env), only_stop);
        assert_int_equal(daily(env), bits != 0);
    }
}

static void the_rest_of_the_table_passes(void **state)
{
#define ALL FLAGS("1", "0", "0", "1", "0")
    assert_true(daily(ENV(ALL, "SEND_SUCCESS_NOTIFICATIONS=0")));
    assert_true(daily(ENV(ALL, "SEND_SUCCESS_NOTIFICATIONS=1", "LOCK_FILE_PRESENT=1")));
    assert_true(daily(ENV(ALL, "LOCK_FILE_PRESENT=0", "NEXTCLOUD_DRI_GID=992")));
    assert_true(daily(ENV("NEXTCLOUD_DRI_GID=0", ALL)));
    static const char *const bad[] = {"NEXTCLOUD_DRI_GID=",   "NEXTCLOUD_DRI_GID=-1",
                                      "NEXTCLOUD_DRI_GID=1;", "NEXTCLOUD_DRI_GID=1234567890",
                                      "NEXTCLOUD_DRI_GID",    "NEXTCLOUD_DRI_GID =1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(daily(ENV(ALL, bad[i])));
}

static void no_other_variable_passes(void **state)
{
    static const char *const others[] = {"BASH_ENV=$(id)",
                                         "AIO_LOG_LEVEL=debug",
                                         "PATH=/tmp",
                                         "LD_PRELOAD=/x.so",
                                         "APACHE_PORT=443",
                                         "BORG_RETENTION_POLICY=",
                                         "ENV=/tmp/x",
                                         "PS4=$(id)",
                                         "daily_backup=1",
                                         "DAILY_BACKUP2=1",
                                         "DAILY_BACKU=1",
                                         "=1",
                                         "DOCKER_HOST=tcp:x",
                                         "BACKUP_RESTORE_PASSWORD=",
                                         "NEXTCLOUD_DATADIR",
                                         "",
                                         "IFS=x"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_false(daily(ENV(ALL, others[i])));
        assert_false(daily(ENV(others[i], ALL)));
        assert_false(allows(MASTER, ARGV(HEALTH), ENV(others[i])));
    }
    assert_false(allows(MASTER, ARGV(HEALTH), ENV("DAILY_BACKUP=1")));
}

static void nothing_is_said_twice(void **state)
{
    assert_false(daily(ENV(ALL, "DAILY_BACKUP=1")));
    assert_false(daily(ENV(ALL, "DAILY_BACKUP=0")));
    assert_false(daily(ENV(ALL, "NEXTCLOUD_DRI_GID=1", "NEXTCLOUD_DRI_GID=1")));
}

static void a_command_may_be_judged_without_its_variables(void **state)
{
    struct err e = {0};
    assert_true(whitelist_command(&list, MASTER, ARGV(DAILY), &e));
    assert_true(whitelist_command(&list, MASTER, ARGV(DAILY, "stop"), &e));
    assert_true(whitelist_command(&list, MASTER, ARGV(HEALTH), &e));
    assert_false(whitelist_command(&list, MASTER, ARGV(DAILY "-evil;id"), &e));
    assert_string_equal(e.field, "command");
    assert_false(whitelist_command(&list, "other", ARGV(DAILY), &e));
    assert_string_equal(e.field, "container");
}

static void readers_see_all_of_it(void **state)
{
    struct buf b;
    struct jsonw w;
    buf_init(&b, 4096);
    jsonw_init(&w, &b);
    whitelist_write(&list, &w);
    json_t *o = json_parse(buf_str(&b), b.n, NULL), *one = json_object_get(o, MASTER);
    assert_int_equal(json_object_size(o), 1);
    assert_int_equal(json_array_size(json_object_get(one, "commands")), 3);
    assert_true(json_is_true(json_object_get(one, "no_shell")));
    const json_t *env = json_object_get(one, "env");
    size_t rows = 0;
    for (const struct whitelist_env *row = whitelist_env_table(); row->key; row++, rows++)
        assert_non_null(json_object_get(env, row->key));
    assert_int_equal(json_object_size(env), rows);
    json_decref(o);
    buf_reset(&b);
    jsonw_init(&w, &b);
    const struct whitelist none = {"", DAILY, HEALTH};
    whitelist_write(&none, &w);
    assert_string_equal(buf_str(&b), "{}");
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_three_commands_pass),
        cmocka_unit_test(no_other_command_passes),
        cmocka_unit_test(no_other_container_is_entered),
        cmocka_unit_test(every_flag_must_be_said),
        cmocka_unit_test(a_flag_is_0_or_1),
        cmocka_unit_test(stop_means_stop_and_nothing_else),
        cmocka_unit_test(the_rest_of_the_table_passes),
        cmocka_unit_test(no_other_variable_passes),
        cmocka_unit_test(nothing_is_said_twice),
        cmocka_unit_test(a_command_may_be_judged_without_its_variables),
        cmocka_unit_test(readers_see_all_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
