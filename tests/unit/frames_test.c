#include "docker/frames.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct heard {
    char out[64], err[64];
    size_t pieces;
    size_t stop_after; /* 0: never */
};

static bool on_data(void *arg, bool is_stderr, const char *p, size_t n)
{
    struct heard *h = arg;
    char *to = is_stderr ? h->err : h->out;
    assert_true(n > 0 && strlen(to) + n < sizeof h->out);
    (void)strncat(to, p, n);
    h->pieces++;
    return h->pieces != h->stop_after;
}

/* Two of stdout around one of stderr and an empty one. */
static const char stream[] = "\1\0\0\0\0\0\0\4one\n"
                             "\2\0\0\0\0\0\0\6oh no\n"
                             "\1\0\0\0\0\0\0\0"
                             "\1\0\0\0\0\0\0\4two\n";
enum { STREAM = sizeof stream - 1 };

static void it_may_be_split_at_every_byte(void **state)
{
    for (size_t cut = 0; cut <= STREAM; cut++) {
        struct frames f = {0};
        struct heard h = {0};
        assert_true(frames_feed(&f, stream, cut, on_data, &h));
        assert_true(frames_feed(&f, stream + cut, STREAM - cut, on_data, &h));
        assert_string_equal(h.out, "one\ntwo\n");
        assert_string_equal(h.err, "oh no\n");
        assert_true(frames_whole(&f));
    }
}

static void it_may_come_byte_by_byte(void **state)
{
    struct frames f = {0};
    struct heard h = {0};
    for (size_t i = 0; i < STREAM; i++)
        assert_true(frames_feed(&f, stream + i, 1, on_data, &h));
    assert_string_equal(h.out, "one\ntwo\n");
    assert_string_equal(h.err, "oh no\n");
    assert_true(frames_whole(&f));
}

static void an_end_within_a_frame_is_seen(void **state)
{
    static const size_t borders[] = {0, 12, 26, 34, 46};
    for (size_t cut = 0; cut <= STREAM; cut++) {
        struct frames f = {0};
        struct heard h = {0};
        bool border = false;
        for (size_t i = 0; i < sizeof borders / sizeof *borders; i++)
            border = border || borders[i] == cut;
        assert_true(frames_feed(&f, stream, cut, on_data, &h));
        assert_int_equal(frames_whole(&f), border);
    }
}

static void a_length_that_lies_costs_nothing(void **state)
{
    struct frames f = {0};
    struct heard h = {0};
    static const char huge[] = "\1\0\0\0\xff\xff\xff\xffonly this";
    assert_true(frames_feed(&f, huge, sizeof huge - 1, on_data, &h));
    assert_string_equal(h.out, "only this");
    assert_false(frames_whole(&f));
    struct frames g = {0};
    struct heard i = {0};
    static const char small[] = "\1\0\0\0\0\0\0\2too long"; /* the rest is no head */
    assert_false(frames_feed(&g, small, sizeof small - 1, on_data, &i));
    assert_string_equal(i.out, "to");
}

static void what_is_no_such_stream_is_refused_and_stays_so(void **state)
{
    static const char *const others[] = {"hello", "\4\0\0\0", "\1\1\0\0", "\1\0\0\1", "{\"a\":1}"};
    static const size_t lengths[] = {5, 4, 4, 4, 7};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct frames f = {0};
        struct heard h = {0};
        assert_false(frames_feed(&f, others[i], lengths[i], on_data, &h));
        assert_false(frames_whole(&f));
        assert_false(frames_feed(&f, stream, STREAM, on_data, &h));
        assert_int_equal(h.pieces, 0);
    }
}

static void the_engines_own_errors_are_stderr_and_stdin_is_stdout(void **state)
{
    struct frames f = {0};
    struct heard h = {0};
    static const char two[] = "\3\0\0\0\0\0\0\1e\0\0\0\0\0\0\0\1i";
    assert_true(frames_feed(&f, two, sizeof two - 1, on_data, &h));
    assert_string_equal(h.err, "e");
    assert_string_equal(h.out, "i");
}

static void the_taker_may_end_it(void **state)
{
    struct frames f = {0};
    struct heard h = {.stop_after = 1};
    assert_true(frames_feed(&f, stream, STREAM, on_data, &h));
    assert_string_equal(h.out, "one\n");
    assert_string_equal(h.err, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_may_be_split_at_every_byte),
        cmocka_unit_test(it_may_come_byte_by_byte),
        cmocka_unit_test(an_end_within_a_frame_is_seen),
        cmocka_unit_test(a_length_that_lies_costs_nothing),
        cmocka_unit_test(what_is_no_such_stream_is_refused_and_stays_so),
        cmocka_unit_test(the_engines_own_errors_are_stderr_and_stdin_is_stdout),
        cmocka_unit_test(the_taker_may_end_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
