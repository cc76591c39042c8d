#include "config.h"

#include "base/mem.h"
#include "config_table.h"
#include "limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define WRITE "API_TOKEN=0123456789abcdef-write"
#define READ "API_READ_TOKEN=0123456789abcdef-read"

/* A load from a list of "NAME=value". */
struct load {
    struct config c;
    struct buf faults, notices;
    char *env[16];
    bool ok;
};

static void load_with(struct load *l, bool strict, const char *const *list)
{
    size_t n = 0;
    *l = (struct load){0};
    buf_init(&l->faults, 65536);
    buf_init(&l->notices, 65536);
    for (; list[n]; n++)
        l->env[n] = mem_strdup(list[n]);
    l->ok = config_load(&l->c, l->env, strict, &l->faults, &l->notices);
}

#define LOAD(l, ...) load_with(l, false, (const char *const[]){__VA_ARGS__, NULL})

static void unload(struct load *l)
{
    config_done(&l->c);
    buf_done(&l->faults);
    buf_done(&l->notices);
    for (size_t i = 0; l->env[i]; i++)
        mem_free(l->env[i]);
}

static size_t lines(const struct buf *b)
{
    size_t n = 0;
    for (const char *p = buf_str(b); (p = strchr(p, '\n')); p++)
        n++;
    return n;
}

static bool says(const struct buf *b, const char *what)
{
    return strstr(buf_str(b), what) != NULL;
}

static void two_tokens_are_enough_and_the_rest_has_defaults(void **state)
{
    struct load l;
    LOAD(&l, WRITE, READ, "APP_FROM_HEADER=x", "API_PORT=", "UNRELATED=1");
    assert_true(l.ok);
    assert_string_equal(buf_str(&l.notices), "");
    assert_string_equal(l.c.api_bind, "127.0.0.1");
    assert_int_equal(l.c.api_port, 5000);
    assert_string_equal(l.c.config_dir, "/etc/borgmatic.d");
    assert_string_equal(l.c.state_dir, "/var/lib/borgmatic-api");
    assert_int_equal(l.c.sse_heartbeat_s, 15);
    assert_true(l.c.enable_arbitrary_targets);
    assert_false(l.c.aio_master_set);
    assert_true(l.c.rate_limit_scale == 1.0);
    unload(&l);
}

static void all_faults_are_listed_at_once(void **state)
{
    struct load l;
    LOAD(&l, "API_TOKEN=CHANGEME_please_0000000", "API_PORT=70000", "SECURE_MODE=perhaps",
         "STATE_DIR=relative", "LOG_LEVEL=loud", "API_BIND=localhost");
    assert_false(l.ok);
    const char *const names[] = {"API_TOKEN", "API_READ_TOKEN", "API_PORT", "SECURE_MODE",
                                 "STATE_DIR", "LOG_LEVEL",      "API_BIND"};
    for (size_t i = 0; i < 7; i++)
        assert_true(says(&l.faults, names[i]));
    assert_int_equal(lines(&l.faults), 7);
    assert_false(says(&l.faults, "CHANGEME"));
    unload(&l);
}

static void placeholders_short_and_odd_tokens_are_refused_without_showing_them(void **state)
{
    const char *const bad[] = {"change-me-read-and-more", "Change_Me_0123456789", "shorttoken12345",
                               "has a space 0123456789", "caf\xC3\xA9-0123456789-xyz"};
    for (size_t i = 0; i < 5; i++) {
        char entry[128];
        struct load l;
        (void)snprintf(entry, sizeof entry, "API_READ_TOKEN=%s", bad[i]);
        LOAD(&l, WRITE, entry);
        assert_false(l.ok);
        assert_int_equal(lines(&l.faults), 1);
        assert_false(says(&l.faults, bad[i]));
        unload(&l);
    }
}

static void equal_tokens_are_refused_with_the_way_to_mend_it(void **state)
{
    struct load l;
    LOAD(&l, WRITE, "API_READ_TOKEN=0123456789abcdef-write");
    assert_false(l.ok);
    assert_true(says(&l.faults, "API_TOKEN and API_READ_TOKEN are equal"));
    assert_true(says(&l.faults, "openssl rand -hex 32"));
    unload(&l);
}

