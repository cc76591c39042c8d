#include "control_case.h"

#include "backup/control/control_link.h"
#include "limits.h"

#include <fcntl.h>
#include <sys/socket.h>

struct talk {
    struct control_case t;
    struct control_link link;
};

static void open_talk(struct talk *k)
{
    case_init_fake(&k->t, FAKE_BORG);
    case_open(&k->t);
    char name[600];
    (void)snprintf(name, sizeof name, "%s/s", control_dir(k->t.control));
    assert_int_equal(setenv("BORGMATIC_API_CONTROL", name, 1), 0);
    control_set_leader(k->t.control, getppid()); /* our parent: we are its borg */
    assert_true(control_link_open(&k->link));
}

static void turn(struct talk *k)
{
    for (int i = 0; i < 5; i++)
        (void)uv_run(&k->t.loop, UV_RUN_NOWAIT);
}

static void say(struct talk *k, const char *bytes, size_t n)
{
    assert_int_equal(send(k->link.fd, bytes, n, MSG_NOSIGNAL), n);
    turn(k);
}

static bool is_closed(struct talk *k)
{
    char c[CONTROL_MSG];
    ssize_t n;
    while ((n = recv(k->link.fd, c, sizeof c, MSG_DONTWAIT)) > 0)
        ;
    return n == 0;
}

static void close_talk(struct talk *k)
{
    control_link_close(&k->link);
    turn(k);
    case_done(&k->t);
}

#define SAY(k, text) say(k, text, sizeof(text) - 1)

static void whoever_breaks_the_protocol_is_sent_away(void **state)
{
    static const struct {
        const char *first, *second;
        size_t n, m;
    } bad[] = {
#define BAD(a, b) {a, b, sizeof(a) - 1, sizeof(b) - 1}
        BAD("\xff", ""),                            /* no message */
        BAD("\x05\1\0\0\0", ""),                    /* started before hello */
        BAD("\x03{}", ""),                          /* a line before hello */
        BAD("\x04x", ""),                           /* text before hello */
        BAD("\x06\0\0\0\0\0\0\0\0", ""),            /* an end before hello */
        BAD("\x07\0", ""),                          /* environment out of record mode */
        BAD("\x08p", ""),                           /* a secret likewise */
        BAD("\x02\1\0", ""),                        /* an answer to the daemon */
        BAD("\x01\1\1a\0", "\x01\2\0b\0"),          /* two kinds in one hello */
        BAD("\x01\1\0a\0", "\x01\1\0a\0"),          /* two hellos */
        BAD("\x01\1\0a\0", "\x07\0"),               /* environment in run mode */
        BAD("\x01\1\0a\0", "\x08p"),                /* a secret in run mode */
        BAD("\x01\1\0a\0", "\x06\0\0\0\0\0\0\0\0"), /* an end without a start */
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct talk k;
        open_talk(&k);
        say(&k, bad[i].first, bad[i].n);
        if (bad[i].m) {
            assert_false(is_closed(&k));
            say(&k, bad[i].second, bad[i].m);
        }
        if (!is_closed(&k))
            fail_msg("row %zu was borne", i);
        assert_int_equal(k.t.starts, 0);
        close_talk(&k);
    }
}

static void lines_are_messages_or_text_and_a_vanished_peer_was_killed(void **state)
{
    struct talk k;
    open_talk(&k);
    SAY(&k, "\x01\1\0borg\0create\0");
    struct control_orders o;
    assert_true(control_link_orders(&k.link, &o));
    assert_int_equal(o.mode, CONTROL_RUN);
    assert_int_equal(o.fd, -1);
    assert_string_equal(o.borg, k.t.fake);
    SAY(&k, "\x05\1\0\0\0");
    assert_int_equal(k.t.starts, 1);
    SAY(&k, "\x03{\"type\": \"log_message\", \"message\": \"m\"}");
    SAY(&k, "\x03{broken");
    SAY(&k, "\x03[1]");
    SAY(&k, "\x04some text");
    assert_int_equal(json_array_size(k.t.messages), 1);
    assert_string_equal(buf_str(&k.t.texts), "{broken\n[1]\nsome text\n");
    control_link_close(&k.link);
    turn(&k);
    assert_int_equal(k.t.exits, 1);
    assert_int_equal(k.t.exit_signals[0], SIGKILL);
    close_talk(&k);
}

