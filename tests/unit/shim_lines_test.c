#include "backup/control/shim_lines.h"

#include "limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { SINK_MAX = 1024 * 1024 };

struct sink {
    struct buf sent, emitted;
};

static void sink_send(void *arg, enum control_msg_type type, const char *p, size_t n, bool dropped)
{
    struct sink *k = arg;
    (void)buf_printf(&k->sent, "%c%s", type == CONTROL_JSON ? 'J' : 'T', dropped ? "?" : "");
    (void)buf_append(&k->sent, p, n);
    (void)buf_putc(&k->sent, '\n');
}

static void sink_emit(void *arg, const char *p, size_t n)
{
    struct sink *k = arg;
    (void)buf_append(&k->emitted, p, n);
}

static void open_lines(struct shim_lines *l, struct sink *k)
{
    buf_init(&k->sent, SINK_MAX);
    buf_init(&k->emitted, SINK_MAX);
    shim_lines_init(l);
    l->send = sink_send;
    l->emit = sink_emit;
    l->arg = k;
}

static void close_lines(struct shim_lines *l, struct sink *k)
{
    shim_lines_done(l);
    buf_done(&k->sent);
    buf_done(&k->emitted);
}

#define P(n) "{\"msgid\":\"m\",\"type\":\"progress_percent\",\"current\":" #n "}"

static void feed(struct shim_lines *l, const char *line, uint64_t now)
{
    shim_lines_feed(l, line, strlen(line), now);
    shim_lines_feed(l, "\n", 1, now);
}

static void what_progress_was_held_back_is_sent_when_its_time_has_come(void **state)
{
    struct shim_lines l;
    struct sink k;
    open_lines(&l, &k);
    assert_int_equal(shim_lines_due(&l, 1000), -1);
    feed(&l, P(1), 1000);
    feed(&l, P(2), 1010);
    feed(&l, P(3), 1020);
    assert_string_equal(buf_str(&k.sent), "J?" P(1) "\n");
    assert_int_equal(shim_lines_due(&l, 1030), 220);
    shim_lines_tick(&l, 1249);
    assert_string_equal(buf_str(&k.sent), "J?" P(1) "\n");
    assert_int_equal(shim_lines_due(&l, 1300), 0);
    shim_lines_tick(&l, 1250);
    assert_string_equal(buf_str(&k.sent), "J?" P(1) "\nJ?" P(3) "\n");
    assert_int_equal(shim_lines_due(&l, 1251), -1);
    feed(&l, P(4), 1260);
    feed(&l, "{\"msgid\":\"m\",\"type\":\"progress_percent\",\"finished\":true}", 1261);
    assert_non_null(strstr(buf_str(&k.sent), "\nJ?" P(4) "\nJ{\"msgid\""));
    close_lines(&l, &k);
}

static void feed_kind(struct shim_lines *l, const char *kind, uint64_t now)
{
    char line[128];
    (void)snprintf(line, sizeof line, "{\"msgid\":\"%s\",\"type\":\"progress_percent\"}", kind);
    feed(l, line, now);
}

static void of_several_kinds_held_back_the_earliest_is_due(void **state)
{
    static const char *const orders[][3] = {{"a", "b", "c"}, {"c", "b", "a"}, {"b", "a", "c"}};
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        struct shim_lines l;
        struct sink k;
        open_lines(&l, &k);
        for (unsigned n = 0; n < 3; n++) /* each has its place by order, and its time by letter */
            feed_kind(&l, orders[i][n], 1000U + 10U * (unsigned)(orders[i][n][0] - 'a'));
        for (unsigned n = 0; n < 3; n++)
            feed_kind(&l, orders[i][n], 1030);
        assert_int_equal(shim_lines_due(&l, 1100), 150);
        shim_lines_tick(&l, 1250);
        assert_int_equal(shim_lines_due(&l, 1250), 10);
        close_lines(&l, &k);
    }
}

static void a_message_behind_many_beginnings_of_one_stays_text(void **state)
{
    struct shim_lines l;
    struct sink k;
    open_lines(&l, &k);
    feed(&l, "{\"{\"{\"{\"type\":\"t\"}", 1); /* as often as it is tried */
    assert_string_equal(buf_str(&k.sent), "T{\"{\"{\"\nJ{\"type\":\"t\"}\n");
    buf_reset(&k.sent);
    feed(&l, "{\"{\"{\"{\"{\"type\":\"t\"}", 1);
    assert_string_equal(buf_str(&k.sent), "T{\"{\"{\"{\"{\"type\":\"t\"}\n");
    close_lines(&l, &k);
}

