#include "aio/look/service_read.h"
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static json_t *apache(const char *env, const char *network)
{
    char text[1024];
    struct err e;
    (void)snprintf(text, sizeof text, "{\"Config\":{\"Env\":[%s]},\"NetworkSettings\":{%s}}", env,
                   network);
    json_t *v = json_parse(text, strlen(text), &e);
    assert_non_null(v);
    return v;
}

static int port(const char *env)
{
    json_t *v = apache(env, "");
    int got = service_port(v);
    json_decref(v);
    return got;
}

static void the_port_is_apaches(void **state)
{
    assert_int_equal(port("\"APACHE_PORT=11000\""), 11000);
    assert_int_equal(port(""), 443);
    assert_int_equal(port("\"APACHE_PORT=\""), 443);
    assert_int_equal(port("\"APACHE_PORT=70000\""), 443);
    assert_int_equal(port("\"APACHE_PORT=11000x\""), 443);
    assert_true(service_port_is_tls(443));
    assert_false(service_port_is_tls(11000));
}

static void the_name_is_what_apache_was_told(void **state)
{
    json_t *v = apache("\"NC_DOMAIN=cloud.example.org\"", "");
    assert_string_equal(service_domain(v), "cloud.example.org");
    json_decref(v);
    v = apache("", "");
    assert_string_equal(service_domain(v), "");
    json_decref(v);
}

static void it_may_answer_in_many_places(void **state)
{
    struct aio_context x = {.hosts = {"cloud.example.org", "10.0.0.9"}, .host_count = 2};
    struct service_hosts h;
    json_t *v = apache("", "\"Networks\":{\"nextcloud-aio\":{\"IPAddress\":\"172.18.0.5\"},"
                           "\"none\":{\"IPAddress\":\"\"}},"
                           "\"Ports\":{\"443/tcp\":[{\"HostIp\":\"0.0.0.0\"},{\"HostIp\":\"::\"},"
                           "{\"HostIp\":\"10.0.0.9\"}],\"443/udp\":[{\"HostIp\":\"9.9.9.9\"}],"
                           "\"80/tcp\":null}");
    service_hosts(v, 443, &x, &h);
    static const char *const expected[] = {"172.18.0.5", "nextcloud-aio-apache", "10.0.0.9",
                                           "127.0.0.1", "cloud.example.org"};
    assert_int_equal(h.count, 5);
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(h.at[i], expected[i]);
    json_decref(v);

    v = apache("", "");
    service_hosts(v, 443, &(struct aio_context){0}, &h);
    assert_int_equal(h.count, 2);
    json_decref(v);
}

static bool status(const char *text, struct aio_service *s)
{
    *s = (struct aio_service){0};
    return service_read_status(text, strlen(text), s);
}

static void status_php(void **state)
{
    struct aio_service s;
    assert_true(status("{\"installed\":true,\"maintenance\":false,\"needsDbUpgrade\":false,"
                       "\"version\":\"31.0.0.1\",\"versionstring\":\"31.0.0\"}",
                       &s));
    assert_true(s.installed);
    assert_false(s.maintenance);
    assert_string_equal(s.version, "31.0.0");
    assert_true(status("{\"installed\":true,\"maintenance\":true,\"needsDbUpgrade\":true}", &s));
    assert_true(s.maintenance && s.needs_upgrade);
    assert_false(status("{\"installed\":\"yes\"}", &s));
    assert_false(status("<html>", &s));
    assert_false(status("[]", &s));
    assert_false(status("", &s));
}

static void it_serves_only_when_all_of_it_does(void **state)
{
    const struct aio_service all = {
        .containers = true, .port = true, .status = true, .installed = true};
    assert_true(aio_service_up(&all));
    struct aio_service s = all;
    s.containers = false;
    assert_false(aio_service_up(&s));
    s = all;
    s.port = false;
    assert_false(aio_service_up(&s));
    s = all;
    s.status = false;
    assert_false(aio_service_up(&s));
    s = all;
    s.installed = false;
    assert_false(aio_service_up(&s));
    s = all;
    s.maintenance = true;
    assert_false(aio_service_up(&s));
    s = all;
    s.needs_upgrade = true;
    assert_false(aio_service_up(&s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_port_is_apaches),
        cmocka_unit_test(the_name_is_what_apache_was_told),
        cmocka_unit_test(it_may_answer_in_many_places),
        cmocka_unit_test(status_php),
        cmocka_unit_test(it_serves_only_when_all_of_it_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
