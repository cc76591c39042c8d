/* Exec, against a server that does what a real Engine does not do on request. */
#include "docker/exec.h"

#include "base/mem.h"
#include "docker/engine_internal.h"

#include "engine_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ID "0123456789abcdef"
#define CREATE "POST /v1.41/containers/master/exec"
#define START "POST /v1.41/exec/" ID "/start"
#define LOOK "GET /v1.41/exec/" ID "/json"
#define CREATED \
    { \
        CREATE, "HTTP/1.1 201 Created\r\n\r\n{\"Id\":\"" ID "\"}", 0, THEN_CLOSE \
    }
#define RAW "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n"
#define BYTES(s) s, sizeof(s) - 1
#define NO_SUCH "HTTP/1.1 404 Not Found\r\n\r\n{\"message\":\"No such exec instance\"}"

static const struct whitelist list = {"master", "/daily-backup.sh", "/healthcheck.sh"};
static const char *const health[] = {"/healthcheck.sh", NULL};
static unsigned audits;

static void on_audit(void *arg, const char *container, const char *command)
{
    audits++;
    assert_string_equal(container, "master");
    assert_int_equal(kit_count(), 0); /* before anything is sent */
}

static bool run(const struct kit_answer *script, const struct exec_command *c, unsigned ms,
                struct exec_result *r, struct err *e)
{
    *e = (struct err){0};
    kit_start(script);
    struct engine *en = kit_engine();
    bool ok = exec_run(en, &list, c, ms, 8, r, e);
    engine_close(en);
    kit_stop();
    return ok;
}

static void it_is_created_as_the_whitelist_says_and_its_tails_are_kept(void **state)
{
    static const struct kit_answer script[] = {
        PING_141,
        CREATED,
        {START,
         BYTES(RAW "\1\0\0\0\0\0\0\4one\n\2\0\0\0\0\0\0\3oh\n\1\0\0\0\0\0\0\6two 2\n"
                   "\1\0\0\0\0\0\0\2.\n"),
         THEN_CLOSE},
        {LOOK, JSON_200("{\"Running\":false,\"ExitCode\":3}"), 0, THEN_CLOSE},
        {0}};
    static const char *const argv[] = {"/daily-backup.sh", "stop", NULL};
    static const char *const env[] = {"DAILY_BACKUP=0",      "CHECK_BACKUP=0",
                                      "STOP_CONTAINERS=1",   "START_CONTAINERS=0",
                                      "AUTOMATIC_UPDATES=0", NULL};
    const struct exec_command c = {"master", argv, env, on_audit, NULL};
    struct exec_result r;
    struct err e;
    audits = 0;
    assert_true(run(script, &c, 5000, &r, &e));
    assert_int_equal(r.code, 3);
    assert_string_equal(r.out, "two 2\n.\n");
    assert_string_equal(r.err, "oh\n");
    assert_int_equal(audits, 1);
    assert_non_null(strstr(kit_heard(), CREATE
                           "\n{\"AttachStdin\":false,\"AttachStdout\":true,\"AttachStderr\":true,"
                           "\"Tty\":false,\"Cmd\":[\"/daily-backup.sh\",\"stop\"],"
                           "\"Env\":[\"DAILY_BACKUP=0\",\"CHECK_BACKUP=0\",\"STOP_CONTAINERS=1\","
                           "\"START_CONTAINERS=0\",\"AUTOMATIC_UPDATES=0\"]}" START
                           "\n{\"Detach\":false,\"Tty\":false}"));
    mem_free(r.out);
    mem_free(r.err);
}

static void what_is_not_whitelisted_is_not_sent(void **state)
{
    static const struct kit_answer script[] = {PING_141, {0}};
    static const char *const evil[] = {"/daily-backup.sh-evil;id", NULL};
    const struct exec_command c = {"master", evil, NULL, on_audit, NULL};
    struct exec_result r;
    struct err e;
    audits = 0;
    assert_false(run(script, &c, 5000, &r, &e));
    assert_int_equal(e.code, ERR_EXEC_FORBIDDEN);
    assert_int_equal(kit_count(), 0);
    assert_int_equal(audits, 0);
}

static void one_that_goes_on_is_a_timeout_and_one_that_is_forgotten_has_no_code(void **state)
{
    static const struct kit_answer goes_on[] = {
        PING_141, CREATED, {START, BYTES(RAW "\1\0\0\0\0\0\0\4one\n"), THEN_HANG}, {0}};
    static const struct kit_answer cut[] = {
        PING_141,
        CREATED,
        {START, BYTES(RAW "\1\0\0\0\0\0\0\4one\n"), THEN_CLOSE},
        {LOOK, JSON_200("{\"Running\":true,\"ExitCode\":null}"), 0, THEN_CLOSE},
        {0}};
    static const struct kit_answer forgotten[] = {
        PING_141, CREATED, {START, BYTES(RAW), THEN_CLOSE}, {LOOK, NO_SUCH, 0, THEN_CLOSE}, {0}};
    const struct exec_command c = {.container = "master", .argv = health};
    struct exec_result r;
    struct err e;
    assert_false(run(goes_on, &c, 100, &r, &e));
    assert_int_equal(e.code, ERR_TIMEOUT);
    assert_false(run(cut, &c, 100, &r, &e)); /* the end of the stream is not its end */
    assert_int_equal(e.code, ERR_TIMEOUT);
    assert_null(r.out);
    assert_true(run(forgotten, &c, 5000, &r, &e));
    assert_int_equal(r.code, -1);
    assert_string_equal(r.out, "");
    mem_free(r.out);
    mem_free(r.err);
}

static void an_id_that_is_none_is_refused(void **state)
{
    static const char *const ids[] = {"", "../x", "ABC", "x/start?", NULL};
    for (size_t i = 0; ids[i]; i++) {
        char answer[200];
        (void)snprintf(answer, sizeof answer, "HTTP/1.1 201 Created\r\n\r\n{\"Id\":\"%s\"}",
                       ids[i]);
        const struct kit_answer script[] = {PING_141, {CREATE, answer, 0, THEN_CLOSE}, {0}};
        const struct exec_command c = {.container = "master", .argv = health};
        struct exec_result r;
        struct err e;
        assert_false(run(script, &c, 1000, &r, &e));
        assert_int_equal(e.code, ERR_DOCKER);
        assert_int_equal(kit_count(), 2);
    }
}

static void a_proxy_that_forbids_it_is_named(void **state)
{
    static const struct kit_answer no_exec[] = {
        PING_141, CREATED, {"*", "HTTP/1.1 403 Forbidden\r\n\r\nno", 0, THEN_CLOSE}, {0}};
    struct err e = {0};
    char id[EXEC_ID];
    const struct exec_command c = {.container = "master", .argv = health};
    const struct engine_sink sink = {0};
    kit_start(no_exec);
    struct engine *en = kit_engine();
    assert_null(exec_start(en, &list, &c, &sink, id, &e));
    assert_int_equal(e.code, ERR_DOCKER_PERMISSION);
    assert_non_null(strstr(engine_hint(en), "allow EXEC=1 in"));
    engine_close(en);
    kit_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_created_as_the_whitelist_says_and_its_tails_are_kept),
        cmocka_unit_test(what_is_not_whitelisted_is_not_sent),
        cmocka_unit_test(one_that_goes_on_is_a_timeout_and_one_that_is_forgotten_has_no_code),
        cmocka_unit_test(an_id_that_is_none_is_refused),
        cmocka_unit_test(a_proxy_that_forbids_it_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