static void secure_mode_wants_its_three_tokens_and_turns_the_flags_off(void **state)
{
    struct load l;
    LOAD(&l, "SECURE_MODE=true", READ, "API_ADMIN_TOKEN=0123456789abcdef-admin", WRITE);
    assert_false(l.ok);
    assert_true(says(&l.faults, "API_ACTION_TOKEN is missing"));
    assert_int_equal(lines(&l.faults), 1);
    assert_true(says(&l.notices, "API_TOKEN has no effect"));
    assert_false(l.c.enable_arbitrary_targets);
    assert_null(l.c.api_token);
    unload(&l);
    LOAD(&l, "SECURE_MODE=1", READ, "API_ADMIN_TOKEN=0123456789abcdef-admin",
         "API_ACTION_TOKEN=0123456789abcdef-action", "ENABLE_BREAK_LOCK=true");
    assert_true(l.ok);
    assert_true(l.c.enable_break_lock);
    assert_false(l.c.enable_config_write);
    unload(&l);
}

static void placeholders_of_the_other_modes_tokens_do_no_harm(void **state)
{
    struct load l;
    LOAD(&l, WRITE, READ, "API_ADMIN_TOKEN=change-me-admin", "API_ACTION_TOKEN=change-me-action");
    assert_true(l.ok);
    assert_null(l.c.api_admin_token);
    unload(&l);
}

static void a_token_may_stand_in_a_file_but_not_in_both(void **state)
{
    char path[] = "/tmp/config_test.XXXXXX", entry[64];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "0123456789abcdef-file\r\n", 23), 23);
    (void)close(fd);
    (void)snprintf(entry, sizeof entry, "API_TOKEN_FILE=%s", path);
    struct load l;
    LOAD(&l, entry, READ, "API_TOKEN=");
    assert_true(l.ok);
    assert_string_equal(secret_bytes(l.c.api_token), "0123456789abcdef-file");
    unload(&l);
    LOAD(&l, entry, READ, WRITE);
    assert_false(l.ok);
    assert_true(says(&l.faults, "both set"));
    unload(&l);
    LOAD(&l, "API_TOKEN_FILE=/nonexistent/token", READ);
    assert_false(l.ok);
    assert_true(says(&l.faults, "No such file"));
    unload(&l);
    (void)unlink(path);
}

static void the_environment_holds_no_token_afterwards(void **state)
{
    struct load l;
    LOAD(&l, WRITE, READ, "API_ADMIN_TOKEN=unused-unused-unused", "TZ=UTC");
    const char *end = l.env[0] + strlen(WRITE);
    for (const char *p = l.env[0] + strlen("API_TOKEN="); p < end; p++)
        assert_int_equal(*p, 0);
    assert_string_equal(l.env[1], "API_READ_TOKEN=");
    assert_string_equal(l.env[2], "API_ADMIN_TOKEN=");
    assert_string_equal(l.env[3], "TZ=UTC");
    unload(&l);
}

static void names_of_the_example_files_mean_ours(void **state)
{
    struct load l;
    LOAD(&l, WRITE, READ, "BORG_CONFIG_DIR=/data/config", "SSE_HEARTBEAT_SEC=7",
         "AIO_MASTER_CONTAINER=", "DAILY_STOP_TIMEOUT=60", "AIO_STOP_TIMEOUT=31");
    assert_true(l.ok);
    assert_string_equal(l.c.config_dir, "/data/config");
    assert_int_equal(l.c.sse_heartbeat_s, 7);
    assert_true(l.c.aio_master_set);
    assert_string_equal(l.c.aio_master, "");
    assert_int_equal(l.c.aio_stop_timeout_s, 31);
    assert_true(says(&l.notices, "AIO_STOP_TIMEOUT counts"));
    unload(&l);
}

static void an_unknown_name_is_a_notice_with_the_nearest_name_and_a_fault_when_strict(void **state)
{
    struct load l;
    LOAD(&l, WRITE, READ, "API_TOKKEN=x", "ENABLE_BRAEK_LOCK=1", "APP_SOMETHING_ELSE_ENTIRELY=1",
         "OTHER_NAME=1");
    assert_true(l.ok);
    assert_true(says(&l.notices, "API_TOKKEN is no setting; did you mean API_TOKEN?"));
    assert_true(says(&l.notices, "did you mean ENABLE_BREAK_LOCK?"));
    assert_true(says(&l.notices, "APP_SOMETHING_ELSE_ENTIRELY is no setting\n"));
    assert_false(says(&l.notices, "OTHER_NAME"));
    unload(&l);
    load_with(&l, true, (const char *const[]){WRITE, READ, "API_TOKKEN=x", NULL});
    assert_false(l.ok);
    unload(&l);
}

