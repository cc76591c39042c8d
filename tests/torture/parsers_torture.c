/* Fails the n-th allocation, n = 1, 2, … until a run passes untouched, in everything that reads
 * bytes from outside: nothing crashes, nothing leaks (ASan), and what could not be done says so. */
#include "api/params.h"
#include "api/query.h"
#include "api/route.h"
#include "backup/control/control_msg.h"
#include "backup/control/shim_args.h"
#include "backup/control/shim_lines.h"
#include "backup/create/progress.h"
#include "backup/create/verdict.h"
#include "backup/repo/resolve_record.h"
#include "backup/run/borg_command.h"
#include "base/json.h"
#include "base/mem.h"
#include "jobs/lines.h"
#include "limits.h"

#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MOST_ALLOCATIONS = 5000 };

/* `run` says whether all of its work was done; only then may that be so when nothing failed. */
static void torture(bool (*run)(void))
{
    for (unsigned long n = 1; n < MOST_ALLOCATIONS; n++) {
        (void)mem_fail_at(n);
        bool whole = run();
        if (mem_fail_at(0) < n) {
            assert_true(whole);
            return;
        }
    }
    fail_msg("more than %d allocations", MOST_ALLOCATIONS);
}

static bool json(void)
{
    static const char text[] = "{\"a\":[1,2.5,true,null,\"x\\u00e9\"],\"b\":{\"c\":\"d\"}}";
    struct buf out;
    struct err e = {0};
    buf_init(&out, 1024);
    json_t *v = json_parse(text, sizeof text - 1, &e);
    bool ok = v && json_write(v, &out) && out.n > 0;
    assert_true(v || e.code != ERR_NONE);
    json_decref(v);
    buf_done(&out);
    return ok;
}

static bool query(void)
{
    struct arena a;
    struct query_arg args[LIMIT_QUERY_ARGS];
    struct err e = {0};
    size_t n = 0;
    arena_init(&a, LIMIT_ARENA);
    bool ok = query_parse(&a, "a=1&b=%41+c&kinds=stdout,stderr", args, LIMIT_QUERY_ARGS, &n, &e);
    assert_true(ok || e.code == ERR_NO_MEMORY);
    arena_done(&a);
    return ok && n == 3;
}

static const struct param wanted[] = {{"label", PARAM_PATH, PARAM_LABEL, true, 0, 0, ""},
                                      {"cursor", PARAM_QUERY, PARAM_INT, false, 0, 100, ""},
                                      {"names", PARAM_QUERY, PARAM_LIST, false, 0, 9, ""},
                                      {"fast", PARAM_QUERY, PARAM_BOOL, false, 0, 0, ""},
                                      {"pass", PARAM_BODY, PARAM_SECRET, false, 1, 0, ""},
                                      {"paths", PARAM_BODY, PARAM_LIST, false, 0, 9, ""},
                                      {"stats", PARAM_BODY, PARAM_BOOL, false, 0, 0, ""},
                                      {.name = NULL}};
static const struct route row = {.method = HTTP_M_POST, .params = wanted, .compatible = true};

static bool params(void)
{
    static const char body[] = "{\"pass\":\"a secret\",\"paths\":[\"x\"],\"stats\":true,\"odd\":1}";
    struct http_req req = {.method = HTTP_M_POST,
                           .query = "cursor=7&names=n&fast=true",
                           .body = body,
                           .body_len = sizeof body - 1};
    struct call c = {.req = &req, .route = &row};
    struct err e = {0};
    arena_init(&req.arena, LIMIT_ARENA);
    c.path_values[0] = "prod";
    c.path_lengths[0] = 4;
    bool ok = params_headers(&c, &e) && params_body(&c, &e) && params_check(&c, &e);
    assert_true(ok || e.code != ERR_NONE);
    for (size_t i = 0; i < c.secret_count; i++)
        secret_free(c.secrets[i].value);
    json_decref(c.body);
    json_decref(c.params);
    arena_done(&req.arena);
    return ok;
}

static void count(void *arg, const char *text, size_t n)
{
    assert_null(memmem(text, n, "s3cr/t", 6));
    ++*(int *)arg;
}

/* A line that could not be gathered may be lost; a secret may not be shown. */
static bool lines(void)
{
    static const char text[] = "one s3cr/t\ntwo \x1b[31mred\x1b[0m\r\nthree\rfour\xff\nfive";
    int seen = 0;
    struct redact *r = redact_new();
    struct secret *s = secret_new("s3cr/t", 6);
    bool ok = r && s && redact_add(r, s, false);
    struct lines *l = ok ? lines_new(r, count, &seen) : NULL;
    if (l) {
        lines_feed(l, text, 14, 1000);
        lines_feed(l, text + 14, sizeof text - 15, 2000);
        lines_end(l);
        lines_free(l);
    }
    secret_free(s);
    redact_free(r);
    return l && seen >= 4;
}

static bool messages(void)
{
    struct buf b;
    struct control_msg m = {
        .type = CONTROL_HELLO, .kind = CONTROL_KIND_BORG, .rest = "borg\0list", .n = 10};
    buf_init(&b, CONTROL_MSG);
    bool ok = control_msg_encode(&m, &b) && control_msg_decode(b.p, b.n, &m);
    buf_done(&b);
    return ok;
}

