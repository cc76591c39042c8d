#include "api/auth.h"

#include "api/auth_fail.h"
#include "base/mem.h"
#include "limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static char header_word[] = "Internal";

struct world {
    struct config c;
    struct auth *a;
};

static void open_world(struct world *w, bool secure)
{
    struct err e = {0};
    *w = (struct world){0};
    w->c.from_header = header_word;
    w->c.from_header_set = true;
    w->c.secure_mode = secure;
    w->c.api_token = secret_new("write-token-0001", 16);
    w->c.api_read_token = secret_new("read-token-00001", 16);
    w->c.api_admin_token = secret_new("admin-token-0001", 16);
    w->c.api_action_token = secret_new("action-token-001", 16);
    w->a = auth_new(&w->c, &e);
    assert_non_null(w->a);
}

static void close_world(struct world *w)
{
    auth_free(w->a);
    secret_free(w->c.api_token);
    secret_free(w->c.api_read_token);
    secret_free(w->c.api_admin_token);
    secret_free(w->c.api_action_token);
}

/* One request: the three headers as given, NULL for none. */
static enum err_code ask(struct world *w, const char *bearer, const char *progress,
                         const char *from, const struct auth_need *need, struct auth_who *who)
{
    struct http_header h[3];
    struct http_req req = {.headers = h, .peer = "192.0.2.1"};
    const char *const names[] = {"authorization", "x-progress-token", "x-from-nodered"};
    const char *const values[] = {bearer, progress, from};
    for (size_t i = 0; i < 3; i++)
        if (values[i])
            h[req.header_count++] = (struct http_header){names[i], values[i]};
    struct err e = {0};
    bool ok = auth_check(w->a, &req, need, 1000, who, &e);
    assert_int_equal(ok, e.code == ERR_NONE);
    return e.code;
}

static const struct auth_need reading = {.read = true}, writing = {.read = false};

static void each_token_has_its_role_and_a_name_that_is_no_secret(void **state)
{
    struct world w;
    struct auth_who who;
    open_world(&w, false);
    assert_int_equal(ask(&w, "Bearer write-token-0001", NULL, "Internal", &writing, &who), 0);
    assert_int_equal(who.role, ROLE_WRITE);
    assert_string_equal(who.identity, "write");
    assert_int_equal(ask(&w, "bearer   read-token-00001", NULL, "Internal", &reading, &who), 0);
    assert_int_equal(who.role, ROLE_READ);
    assert_int_equal(ask(&w, "Bearer admin-token-0001", NULL, "Internal", &writing, &who),
                     ERR_UNAUTHORIZED);
    close_world(&w);
    open_world(&w, true);
    assert_int_equal(ask(&w, "Bearer admin-token-0001", NULL, "Internal", &writing, &who), 0);
    assert_int_equal(who.role, ROLE_ADMIN);
    assert_int_equal(ask(&w, "Bearer action-token-001", NULL, "Internal", &writing, &who), 0);
    assert_int_equal(who.role, ROLE_ACTION);
    assert_int_equal(ask(&w, "Bearer write-token-0001", NULL, "Internal", &writing, &who),
                     ERR_UNAUTHORIZED);
    close_world(&w);
}

static void without_a_token_nothing_is_said_to_be_wrong_with_it(void **state)
{
    struct world w;
    struct auth_who who;
    open_world(&w, false);
    assert_int_equal(ask(&w, NULL, NULL, "Internal", &reading, &who), ERR_UNAUTHORIZED);
    assert_false(who.invalid_credential);
    assert_int_equal(ask(&w, "Basic write-token-0001", NULL, "Internal", &reading, &who),
                     ERR_UNAUTHORIZED);
    assert_false(who.invalid_credential);
    assert_int_equal(ask(&w, "Bearer write-token-0002", NULL, "Internal", &reading, &who),
                     ERR_UNAUTHORIZED);
    assert_true(who.invalid_credential);
    assert_int_equal(who.role, ROLE_NONE);
    close_world(&w);
}

static void the_header_is_needed_but_where_a_client_cannot_send_it(void **state)
{
    struct world w;
    struct auth_who who;
    struct auth_need metrics = {.read = true, .no_header = true};
    open_world(&w, false);
    const char *const wrong[] = {NULL, "", "internal", "Internal2", "Interna"};
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(ask(&w, "Bearer read-token-00001", NULL, wrong[i], &reading, &who),
                         ERR_UNAUTHORIZED);
        assert_int_equal(who.role, ROLE_NONE);
        assert_int_equal(ask(&w, "Bearer read-token-00001", NULL, wrong[i], &metrics, &who), 0);
    }
    close_world(&w);
}

static void the_progress_token_is_the_read_token_and_for_reading_alone(void **state)
{
    struct world w;
    struct auth_who who;
    open_world(&w, false);
    assert_int_equal(ask(&w, NULL, "read-token-00001", "Internal", &reading, &who), 0);
    assert_int_equal(who.role, ROLE_READ);
    assert_int_equal(ask(&w, NULL, "read-token-00001", "Internal", &writing, &who),
                     ERR_UNAUTHORIZED);
    assert_int_equal(ask(&w, NULL, "write-token-0001", "Internal", &reading, &who),
                     ERR_UNAUTHORIZED);
    close_world(&w);
}

