#include "aio/look/hosts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct aio_context context = {
    .whitelist = {.master = "my-master"},
    .hosts = {" cloud.lan ", "192.0.2.7", "[2001:db8::7]"},
    .host_count = 3,
};

static void aio_and_ourselves_and_named_hosts_are_allowed(void **state)
{
    static const char *const names[] = {
        "nextcloud-aio-apache",
        "nextcloud-aio-borgbackup-viewer",
        "my-master",
        "localhost",
        "LocalHost",
        "127.0.0.1",
        "127.8.9.1",
        "::1",
        "cloud.lan",
        "CLOUD.lan",
        "192.0.2.7",
        "2001:DB8::7",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_true(aio_host_allowed(&context, names[i], NULL));
    assert_true(aio_host_allowed(&context, "My.Domain", "my.domain"));
}

static void every_other_host_is_not(void **state)
{
    static const char *const names[] = {
        "",
        "nextcloud-aio-",
        "nextcloud-aio-apache.evil.example",
        "nextcloud-aio-Apache",
        "xnextcloud-aio-apache",
        "127.1",
        "127.0.0.01",
        "127.0.0.1.",
        "0127.0.0.1",
        "0x7f000001",
        "2130706433",
        "0",
        "0.0.0.0",
        "::",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "0:0:0:0:0:ffff:7f00:1",
        "localhost.",
        "localhost.evil.example",
        "169.254.169.254",
        "cloud.lan.evil",
        "loud.lan",
        "192.0.2.70",
        "2001:db8::8",
        "my.domain",
        "my-master2",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_false(aio_host_allowed(&context, names[i], NULL));
    assert_false(aio_host_allowed(&context, "", ""));
    assert_false(aio_host_allowed(&context, "other.domain", "my.domain"));
}

static void an_address_is_taken_apart(void **state)
{
    struct base_url u;
    struct err e;
    assert_true(base_url_parse("https://Cloud.Lan/nextcloud/", &u, &e));
    assert_true(u.tls);
    assert_string_equal(u.host, "Cloud.Lan");
    assert_int_equal(u.port, 443);
    assert_string_equal(u.path, "/nextcloud");
    assert_true(base_url_parse("HTTP://[::1]:8080", &u, &e));
    assert_false(u.tls);
    assert_string_equal(u.host, "::1");
    assert_int_equal(u.port, 8080);
    assert_string_equal(u.path, "");
    assert_true(base_url_parse("http://nextcloud-aio-apache:11000/a/b.c", &u, &e));
    assert_int_equal(u.port, 11000);
    assert_string_equal(u.path, "/a/b.c");
}

static void anything_beside_host_port_and_path_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "cloud.lan",
        "//cloud.lan",
        "file:///etc/passwd",
        "ftp://cloud.lan",
        "gopher://127.0.0.1:6379/_x",
        "http:/cloud.lan",
        "http://",
        "http:///x",
        "http://:80",
        "http://-x",
        "http://user@cloud.lan",
        "http://user:pass@cloud.lan",
        "http://cloud.lan@evil.example",
        "http://cloud.lan:80@evil.example",
        "http://cloud.lan\\@evil.example",
        "http://evil.example#cloud.lan",
        "http://cloud.lan#",
        "http://cloud.lan?x",
        "http://cloud.lan/?x=1",
        "http://cloud.lan/#x",
        "http://cloud.lan/%2e%2e/",
        "http://cloud.lan/../x",
        "http://cloud.lan/x/..",
        "http://cloud.lan/./x",
        "http://cloud.lan//x",
        "http://cloud.lan/a b",
        "http://cloud.lan/a\\b",
        "http://cloud.lan:",
        "http://cloud.lan:0",
        "http://cloud.lan:65536",
        "http://cloud.lan:999999",
        "http://cloud.lan:80x",
        "http://cloud.lan:8 0",
        "http://[::1",
        "http://::1/",
        "http://[::1]x",
        "http://[fe80::1%eth0]/",
        "http://[127.0.0.1]/",
        "http://cloud.lan%00.evil/",
        " http://cloud.lan",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct base_url u;
        struct err e = {0};
        assert_false(base_url_parse(texts[i], &u, &e));
        assert_int_equal(e.code, ERR_BAD_REQUEST);
        assert_string_equal(e.field, "base_url");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aio_and_ourselves_and_named_hosts_are_allowed),
        cmocka_unit_test(every_other_host_is_not),
        cmocka_unit_test(an_address_is_taken_apart),
        cmocka_unit_test(anything_beside_host_port_and_path_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
