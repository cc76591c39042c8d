/* What public and private key files say. */
#include "backup/ssh/sshkey_text.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define ED25519 \
    "ssh-ed25519 " \
    "AAAAC3NzaC1lZDI1NTE5AAAAIFk5+lpQnzcTXFWL1sospzDtvrwaMy4rBMMd3asINM4m"
#define ECDSA \
    "ecdsa-sha2-nistp384 " \
    "AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABhBDl9D4gT13rmpPlt" \
    "27aT8eJx93N/TpJtwlYPDkzwM1W87SAOmb9O9tRTPVmsRfgRh9XNa3MA5odVI50X4v+Z" \
    "McOW8pqiYIer54whsR1ElRZtfiI7sd2ogjqAkbrNzBSVaQ=="

static bool parse(const char *line, struct sshkey_public *out)
{
    return sshkey_public_parse(line, strlen(line), out);
}

static void a_public_line_tells_type_size_fingerprint_and_comment(void **state)
{
    struct sshkey_public k;
    char line[SSHKEY_LINE];
    assert_true(parse(ED25519 " a b \r", &k));
    assert_string_equal(k.type, "ssh-ed25519");
    assert_int_equal(k.bits, 256);
    assert_string_equal(k.fingerprint, "SHA256:FB4I+CjBeOs/RuQUhuvUUQ6RVMygWxAiResZATAzf10");
    assert_string_equal(k.comment, "a b");
    assert_true(sshkey_public_write(&k, line, sizeof line));
    assert_string_equal(line, ED25519);
    assert_false(sshkey_public_write(&k, line, sizeof ED25519 - 1));
    assert_true(parse(ECDSA, &k));
    assert_int_equal(k.bits, 384);
    assert_string_equal(k.fingerprint, "SHA256:t2BgbfEjrzOg0WzzMJbNXdxQJDCwpPQ9snaz25NzPho");
    assert_string_equal(k.comment, "");
}

static void what_is_no_public_line_is_refused(void **state)
{
    struct sshkey_public k;
    static const char *const bad[] = {
        "",
        " ",
        "ssh-ed25519",
        "ssh-ed25519 ",
        "ssh-ed25519 AAAA",
        "ssh-ed25519 !!!!",
        "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIFk5+lpQnzcTXFWL1sospzDtvrwaMy4rBMMd3asINM4m",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFk5+lpQnzcTXFWL1sospzDtvrwaMy4rBMMd3asINM4",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5",
        "command=\"x\" " ED25519,
        ED25519 " a\x01b",
        "AAAA " ED25519,
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(parse(bad[i], &k));
}

/* ---- private files, as ssh-keygen makes them ---- */

static char folder[] = "/tmp/sshkey_text.XXXXXX";

static void keygen(const char *name, const char *type, const char *pass, const char *format)
{
    char path[96];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    pid_t pid = fork();
    if (pid == 0) {
        /* -b is for rsa alone, whose larger keys take their time */
        execlp("ssh-keygen", "ssh-keygen", "-q", "-t", type, "-b", "2048", "-m", format, "-N", pass,
               "-C", "t", "-f", path, (char *)NULL);
        _exit(127);
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void read_file(const char *name, struct buf *b)
{
    char path[96], chunk[4096];
    size_t n;
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    buf_init(b, SSHKEY_FILE);
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
        (void)buf_append(b, chunk, n);
    (void)fclose(f);
    (void)unlink(path);
}

static void a_private_file_tells_its_public_key_and_whether_it_is_protected(void **state)
{
    static const struct {
        const char *type, *pass, *format;
        bool known; /* which public key it belongs to */
    } rows[] = {{"ed25519", "", "RFC4716", true},   {"ed25519", "secret", "RFC4716", true},
                {"rsa", "secret", "RFC4716", true}, {"rsa", "", "PEM", false},
                {"rsa", "secret", "PEM", false},    {"rsa", "secret", "PKCS8", false},
                {"rsa", "", "PKCS8", false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf text, pub;
        struct sshkey_private k;
        struct sshkey_public p;
        keygen("k", rows[i].type, rows[i].pass, rows[i].format);
        read_file("k", &text);
        read_file("k.pub", &pub);
        assert_true(sshkey_private_parse(buf_str(&text), text.n, &k));
        assert_int_equal(k.encrypted, rows[i].pass[0] != '\0');
        assert_true(sshkey_public_parse(buf_str(&pub), pub.n - 1, &p));
        assert_int_equal(sshkey_same(&k.pub, &p), rows[i].known);
        for (size_t n = 0; n < text.n && rows[i].known; n++)
            (void)sshkey_private_parse(buf_str(&text), n, &k); /* cut anywhere */
        assert_int_equal(sshkey_private_parse(buf_str(&text), 40, &k), !rows[i].known);
        buf_wipe(&text);
        buf_done(&pub);
    }
}

static void what_is_no_private_file_is_refused(void **state)
{
    struct sshkey_private k;
    static const char *const bad[] = {
        "",
        "-----BEGIN ",
        "-----BEGIN CERTIFICATE-----\nAAAA\n",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
        "-----BEGIN OPENSSH PRIVATE KEY-----\n",
        ED25519};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(sshkey_private_parse(bad[i], strlen(bad[i]), &k));
}

static int setup(void **state)
{
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_public_line_tells_type_size_fingerprint_and_comment),
        cmocka_unit_test(what_is_no_public_line_is_refused),
        cmocka_unit_test(a_private_file_tells_its_public_key_and_whether_it_is_protected),
        cmocka_unit_test(what_is_no_private_file_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