static void more_kinds_of_progress_than_are_remembered_lose_nothing(void **state)
{
    struct shim_lines l;
    struct sink k;
    char line[128];
    open_lines(&l, &k);
    for (int round = 0; round < 2; round++)
        for (unsigned i = 0; i < 3 * CONTROL_PROGRESS_IDS; i++) {
            (void)snprintf(line, sizeof line,
                           "{\"msgid\":\"m%u\",\"type\":\"progress_message\",\"round\":%d}", i,
                           round);
            feed(&l, line, 1000 + i);
        }
    shim_lines_end(&l, 1100);
    for (unsigned i = 0; i < 3 * CONTROL_PROGRESS_IDS; i++) {
        (void)snprintf(line, sizeof line,
                       "J?{\"msgid\":\"m%u\",\"type\":\"progress_message\",\"round\":1}\n", i);
        assert_non_null(strstr(buf_str(&k.sent), line));
    }
    close_lines(&l, &k);
}

static void lines_come_out_the_same_however_the_bytes_arrive(void **state)
{
    static const char text[] =
        "a\n\n{\"type\":\"log_message\",\"message\":\"m\"}\nb {\"x\" {\"type\":\"t\"}\n{\"\n{\"a\"}\nend";
    struct shim_lines l;
    struct sink whole, split;
    open_lines(&l, &whole);
    shim_lines_feed(&l, text, sizeof text - 1, 1);
    shim_lines_end(&l, 1);
    shim_lines_done(&l);
    open_lines(&l, &split);
    for (size_t i = 0; i < sizeof text - 1; i++)
        shim_lines_feed(&l, text + i, 1, 1);
    shim_lines_end(&l, 1);
    assert_string_equal(buf_str(&whole.sent), buf_str(&split.sent));
    assert_string_equal(buf_str(&whole.emitted), "a\n\nm\nb {\"x\" \n{\"\n{\"a\"}\nend\n");
    assert_string_equal(buf_str(&split.emitted), buf_str(&whole.emitted));
    close_lines(&l, &split);
    buf_done(&whole.sent);
    buf_done(&whole.emitted);
}

static void a_cut_does_not_halve_a_character(void **state)
{
    struct shim_lines l;
    struct sink k;
    open_lines(&l, &k);
    for (int i = 0; i < LIMIT_LINE; i++)
        shim_lines_feed(&l, i ? "\xc3\xa9" : "x", i ? 2 : 1, 1);
    shim_lines_feed(&l, "\n", 1, 1);
    assert_int_equal(k.emitted.n, LIMIT_LINE - 1 + 1);
    assert_int_equal((unsigned char)k.emitted.p[k.emitted.n - 2], 0xa9);
    close_lines(&l, &k);
    open_lines(&l, &k); /* two of three bytes would stay */
    for (int i = 0; i < LIMIT_LINE; i++)
        shim_lines_feed(&l, i ? "\xe2\x82\xac" : "xx", i ? 3 : (LIMIT_LINE - 2) % 3 ? 2 : 1, 1);
    shim_lines_feed(&l, "\n", 1, 1);
    assert_int_equal((unsigned char)k.emitted.p[k.emitted.n - 2], 0xac);
    close_lines(&l, &k);
    open_lines(&l, &k); /* no character at all: nothing is left out */
    for (int i = 0; i <= LIMIT_LINE; i++)
        shim_lines_feed(&l, i ? "\x80" : "\xc3", 1, 1);
    shim_lines_end(&l, 1);
    assert_int_equal(k.emitted.n, LIMIT_LINE + 1);
    close_lines(&l, &k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_progress_was_held_back_is_sent_when_its_time_has_come),
        cmocka_unit_test(of_several_kinds_held_back_the_earliest_is_due),
        cmocka_unit_test(a_message_behind_many_beginnings_of_one_stays_text),
        cmocka_unit_test(more_kinds_of_progress_than_are_remembered_lose_nothing),
        cmocka_unit_test(lines_come_out_the_same_however_the_bytes_arrive),
        cmocka_unit_test(a_cut_does_not_halve_a_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
