#include "aio_settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static char empty[] = "";

/* What config_load leaves for settings that are unset. */
static struct config unset(void)
{
    return (struct config){.docker_host = empty,
                           .aio_master = empty,
                           .aio_daily = (char[]){"/daily-backup.sh"},
                           .aio_target_roots = empty,
                           .aio_hosts = empty};
}

static bool build(const struct config *c, struct aio_context *out, struct err *e)
{
    static struct aio_settings_kept kept;
    aio_settings_done(&kept);
    return aio_settings_build(c, &kept, out, e);
}

static void an_unset_master_has_aios_own_name_and_an_empty_one_is_none(void **state)
{
    struct aio_context x;
    struct err e = {0};
    struct config c = unset();
    assert_true(build(&c, &x, &e));
    assert_string_equal(x.whitelist.master, AIO_MASTER_NAME);
    c.aio_master_set = true;
    assert_true(build(&c, &x, &e));
    assert_string_equal(x.whitelist.master, "");
}

static void lists_are_cut_and_what_is_wrong_with_them_names_the_setting(void **state)
{
    struct aio_context x;
    struct err e = {0};
    struct config c = unset();
    c.aio_target_roots = (char[]){"/mnt:/srv/b::"};
    c.aio_hosts = (char[]){"one,two"};
    assert_true(build(&c, &x, &e));
    assert_int_equal(x.target_root_count, 2);
    assert_string_equal(x.target_roots[1], "/srv/b");
    assert_int_equal(x.host_count, 2);
    assert_string_equal(x.hosts[0], "one");
    c.aio_target_roots = (char[]){"/mnt:srv"};
    assert_false(build(&c, &x, &e));
    assert_string_equal(e.field, "AIO_TARGET_ROOTS");
    c.aio_target_roots = empty;
    c.aio_hosts = (char[]){"a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q"};
    assert_false(build(&c, &x, &e));
    assert_string_equal(e.field, "AIO_HOSTS");
    struct config none = unset();
    assert_true(build(&none, &x, &e)); /* and frees what the last one kept */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unset_master_has_aios_own_name_and_an_empty_one_is_none),
        cmocka_unit_test(lists_are_cut_and_what_is_wrong_with_them_names_the_setting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
