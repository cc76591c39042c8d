/* What a body asks of AIO's workflow. */
#include "api/aio_wants.h"

#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* The flags as letters: d(aily) c(heck) s(top) S(tart) u(pdates) n(otifications). */
static const char *letters(const struct aio_wants *w)
{
    static char out[16];
    (void)snprintf(out, sizeof out, "%s%s%s%s%s%s", w->daily_backup ? "d" : "",
                   w->check_backup ? "c" : "", w->stop_containers ? "s" : "",
                   w->start_containers ? "S" : "", w->automatic_updates ? "u" : "",
                   w->send_notifications ? "n" : "");
    return out;
}

static bool ask(const char *body,
                bool (*f)(const struct call *c, struct aio_wants *w, struct err *e),
                struct aio_wants *w, struct err *e)
{
    struct call c = {.params = json_parse(body, strlen(body), NULL)};
    assert_non_null(c.params);
    *e = (struct err){0};
    bool ok = f(&c, w, e);
    json_decref(c.params);
    return ok;
}

static void a_run_is_what_the_body_says(void **state)
{
    static const struct {
        const char *body, *flags;
    } cases[] = {
        {"{}", "dsSn"},
        {"{\"automatic_updates\":true}", "dsSun"},
        {"{\"daily_backup\":true,\"check_backup\":false,\"stop_containers\":true,"
         "\"start_containers\":true,\"automatic_updates\":true}",
         "dsSun"},
        {"{\"start_containers\":false}", "dsn"},
        {"{\"stop_containers\":false}", "dSn"},
        {"{\"send_success_notifications\":false}", "dsS"},
        {"{\"check_backup\":true}", "cn"},
        {"{\"check_backup\":true,\"daily_backup\":false,\"start_containers\":true}", "cSn"},
        {"{\"daily_backup\":false}", "sSn"},
        {"{\"daily_backup\":false,\"start_containers\":false,\"automatic_updates\":true}", "sun"},
        {"{\"daily_backup\":false,\"start_containers\":false,\"stop_containers\":true}", "sn"},
        {"{\"extra_env\":{\"AUTOMATIC_UPDATES\":\"1\"}}", "dsSun"},
        {"{\"extra_env\":{\"SEND_SUCCESS_NOTIFICATIONS\":\"0\",\"DAILY_BACKUP\":\"0\"}}", "sS"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct aio_wants w;
        struct err e;
        if (!ask(cases[i].body, aio_wants_run, &w, &e))
            fail_msg("%s: %s", cases[i].body, e.msg);
        assert_string_equal(letters(&w), cases[i].flags);
        assert_int_equal(w.target_count, 0);
    }
}

static void what_makes_no_sense_or_is_not_allowed_is_refused(void **state)
{
    static const struct {
        const char *body;
        enum err_code code;
        const char *field, *says;
    } cases[] = {
        {"{\"daily_backup\":true,\"check_backup\":true}", ERR_BAD_REQUEST, "check_backup", ""},
        {"{\"daily_backup\":false,\"start_containers\":false}", ERR_BAD_REQUEST, "daily_backup",
         "stops everything"},
        {"{\"daily_backup\":false,\"start_containers\":false,\"stop_containers\":false}",
         ERR_BAD_REQUEST, "daily_backup", ""},
        {"{\"extra_env\":{\"DAILY_BACKUP\":\"0\",\"START_CONTAINERS\":\"0\"}}", ERR_BAD_REQUEST,
         "daily_backup", ""},
        {"{\"extra_env\":{\"CHECK_BACKUP\":\"1\"}}", ERR_BAD_REQUEST, "check_backup", ""},
        {"{\"extra_env\":{\"BASH_ENV\":\"$(id)\"}}", ERR_EXEC_FORBIDDEN, "extra_env", "BASH_ENV"},
        {"{\"extra_env\":{\"APACHE_PORT\":\"1\"}}", ERR_EXEC_FORBIDDEN, "extra_env", "APACHE_PORT"},
        {"{\"extra_env\":{\"NEXTCLOUD_DRI_GID\":\"1\"}}", ERR_EXEC_FORBIDDEN, "extra_env",
         "NEXTCLOUD_DRI_GID is set by the daemon"},
        {"{\"extra_env\":{\"A=\\nB\":\"1\"}}", ERR_EXEC_FORBIDDEN, "extra_env", "A? may not"},
        {"{\"extra_env\":{\"DAILY_BACKUP\":\"true\"}}", ERR_EXEC_FORBIDDEN, "extra_env",
         "\"0\" or \"1\""},
        {"{\"extra_env\":{\"DAILY_BACKUP\":1}}", ERR_EXEC_FORBIDDEN, "extra_env", "DAILY_BACKUP"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct aio_wants w;
        struct err e;
        if (ask(cases[i].body, aio_wants_run, &w, &e))
            fail_msg("%s: taken", cases[i].body);
        assert_int_equal(e.code, cases[i].code);
        assert_string_equal(e.field, cases[i].field);
        if (!strstr(e.msg, cases[i].says))
            fail_msg("%s: %s", cases[i].body, e.msg);
        assert_null(strchr(e.msg, '\n'));
        assert_null(strchr(e.msg, '$'));
    }
}

static bool for_targets(const struct call *c, struct aio_wants *w, struct err *e)
{
    return aio_wants_run(c, w, e) && aio_wants_targets(c, w, e);
}

static void targets_are_one_or_several_each_of_its_kind(void **state)
{
    struct aio_wants w;
    struct err e;
    assert_true(ask("{\"host_location\":\"/mnt/one\"}", for_targets, &w, &e));
    assert_int_equal(w.target_count, 1);
    assert_string_equal(w.targets[0].host_location, "/mnt/one");
    assert_true(w.restore_after && w.daily_backup && w.start_containers);
    assert_true(
        ask("{\"remote_repo\":\"ssh://u@h:22/./r\",\"restore_after\":false}", for_targets, &w, &e));
    assert_string_equal(w.targets[0].remote_repo, "ssh://u@h:22/./r");
    assert_false(w.restore_after);
    assert_true(ask("{\"targets\":[\"/mnt/one\",\"u@h:r\",\"nextcloud_aio_backupdir\"]}",
                    for_targets, &w, &e));
    assert_int_equal(w.target_count, 3);
    assert_string_equal(w.targets[0].host_location, "/mnt/one");
    assert_string_equal(w.targets[1].remote_repo, "u@h:r");
    assert_string_equal(w.targets[1].host_location, "");
    assert_string_equal(w.targets[2].host_location, "nextcloud_aio_backupdir");
}

static void wrong_targets_name_their_field(void **state)
{
    static const struct {
        const char *body, *field;
    } cases[] = {
        {"{}", "host_location"},
        {"{\"host_location\":\"/a\",\"remote_repo\":\"u@h:r\"}", "host_location"},
        {"{\"remote_repo\":\"u@h:r\",\"targets\":[\"/a\"]}", "remote_repo"},
        {"{\"host_location\":\"/a/../b\"}", "host_location"},
        {"{\"remote_repo\":\"-oProxyCommand=x@y:z\"}", "remote_repo"},
        {"{\"targets\":[\"/a\",\"/a\"]}", "targets"},
        {"{\"targets\":[\"/a\",\"-o@x:y\"]}", "targets"},
        {"{\"targets\":[\"/1\",\"/2\",\"/3\",\"/4\",\"/5\",\"/6\",\"/7\",\"/8\",\"/9\"]}",
         "targets"},
        {"{\"targets\":[\"/a\",\"/b\"],\"check_backup\":true}", "daily_backup"},
        {"{\"host_location\":\"/a\",\"daily_backup\":false}", "daily_backup"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct aio_wants w;
        struct err e;
        if (ask(cases[i].body, for_targets, &w, &e))
            fail_msg("%s: taken", cases[i].body);
        assert_int_equal(e.code, ERR_BAD_REQUEST);
        if (strcmp(e.field, cases[i].field) != 0)
            fail_msg("%s: %s: %s", cases[i].body, e.field, e.msg);
    }
}

static void the_scripts_own_words_are_zero_or_one(void **state)
{
    struct aio_wants w = {.daily_backup = true, .stop_containers = true, .start_containers = true};
    struct err e;
    assert_true(
        ask("{\"START_CONTAINERS\":\"0\",\"AUTOMATIC_UPDATES\":\"1\"}", aio_wants_flags, &w, &e));
    assert_string_equal(letters(&w), "dsu");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_is_what_the_body_says),
        cmocka_unit_test(what_makes_no_sense_or_is_not_allowed_is_refused),
        cmocka_unit_test(targets_are_one_or_several_each_of_its_kind),
        cmocka_unit_test(wrong_targets_name_their_field),
        cmocka_unit_test(the_scripts_own_words_are_zero_or_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