static void wrong_tokens_past_the_limit_get_429_and_a_right_one_passes(void **state)
{
    struct world w;
    struct auth_who who;
    open_world(&w, false);
    for (int i = 0; i < AUTH_FAIL_MAX; i++)
        assert_int_equal(ask(&w, "Bearer wrong", NULL, "Internal", &reading, &who),
                         ERR_UNAUTHORIZED);
    assert_int_equal(ask(&w, "Bearer wrong", NULL, "Internal", &reading, &who), ERR_RATE_LIMITED);
    assert_in_range(who.retry_after_s, 1, AUTH_FAIL_WINDOW_S);
    assert_int_equal(ask(&w, NULL, NULL, "Internal", &reading, &who), ERR_UNAUTHORIZED);
    assert_int_equal(ask(&w, "Bearer read-token-00001", NULL, "Internal", &reading, &who), 0);
    close_world(&w);
}

static void a_ticket_is_for_its_job_alone_and_needs_no_header(void **state)
{
    struct world w, other;
    struct auth_who who;
    char ticket[AUTH_TICKET];
    open_world(&w, false);
    auth_ticket(w.a, "create:1", ticket);
    assert_int_equal(strlen(ticket), AUTH_TICKET - 1);
    assert_int_equal(strspn(ticket, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                    "0123456789-_"),
                     AUTH_TICKET - 1);
    struct auth_need need = {.read = true, .job = "create:1", .sent = ticket};
    assert_int_equal(ask(&w, NULL, NULL, NULL, &need, &who), 0);
    assert_int_equal(who.role, ROLE_TICKET);
    need.job = "create:2";
    assert_int_equal(ask(&w, NULL, NULL, NULL, &need, &who), ERR_UNAUTHORIZED);
    need.job = NULL;
    assert_int_equal(ask(&w, NULL, NULL, NULL, &need, &who), ERR_UNAUTHORIZED);
    assert_true(who.invalid_credential);
    need = (struct auth_need){.read = true, .job = "create:1", .sent = ""};
    assert_int_equal(ask(&w, NULL, NULL, NULL, &need, &who), ERR_UNAUTHORIZED);
    /* A token that came as well is what counts. */
    need.sent = ticket;
    assert_int_equal(ask(&w, "Bearer wrong", NULL, "Internal", &need, &who), ERR_UNAUTHORIZED);
    for (size_t i = 0; i < AUTH_TICKET - 1; i++) {
        char changed[AUTH_TICKET];
        memcpy(changed, ticket, sizeof changed);
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        assert_false(auth_ticket_ok(w.a, "create:1", changed));
    }
    /* Another write token, another ticket. */
    open_world(&other, true);
    assert_false(auth_ticket_ok(other.a, "create:1", ticket));
    close_world(&other);
    close_world(&w);
}

static void failures_are_counted_by_address_for_a_minute(void **state)
{
    static struct auth_fail f;
    auth_fail_init(&f);
    for (int i = 0; i < AUTH_FAIL_MAX; i++)
        assert_int_equal(auth_fail_add(&f, "192.0.2.1", 5000), 0);
    assert_int_equal(auth_fail_add(&f, "192.0.2.1", 5000), 60);
    assert_int_equal(auth_fail_add(&f, "192.0.2.1", 64999), 1);
    assert_int_equal(auth_fail_add(&f, "192.0.2.2", 5000), 0);
    assert_int_equal(auth_fail_add(&f, "192.0.2.1", 65000), 0);
}

static void an_ipv6_network_is_one_address(void **state)
{
    static struct auth_fail f;
    char address[64];
    auth_fail_init(&f);
    for (int i = 0; i < AUTH_FAIL_MAX; i++) {
        (void)snprintf(address, sizeof address, "2001:db8:1:2::%x", i);
        assert_int_equal(auth_fail_add(&f, address, 1), 0);
    }
    assert_true(auth_fail_add(&f, "2001:db8:1:2:ffff::1", 1) > 0);
    assert_int_equal(auth_fail_add(&f, "2001:db8:1:3::1", 1), 0);
}

static void a_flood_of_addresses_costs_no_memory_and_the_oldest_gives_way(void **state)
{
    static struct auth_fail f;
    char address[64];
    auth_fail_init(&f);
    (void)mem_fail_at(0);
    for (unsigned i = 0; i < 100000; i++) {
        (void)snprintf(address, sizeof address, "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
        (void)auth_fail_add(&f, address, i);
    }
    assert_int_equal(mem_fail_at(0), 0);
    size_t used = 0;
    for (size_t i = 0; i < AUTH_FAIL_TABLE; i++)
        used += f.places[i].since_ms > 50000;
    assert_int_equal(used, AUTH_FAIL_TABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_token_has_its_role_and_a_name_that_is_no_secret),
        cmocka_unit_test(without_a_token_nothing_is_said_to_be_wrong_with_it),
        cmocka_unit_test(the_header_is_needed_but_where_a_client_cannot_send_it),
        cmocka_unit_test(the_progress_token_is_the_read_token_and_for_reading_alone),
        cmocka_unit_test(wrong_tokens_past_the_limit_get_429_and_a_right_one_passes),
        cmocka_unit_test(a_ticket_is_for_its_job_alone_and_needs_no_header),
        cmocka_unit_test(failures_are_counted_by_address_for_a_minute),
        cmocka_unit_test(an_ipv6_network_is_one_address),
        cmocka_unit_test(a_flood_of_addresses_costs_no_memory_and_the_oldest_gives_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
