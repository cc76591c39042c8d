#include "backup/control/control_msg.h"

#include "limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static char big[CONTROL_MSG + 64];

static const struct control_msg samples[] = {
    {.type = CONTROL_HELLO,
     .kind = CONTROL_KIND_BORG,
     .more = true,
     .rest = "borg\0create\0\0r::a\0",
     .n = 18},
    {.type = CONTROL_HELLO, .kind = CONTROL_KIND_ASKPASS, .rest = "", .n = 0},
    {.type = CONTROL_ANSWER, .mode = CONTROL_RUN, .fd = true, .rest = "/usr/bin/borg", .n = 13},
    {.type = CONTROL_ANSWER, .mode = CONTROL_UNTOUCHED, .rest = "", .n = 0},
    {.type = CONTROL_ANSWER, .mode = CONTROL_REFUSED, .rest = "", .n = 0},
    {.type = CONTROL_JSON, .rest = "{\"type\": \"x\"}", .n = 13},
    {.type = CONTROL_TEXT, .rest = "a\0b", .n = 3},
    {.type = CONTROL_STARTED, .pid = 4194304, .rest = ""},
    {.type = CONTROL_EXIT, .code = 255, .signal = 15, .rest = ""},
    {.type = CONTROL_ENV, .more = false, .rest = "BORG_RSH=ssh\0", .n = 13},
    {.type = CONTROL_PASSPHRASE, .rest = "p\0w", .n = 3},
};
enum { SAMPLES = sizeof samples / sizeof *samples };

static void every_message_comes_back_as_it_was(void **state)
{
    for (size_t i = 0; i < SAMPLES; i++) {
        const struct control_msg *a = &samples[i];
        struct control_msg b;
        struct buf out;
        buf_init(&out, CONTROL_MSG);
        assert_true(control_msg_encode(a, &out));
        assert_true(control_msg_decode(out.p, out.n, &b));
        assert_int_equal(a->type, b.type);
        assert_int_equal(a->kind, b.kind);
        assert_int_equal(a->mode, b.mode);
        assert_int_equal(a->more, b.more);
        assert_int_equal(a->fd, b.fd);
        assert_int_equal(a->pid, b.pid);
        assert_int_equal(a->code, b.code);
        assert_int_equal(a->signal, b.signal);
        assert_int_equal(a->n, b.n);
        assert_memory_equal(a->rest, b.rest, a->n);
        buf_done(&out);
    }
}

static void the_strings_of_a_hello_are_walked_one_by_one(void **state)
{
    const char *const want[] = {"borg", "create", "", "r::a", NULL};
    size_t i = 0;
    for (const char *at = control_msg_next(&samples[0], NULL); at;
         at = control_msg_next(&samples[0], at))
        assert_string_equal(at, want[i++]);
    assert_int_equal(i, 4);
    assert_null(control_msg_next(&samples[1], NULL));
}

static void a_message_cut_short_in_its_fixed_part_is_refused(void **state)
{
    for (size_t i = 0; i < SAMPLES; i++) {
        struct buf out;
        struct control_msg m;
        buf_init(&out, CONTROL_MSG);
        assert_true(control_msg_encode(&samples[i], &out));
        for (size_t n = 0; n + samples[i].n < out.n; n++) {
            char *exact = n ? memcpy(big, out.p, n) : big;
            assert_int_equal(control_msg_decode(exact, n, &m),
                             n > 0 && (exact[0] == CONTROL_JSON || exact[0] == CONTROL_TEXT ||
                                       exact[0] == CONTROL_PASSPHRASE));
        }
        buf_done(&out);
    }
}

static void assert_refused(const char *bytes, size_t n)
{
    struct control_msg m;
    if (control_msg_decode(bytes, n, &m))
        fail_msg("a message of type %d and %zu bytes was taken", bytes[0], n);
}