static void names_without_effect_share_one_notice(void **state)
{
    struct load l;
    load_with(&l, true,
              (const char *const[]){WRITE, READ, "APP_FROM_HEADER=x", "API_WORKERS=2",
                                    "API_THREADS=4", NULL});
    assert_true(l.ok);
    assert_int_equal(lines(&l.notices), 1);
    assert_true(says(&l.notices, "API_WORKERS, API_THREADS"));
    unload(&l);
}

static void a_bind_beyond_loopback_and_an_unset_header_are_told(void **state)
{
    struct load l;
    LOAD(&l, WRITE, READ, "API_BIND=0.0.0.0");
    assert_true(l.ok);
    assert_true(says(&l.notices, "beyond this machine"));
    assert_true(says(&l.notices, "X-From-NodeRed: BorgmaticAPI"));
    assert_string_equal(l.c.from_header, "BorgmaticAPI");
    assert_false(l.c.from_header_set);
    unload(&l);
}

static void children_inherit_no_name_that_holds_a_secret(void **state)
{
    const char *const bad[] = {"API_TOKEN", "A,BORG_PASSPHRASE", "A,,B", "A B", "1A"};
    for (size_t i = 0; i < 5; i++) {
        char entry[64];
        struct load l;
        (void)snprintf(entry, sizeof entry, "CHILD_ENV=%s", bad[i]);
        LOAD(&l, WRITE, READ, entry);
        assert_false(l.ok);
        unload(&l);
    }
    struct load l;
    LOAD(&l, WRITE, READ, "CHILD_ENV=HTTP_PROXY,BORG_RSH");
    assert_true(l.ok);
    unload(&l);
}

static void the_dump_and_the_documents_hold_every_name_and_no_secret(void **state)
{
    struct load l;
    struct buf dump, help, page;
    LOAD(&l, WRITE, READ);
    buf_init(&dump, 65536);
    buf_init(&help, 65536);
    buf_init(&page, 65536);
    config_dump(&l.c, &dump);
    config_help(&help);
    config_markdown(&page);
    for (size_t i = 0; i < config_table_rows; i++) {
        assert_true(says(&dump, config_table[i].name));
        assert_true(says(&help, config_table[i].name));
        assert_true(says(&page, config_table[i].name));
    }
    assert_true(says(&dump, "API_TOKEN=***\n"));
    assert_false(says(&dump, "0123456789abcdef"));
    buf_done(&dump);
    buf_done(&help);
    buf_done(&page);
    unload(&l);
}

static void memory_that_fails_is_a_fault_and_never_a_crash(void **state)
{
    for (unsigned long n = 1; n < 200; n++) {
        struct load l = {0};
        buf_init(&l.faults, 65536);
        buf_init(&l.notices, 65536);
        l.env[0] = mem_strdup(WRITE);
        l.env[1] = mem_strdup(READ);
        (void)mem_fail_at(n);
        l.ok = config_load(&l.c, l.env, false, &l.faults, &l.notices);
        bool reached = mem_fail_at(0) >= n;
        unload(&l);
        if (!reached)
            return;
    }
    fail();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_tokens_are_enough_and_the_rest_has_defaults),
        cmocka_unit_test(all_faults_are_listed_at_once),
        cmocka_unit_test(placeholders_short_and_odd_tokens_are_refused_without_showing_them),
        cmocka_unit_test(equal_tokens_are_refused_with_the_way_to_mend_it),
        cmocka_unit_test(secure_mode_wants_its_three_tokens_and_turns_the_flags_off),
        cmocka_unit_test(placeholders_of_the_other_modes_tokens_do_no_harm),
        cmocka_unit_test(a_token_may_stand_in_a_file_but_not_in_both),
        cmocka_unit_test(the_environment_holds_no_token_afterwards),
        cmocka_unit_test(names_of_the_example_files_mean_ours),
        cmocka_unit_test(an_unknown_name_is_a_notice_with_the_nearest_name_and_a_fault_when_strict),
        cmocka_unit_test(names_without_effect_share_one_notice),
        cmocka_unit_test(a_bind_beyond_loopback_and_an_unset_header_are_told),
        cmocka_unit_test(children_inherit_no_name_that_holds_a_secret),
        cmocka_unit_test(the_dump_and_the_documents_hold_every_name_and_no_secret),
        cmocka_unit_test(memory_that_fails_is_a_fault_and_never_a_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