static bool hear(struct verdict *v, const char *text)
{
    json_t *m = json_parse(text, strlen(text), NULL);
    if (m)
        verdict_message(v, m);
    json_decref(m);
    return m != NULL;
}

static bool verdict(void)
{
    struct verdict *v = verdict_new();
    struct verdict_result result;
    struct buf b;
    buf_init(&b, LIMIT_RECORD);
    bool ok = v != NULL;
    if (ok) {
        ok = hear(
            v, "{\"type\":\"log_message\",\"levelname\":\"ERROR\",\"msgid\":\"LockTimeout\","
               "\"message\":\"Failed to create/acquire the lock /r/lock.exclusive (timeout).\"}");
        ok = hear(v, "{\"type\":\"file_status\",\"status\":\"E\",\"path\":\"src/a\"}") && ok;
        verdict_text(v, "Permission denied (publickey).", 30);
        verdict_exit(v, 2, 0);
        verdict_lock_holder(v, "held by somebody");
        verdict_result(v, &result);
        verdict_json(v, &b);
        ok = ok && result.state == VERDICT_FAILED && !b.failed;
    }
    buf_done(&b);
    verdict_free(v);
    return ok;
}

static bool progress(void)
{
    static const char text[] = "{\"type\":\"archive_progress\",\"original_size\":10,\"nfiles\":1,"
                               "\"compressed_size\":9,\"deduplicated_size\":8,\"path\":\"a\"}";
    struct progress p;
    struct buf b;
    progress_init(&p);
    progress_start(&p, 0, 100);
    buf_init(&b, LIMIT_EVENT);
    json_t *m = json_parse(text, sizeof text - 1, NULL);
    bool ok = m && progress_feed(&p, m, 1000);
    progress_json(&p, "/repo", "label", &b);
    progress_text(&p, &b);
    ok = ok && !b.failed;
    json_decref(m);
    buf_done(&b);
    return ok;
}

static void nowhere(void *arg, const char *p, size_t n)
{
}

static void sent(void *arg, enum control_msg_type type, const char *p, size_t n, bool dropped)
{
}

static bool shim(void)
{
    char *argv[] = {(char[]){"borg"},
                    (char[]){"create"},
                    (char[]){"--rsh"},
                    (char[]){"ssh -i k"},
                    (char[]){"ssh://h/r::a"},
                    (char[]){"/src"},
                    NULL};
    char borg[] = "/usr/bin/borg";
    struct shim_args a = {0};
    bool ok = shim_args_make(argv, borg, &a);
    shim_args_done(&a);
    static const char text[] =
        "{\"type\":\"log_message\",\"name\":\"borg.output.stats\",\"message\":\"Archive name: a\"}\n"
        "{\"type\":\"progress_percent\",\"operation\":1,\"msgid\":\"check\",\"current\":1,"
        "\"total\":2,\"message\":\"half\"}\nplain words\n";
    struct shim_lines l;
    shim_lines_init(&l);
    l.send = sent;
    l.emit = nowhere;
    shim_lines_feed(&l, text, sizeof text - 1, 1000);
    shim_lines_tick(&l, 9000);
    shim_lines_end(&l, 9000);
    shim_lines_done(&l);
    return ok;
}

static const char *const recorded_argv[] = {"borg",        "list",      "--json", "--remote-path",
                                            "/usr/bin/b1", "ssh://h/r", NULL};
static const char *const recorded_env[] = {"BORG_RSH=ssh -i k", "BORG_BASE_DIR=/b", NULL};

static bool record(void)
{
    struct err e = {0};
    const struct control_run run = {.argv = recorded_argv, .env = recorded_env};
    struct resolved *res = resolve_record_new("/etc/borgmatic.d/a.yaml");
    bool ok = res && resolve_record_add(res, &run, &e);
    assert_true(!res || ok || e.code != ERR_NONE);
    ok = ok && resolve_record_labels(res, "one: Listing repository\n") &&
         resolve_record_local_path(res, "/usr/bin/borg1");
    if (ok) {
        static const char *const verb[] = {"list", "--json", NULL};
        static const char *const base[] = {"PATH=/bin", NULL};
        const struct borg_command cmd = {
            .borg = "/b", .repo = &res->repos[0], .archive = "a", .verb = verb, .env = base};
        struct arena a;
        arena_init(&a, LIMIT_ARENA);
        ok = borg_command_argv(&a, &cmd, &e) && borg_command_env(&a, &cmd, true, &e);
        arena_done(&a);
    }
    resolved_unref(res);
    return ok;
}

#define TORTURE(scenario) \
    static void scenario##_without_memory(void **state) \
    { \
        torture(scenario); \
    }
TORTURE(json)
TORTURE(query)
TORTURE(params)
TORTURE(lines)
TORTURE(messages)
TORTURE(verdict)
TORTURE(progress)
TORTURE(shim)
TORTURE(record)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_without_memory),     cmocka_unit_test(query_without_memory),
        cmocka_unit_test(params_without_memory),   cmocka_unit_test(lines_without_memory),
        cmocka_unit_test(messages_without_memory), cmocka_unit_test(verdict_without_memory),
        cmocka_unit_test(progress_without_memory), cmocka_unit_test(shim_without_memory),
        cmocka_unit_test(record_without_memory),
    };
    /* jansson keeps its own allocator: 2.14 itself crashes where its buffers cannot grow. */
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
