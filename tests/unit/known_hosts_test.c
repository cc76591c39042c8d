/* The lines of known_hosts, plain and hashed, and what is taken out of them. */
#include "backup/ssh/known_hosts.h"

#include "backup/ssh/known_hosts_hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define KEY \
    "ssh-ed25519 " \
    "AAAAC3NzaC1lZDI1NTE5AAAAIFk5+lpQnzcTXFWL1sospzDtvrwaMy4rBMMd3asINM4m"
#define OTHER \
    "ecdsa-sha2-nistp384 " \
    "AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABhBDl9D4gT13rmpPlt" \
    "27aT8eJx93N/TpJtwlYPDkzwM1W87SAOmb9O9tRTPVmsRfgRh9XNa3MA5odVI50X4v+Z" \
    "McOW8pqiYIer54whsR1ElRZtfiI7sd2ogjqAkbrNzBSVaQ=="

/* Of host.example, by ssh-keygen -H. */
#define HASHED "|1|m+s3CR/6x9TO0alwxjQe3zXNa1U=|gBloqZmDe9/lxkf4i0h5qviL+fU="

static void the_hash_is_hmac_sha1(void **state)
{
    /* RFC 2202, test cases 2 and 3, and a text longer than a block */
    static const unsigned char jefe[] = {0xef, 0xfc, 0xdf, 0x6a, 0xe5, 0xeb, 0x2f,
                                         0xa2, 0xd2, 0x74, 0x16, 0xd5, 0xf1, 0x84,
                                         0xdf, 0x9c, 0x25, 0x9a, 0x7c, 0x79};
    static const unsigned char third[] = {0x12, 0x5d, 0x73, 0x42, 0xb9, 0xac, 0x11,
                                          0xcd, 0x91, 0xa3, 0x9a, 0xf4, 0x8a, 0xa1,
                                          0x7b, 0x4f, 0x63, 0xf1, 0x75, 0xd3};
    unsigned char out[HOST_HASH_BYTES], key[20], text[50];
    host_hash((const unsigned char *)"Jefe", 4, "what do ya want for nothing?", 28, out);
    assert_memory_equal(out, jefe, sizeof out);
    memset(key, 0xaa, sizeof key);
    memset(text, 0xdd, sizeof text);
    host_hash(key, sizeof key, (const char *)text, sizeof text, out);
    assert_memory_equal(out, third, sizeof out);
}

static bool names(const char *line, const char *name)
{
    struct known_line l;
    size_t at = 0;
    assert_true(known_hosts_line(line, strlen(line), &at, &l));
    assert_int_equal(at, strlen(line));
    return known_hosts_names(&l, name);
}

static void a_host_is_found_by_its_name_alone(void **state)
{
    assert_true(names("host " KEY "\n", "host"));
    assert_true(names("a,HOST,b " KEY " c", "host"));
    assert_true(names("[host]:2222 " KEY, "[host]:2222"));
    assert_true(names(HASHED " " KEY, "host.example"));
    assert_false(names(HASHED " " KEY, "host.exampl"));
    assert_false(names("host2 " KEY, "host"));
    assert_false(names("*.example " KEY, "host.example"));
    assert_false(names("# host " KEY, "host"));
    assert_false(names("host ssh-rsa nothing", "host"));
    assert_false(names("|1|x|y " KEY, "host"));
    assert_false(names("|1| " KEY, "host"));
    assert_false(names("\n", "host"));
}

static void a_name_is_written_as_ssh_looks_it_up(void **state)
{
    char name[KNOWN_HOST_NAME];
    struct err e = {0};
    assert_true(known_hosts_name("Host.Example", 22, name, &e));
    assert_string_equal(name, "host.example");
    assert_true(known_hosts_name("::1", 2222, name, &e));
    assert_string_equal(name, "[::1]:2222");
    static const char *const bad[] = {"",    "-x", "a b", "a,b", "a\nb",
                                      "[a]", "*",  "!a",  "u@h", "|1|"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(known_hosts_name(bad[i], 0, name, &e));
        assert_string_equal(e.field, "host");
    }
}

static void without(const char *before, const char *type, size_t changed, const char *after)
{
    struct buf b;
    buf_init(&b, KNOWN_HOSTS_FILE);
    assert_int_equal(known_hosts_without(before, strlen(before), "host", type, &b), changed);
    assert_string_equal(buf_str(&b), after);
    buf_done(&b);
}

static void only_the_host_goes_and_every_other_byte_stays(void **state)
{
    without("# c\n\n host " KEY " x\r\nother " KEY, NULL, 1, "# c\n\nother " KEY);
    without("a,host,b " KEY "\n", NULL, 1, "a,b " KEY "\n");
    without("host,host2\t" KEY " c\n", NULL, 1, "host2\t" KEY " c\n");
    without("host " KEY "\nhost " OTHER "\n", "ssh-ed25519", 1, "host " OTHER "\n");
    without("@revoked host " KEY "\n", NULL, 0, "@revoked host " KEY "\n");
    without("broken host\nhost nothing", NULL, 0, "broken host\nhost nothing");
    without("", NULL, 0, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_hash_is_hmac_sha1),
        cmocka_unit_test(a_host_is_found_by_its_name_alone),
        cmocka_unit_test(a_name_is_written_as_ssh_looks_it_up),
        cmocka_unit_test(only_the_host_goes_and_every_other_byte_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
