#include "backup/control/shim_args.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void the_command_line_gains_what_the_command_knows(void **state)
{
    static const struct {
        const char *in[8], *out[12];
        bool stats;
    } rows[] = {
        {{"borg", "create", "r::a", "x"},
         {"B", "--log-json", "--progress", "create", "--stats", "r::a", "x"},
         true},
        {{"borg", "--lock-wait", "5", "create", "-n", "r::a"},
         {"B", "--log-json", "--progress", "--lock-wait", "5", "create", "-n", "r::a"},
         false},
        {{"borg", "create", "--json", "r::a"},
         {"B", "--log-json", "--progress", "create", "--json", "r::a"},
         false},
        {{"borg", "create", "-sp", "--log-json", "r::a"},
         {"B", "create", "-sp", "--log-json", "r::a"},
         false},
        {{"borg", "create", "--", "--stats", "--dry-run"},
         {"B", "--log-json", "--progress", "create", "--stats", "--", "--stats", "--dry-run"},
         true},
        {{"borg", "create", "-C", "lz4", "r::a"},
         {"B", "--log-json", "--progress", "create", "--stats", "-C", "lz4", "r::a"},
         true},
        {{"borg", "prune", "--keep-daily", "7", "r"},
         {"B", "--log-json", "--progress", "prune", "--keep-daily", "7", "r"},
         false},
        {{"borg", "list", "r"}, {"B", "--log-json", "list", "r"}, false},
        {{"borg", "break-lock", "r"}, {"B", "--log-json", "break-lock", "r"}, false},
        {{"borg", "umount", "/m"}, {"B", "umount", "/m"}, false},
        {{"borg", "create", "--help"}, {"B", "create", "--help"}, false},
        {{"borg", "-h"}, {"B", "-h"}, false},
        {{"borg"}, {"B"}, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *in[8] = {0}, name[] = "B";
        struct shim_args a;
        for (size_t k = 0; k < 8 && rows[i].in[k]; k++)
            in[k] = mem_strdup(rows[i].in[k]);
        assert_true(shim_args_make(in, name, &a));
        size_t k = 0;
        for (; rows[i].out[k]; k++)
            assert_string_equal(a.argv[k] ? a.argv[k] : "(end)", rows[i].out[k]);
        assert_null(a.argv[k]);
        assert_int_equal(a.added_stats, rows[i].stats);
        shim_args_done(&a);
        for (k = 0; k < 8; k++)
            mem_free(in[k]);
    }
}

static void only_ssh_gets_ssh_options(void **state)
{
    static const struct {
        const char *rsh;
        bool ssh;
    } rows[] = {
        {NULL, true},
        {"", true},
        {"ssh", true},
        {"  ssh -v", true},
        {"'/a b/ssh' -v", true},
        {"\"ssh\"", true},
        {"sshpass ssh", false},
        {"/opt/ssh-wrapper", false},
        {"sudo ssh", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *got = shim_args_rsh(rows[i].rsh);
        assert_int_equal(got != NULL, rows[i].ssh);
        if (got)
            assert_non_null(strstr(got, " -o StrictHostKeyChecking=yes"));
        mem_free(got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_command_line_gains_what_the_command_knows),
        cmocka_unit_test(only_ssh_gets_ssh_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
