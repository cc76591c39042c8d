#include "http/addr.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct http_addrs table;

union address {
    struct sockaddr sa;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static union address address(const char *text)
{
    union address a = {0};
    if (inet_pton(AF_INET, text, &a.v4.sin_addr) == 1) {
        a.v4.sin_family = AF_INET;
        return a;
    }
    a.v6.sin6_family = AF_INET6;
    assert_int_equal(inet_pton(AF_INET6, text, &a.v6.sin6_addr), 1);
    return a;
}

static struct http_addr *get(const char *text)
{
    union address a = address(text);
    return http_addr_get(&table, &a.sa);
}

static int start(void **state)
{
    assert_true(sodium_init() >= 0);
    http_addrs_init(&table);
    return 0;
}

/* Nothing may be left in the table. */
static int stop(void **state)
{
    for (size_t i = 0; i < HTTP_ADDR_BUCKETS; i++)
        assert_null(table.bucket[i]);
    return 0;
}

static void connections_of_one_address_are_counted_together(void **state)
{
    struct http_addr *a = get("192.0.2.7"), *b = get("192.0.2.7"), *c = get("192.0.2.8");
    assert_ptr_equal(a, b);
    assert_ptr_not_equal(a, c);
    assert_int_equal(a->conns, 2);
    http_addr_put(&table, a);
    assert_int_equal(b->conns, 1);
    http_addr_put(&table, b);
    http_addr_put(&table, c);
}

static void ipv6_is_counted_by_its_network(void **state)
{
    struct http_addr *a = get("2001:db8:1:2::1"), *b = get("2001:db8:1:2:ffff::9"),
                     *c = get("2001:db8:1:3::1");
    assert_ptr_equal(a, b);
    assert_ptr_not_equal(a, c);
    http_addr_put(&table, a);
    http_addr_put(&table, b);
    http_addr_put(&table, c);
}

static void ipv4_inside_ipv6_is_ipv4(void **state)
{
    struct http_addr *a = get("::ffff:192.0.2.7"), *b = get("192.0.2.7"), *loop = get("::1"),
                     *unix_peers = http_addr_get(&table, NULL);
    assert_ptr_equal(a, b);
    assert_ptr_not_equal(a, loop);
    assert_ptr_not_equal(loop, unix_peers);
    http_addr_put(&table, a);
    http_addr_put(&table, b);
    http_addr_put(&table, loop);
    http_addr_put(&table, unix_peers);
}

static void addresses_are_written_as_people_do(void **state)
{
    static const char *const rows[][2] = {
        {"192.0.2.7", "192.0.2.7"},
        {"::ffff:192.0.2.7", "192.0.2.7"},
        {"::1", "::1"},
        {"2001:db8::a", "2001:db8::a"},
    };
    char text[46];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        union address a = address(rows[i][0]);
        http_addr_text(&a.sa, text, sizeof text);
        assert_string_equal(text, rows[i][1]);
    }
    http_addr_text(NULL, text, sizeof text);
    assert_string_equal(text, "unix");
}

static void thousands_of_addresses_come_and_go(void **state)
{
    enum { N = 20000 };
    static struct http_addr *all[N];
    for (int i = 0; i < N; i++) {
        char text[32];
        (void)snprintf(text, sizeof text, "10.%d.%d.%d", i >> 16, i >> 8 & 255, i & 255);
        all[i] = get(text);
        assert_int_equal(all[i]->conns, 1);
    }
    for (int i = 0; i < N; i++)
        http_addr_put(&table, all[i]);
}

static void no_memory_is_told(void **state)
{
    (void)mem_fail_at(1);
    assert_null(get("192.0.2.7"));
    (void)mem_fail_at(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(connections_of_one_address_are_counted_together, start,
                                        stop),
        cmocka_unit_test_setup_teardown(ipv6_is_counted_by_its_network, start, stop),
        cmocka_unit_test_setup_teardown(ipv4_inside_ipv6_is_ipv4, start, stop),
        cmocka_unit_test_setup_teardown(addresses_are_written_as_people_do, start, stop),
        cmocka_unit_test_setup_teardown(thousands_of_addresses_come_and_go, start, stop),
        cmocka_unit_test_setup_teardown(no_memory_is_told, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