static void what_is_out_of_range_or_too_long_is_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
    } bad[] = {
        {"", 0},
        {"\0", 1},
        {"\x09", 1},
        {"\xff", 1},
        {"\x01\x00\x00", 3}, /* hello of nobody */
        {"\x01\x03\x00", 3}, /* of a kind that is not */
        {"\x01\x01\x02", 3}, /* a flag that is neither */
        {"\x01\x01\x00"
         "borg",
         7},                                 /* a string without its end */
        {"\x02\x00\x00", 3},                 /* no such mode */
        {"\x02\x05\x00", 3},                 /* no such mode */
        {"\x02\x02\x01/bo\0rg", 9},          /* a path with a NUL */
        {"\x05\0\0\0\0", 5},                 /* pid 0 */
        {"\x05\xff\xff\xff\xff", 5},         /* pid −1 */
        {"\x05\1\0\0\0\0", 6},               /* something behind */
        {"\x06\0\1\0\0\0\0\0\0", 9},         /* code 256 */
        {"\x06\xff\xff\xff\xff\0\0\0\0", 9}, /* code −1 */
        {"\x06\0\0\0\0\x41\0\0\0", 9},       /* signal 65 */
        {"\x06\0\0\0\0\xff\xff\xff\xff", 9}, /* signal −1 */
        {"\x06\0\0\0\0\0\0\0\0\0", 10},      /* something behind */
        {"\x07\x02", 2},                     /* a flag that is neither */
        {"\x07\x00"
         "A=b",
         5}, /* a string without its end */
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_refused(bad[i].bytes, bad[i].n);
    memset(big, 'x', sizeof big);
    big[0] = CONTROL_JSON;
    assert_refused(big, 1 + LIMIT_LINE + 1);
    big[0] = CONTROL_PASSPHRASE;
    assert_refused(big, 1 + LIMIT_SECRET + 1);
    big[0] = CONTROL_HELLO;
    big[1] = CONTROL_KIND_BORG;
    big[2] = 0;
    big[3 + CONTROL_REST_MAX] = '\0';
    assert_refused(big, 3 + CONTROL_REST_MAX + 1);
}

static void nothing_is_written_of_a_message_that_would_not_be_read(void **state)
{
    static const struct control_msg bad[] = {
        {.type = CONTROL_TYPES, .rest = ""},
        {.rest = ""}, /* no type at all */
        {.type = CONTROL_HELLO, .rest = ""},
        {.type = CONTROL_EXIT, .code = -1, .rest = ""},
        {.type = CONTROL_STARTED, .pid = 0, .rest = ""},
        {.type = CONTROL_ENV, .rest = "x", .n = 1},
        {.type = CONTROL_TEXT, .rest = big, .n = LIMIT_LINE + 1},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct buf out;
        buf_init(&out, CONTROL_MSG);
        assert_false(control_msg_encode(&bad[i], &out));
        assert_int_equal(out.n, 0);
        buf_done(&out);
    }
}

static void the_longest_line_and_the_longest_list_fit_one_datagram(void **state)
{
    struct buf out;
    memset(big, 'x', sizeof big);
    struct control_msg m = {.type = CONTROL_JSON, .rest = big, .n = LIMIT_LINE};
    buf_init(&out, CONTROL_MSG);
    assert_true(control_msg_encode(&m, &out));
    buf_reset(&out);
    big[CONTROL_REST_MAX - 1] = '\0';
    m = (struct control_msg){
        .type = CONTROL_HELLO, .kind = CONTROL_KIND_BORG, .rest = big, .n = CONTROL_REST_MAX};
    assert_true(control_msg_encode(&m, &out));
    assert_true(out.n <= CONTROL_MSG);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_comes_back_as_it_was),
        cmocka_unit_test(the_strings_of_a_hello_are_walked_one_by_one),
        cmocka_unit_test(a_message_cut_short_in_its_fixed_part_is_refused),
        cmocka_unit_test(what_is_out_of_range_or_too_long_is_refused),
        cmocka_unit_test(nothing_is_written_of_a_message_that_would_not_be_read),
        cmocka_unit_test(the_longest_line_and_the_longest_list_fit_one_datagram),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