static void free_in_callback(void *arg, const struct control_run *run, const json_t *message)
{
    struct control_case *t = arg;
    control_free(t->control);
    t->control = NULL;
    assert_string_equal(run->argv[0], "borg");
}

static void the_control_may_be_freed_from_its_own_callback(void **state)
{
    struct talk k;
    case_init_fake(&k.t, FAKE_BORG);
    k.t.spec.on_message = free_in_callback;
    case_open(&k.t);
    char name[700], dir[600];
    (void)snprintf(dir, sizeof dir, "%s", control_dir(k.t.control));
    (void)snprintf(name, sizeof name, "%s/s", dir);
    assert_int_equal(setenv("BORGMATIC_API_CONTROL", name, 1), 0);
    control_set_leader(k.t.control, getppid());
    assert_true(control_link_open(&k.link));
    SAY(&k, "\x01\1\0borg\0create\0");
    SAY(&k, "\x05\1\0\0\0");
    SAY(&k, "\x03{\"type\": \"x\"}");
    assert_true(is_closed(&k));
    assert_int_equal(k.t.exits, 0);
    assert_int_equal(access(dir, F_OK), -1);
    close_talk(&k);
}

static void the_passphrase_comes_through_a_pipe_of_its_own(void **state)
{
    struct talk k;
    case_init_fake(&k.t, FAKE_BORG);
    struct secret *s = secret_new("p w\xc3\xa9", 5);
    k.t.spec.borg_passphrase = s;
    case_open(&k.t);
    char name[600], got[64];
    (void)snprintf(name, sizeof name, "%s/s", control_dir(k.t.control));
    assert_int_equal(setenv("BORGMATIC_API_CONTROL", name, 1), 0);
    control_set_leader(k.t.control, getppid());
    for (int i = 0; i < 3; i++) {
        struct control_orders o;
        assert_true(control_link_open(&k.link));
        SAY(&k, "\x01\1\0borg\0");
        assert_true(control_link_orders(&k.link, &o));
        assert_true(o.fd >= 3);
        assert_int_equal(fcntl(o.fd, F_GETFD), FD_CLOEXEC);
        assert_int_equal(read(o.fd, got, sizeof got), 5);
        assert_memory_equal(got, "p w\xc3\xa9", 5);
        assert_int_equal(read(o.fd, got, sizeof got), 0);
        (void)close(o.fd);
        control_link_close(&k.link);
        turn(&k);
    }
    close_talk(&k);
    secret_free(s);
}

static void a_passphrase_beyond_the_bound_is_refused(void **state)
{
    static char long_one[LIMIT_SECRET + 1];
    struct control_case t;
    struct err e = {0};
    case_init_fake(&t, FAKE_BORG);
    memset(long_one, 'x', sizeof long_one);
    struct secret *s = secret_new(long_one, sizeof long_one);
    t.spec.ssh_passphrase = s;
    t.spec.state_dir = t.state;
    assert_null(control_new(&t.loop, &t.spec, &e));
    assert_int_equal(e.code, ERR_INVALID_SECRETS);
    t.spec.ssh_passphrase = NULL;
    t.spec.state_dir = "/proc/nowhere";
    assert_null(control_new(&t.loop, &t.spec, &e));
    assert_int_equal(e.code, ERR_INTERNAL);
    case_done(&t);
    secret_free(s);
}

int main(int argc, char **argv)
{
    int small = control_case_main(argc, argv);
    if (small >= 0)
        return small;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whoever_breaks_the_protocol_is_sent_away),
        cmocka_unit_test(lines_are_messages_or_text_and_a_vanished_peer_was_killed),
        cmocka_unit_test(the_control_may_be_freed_from_its_own_callback),
        cmocka_unit_test(the_passphrase_comes_through_a_pipe_of_its_own),
        cmocka_unit_test(a_passphrase_beyond_the_bound_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
