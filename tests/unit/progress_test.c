#include "backup/create/progress.h"

#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static bool feed(struct progress *p, const char *line, uint64_t now_ms)
{
    json_t *m = json_parse(line, strlen(line), NULL);
    assert_non_null(m);
    bool was = progress_feed(p, m, now_ms);
    json_decref(m);
    return was;
}

static const char *json_of(const struct progress *p, const char *repository, const char *label)
{
    static char text[4096];
    struct buf b;
    buf_init(&b, sizeof text - 1);
    progress_json(p, repository, label, &b);
    assert_false(b.failed);
    memcpy(text, buf_str(&b), b.n + 1);
    buf_done(&b);
    return text;
}

static const char *text_of(const struct progress *p)
{
    static char text[4096];
    struct buf b;
    buf_init(&b, sizeof text - 1);
    progress_text(p, &b);
    memcpy(text, buf_str(&b), b.n + 1);
    buf_done(&b);
    return text;
}

/* Lines as borg 1.2.4 and 1.4.0 write them. */
#define ARCHIVE(o) \
    "{\"original_size\": " o ", \"compressed_size\": 52290000, \"deduplicated_size\": 0, " \
    "\"nfiles\": 12, \"path\": \"src/x\", \"time\": 1795390987.78, " \
    "\"type\": \"archive_progress\", \"finished\": false}"
#define ARCHIVE_END "{\"time\": 1795389083.5, \"type\": \"archive_progress\", \"finished\": true}"
#define BEGIN \
    "{\"message\": \"Initializing cache transaction: Reading config\", \"operation\": 1, " \
    "\"msgid\": \"cache.begin_transaction\", \"type\": \"progress_message\", \"finished\": " \
    "false, \"time\": 1795401954.2}"
#define CHECK(c) \
    "{\"message\": \"Checking segments 20.0%\", \"current\": " c ", \"total\": 25, \"info\": " \
    "null, \"operation\": 1, \"msgid\": \"repository.check\", \"type\": \"progress_percent\", " \
    "\"finished\": false, \"time\": 1795401954.2}"
#define CHECK_END \
    "{\"operation\": 1, \"msgid\": \"repository.check\", \"type\": \"progress_percent\", " \
    "\"finished\": true, \"time\": 1795401954.2}"
#define EXTRACT \
    "{\"message\": \"  0.0% Extracting: trial/big.bin\", \"current\": 0, \"total\": 0, " \
    "\"info\": [\"trial/big.bin\"], \"operation\": 1, \"msgid\": \"extract\", \"type\": " \
    "\"progress_percent\", \"finished\": false, \"time\": 1795401954.2}"

static void a_create_counts_and_knows_no_percent(void **state)
{
    struct progress p;
    progress_init(&p);
    progress_start(&p, 1000, 0);
    assert_string_equal(json_of(&p, NULL, NULL), "{}");
    assert_string_equal(text_of(&p), "");
    assert_true(feed(&p, ARCHIVE("52290000"), 2000));
    assert_string_equal(json_of(&p, NULL, ""),
                        "{\"files\":12,\"original_size\":52290000,\"compressed_size\":52290000,"
                        "\"deduplicated_size\":0,\"path\":\"src/x\",\"phase\":\"create\"}");
    assert_string_equal(text_of(&p), "52.29 MB O 52.29 MB C 0 B D 12 N src/x");
}

static void an_earlier_archive_gives_an_estimate_marked_as_such(void **state)
{
    struct progress p;
    progress_start(&p, 1000, 1000);
    assert_true(feed(&p, ARCHIVE("250"), 11000));
    assert_non_null(strstr(json_of(&p, "/srv/repo", "main"),
                           "\"percent\":25.0,\"eta_s\":30,\"estimate\":true,"
                           "\"repository\":\"/srv/repo\",\"label\":\"main\"}"));
    assert_true(feed(&p, ARCHIVE("5000"), 12000)); /* it has grown */
    assert_non_null(strstr(json_of(&p, NULL, NULL), "\"percent\":99.0,\"estimate\":true"));
    assert_true(feed(&p, ARCHIVE_END, 13000));
    assert_int_equal(p.files, 12);
    assert_true(p.percent <= 99.0);
}

static void borgs_own_percent_is_no_estimate(void **state)
{
    struct progress p;
    progress_start(&p, 0, 1000);
    assert_true(feed(&p, CHECK("0"), 1000));
    assert_true(feed(&p, CHECK("5"), 11000));
    assert_string_equal(json_of(&p, NULL, NULL),
                        "{\"phase\":\"repository.check\",\"percent\":20.0,\"eta_s\":40}");
    assert_string_equal(text_of(&p), "Checking segments 20.0%");
    assert_true(feed(&p, CHECK_END, 12000));
    assert_string_equal(json_of(&p, NULL, NULL),
                        "{\"phase\":\"repository.check\",\"percent\":100.0,\"eta_s\":0}");
}

static void a_phase_begins_anew(void **state)
{
    struct progress p;
    progress_start(&p, 0, 1000);
    assert_true(feed(&p, ARCHIVE("500"), 5000));
    assert_true(feed(&p, BEGIN, 6000));
    assert_true(p.percent < 0);
    assert_string_equal(text_of(&p), "Initializing cache transaction: Reading config");
    assert_true(feed(&p, EXTRACT, 7000));
    assert_string_equal(p.path, "trial/big.bin");
    assert_true(p.percent < 0 && p.eta_s < 0);
    assert_string_equal(text_of(&p), "0.0% Extracting: trial/big.bin");
    assert_true(feed(&p, ARCHIVE("600"), 8000));
    assert_string_equal(p.phase, "create");
    assert_true(p.estimate);
}

static void other_messages_are_no_progress(void **state)
{
    struct progress p;
    progress_start(&p, 0, 0);
    assert_false(feed(&p, "{\"type\": \"file_status\", \"status\": \"A\", \"path\": \"x\"}", 1));
    assert_false(feed(&p, "{\"type\": \"log_message\", \"message\": \"x\"}", 1));
    assert_false(feed(&p, "{\"type\": 3}", 1));
    assert_false(feed(&p, "[]", 1));
    assert_string_equal(json_of(&p, NULL, NULL), "{}");
}

static void odd_values_do_no_harm(void **state)
{
    struct progress p;
    char line[2048];
    progress_start(&p, 5000, 1000);
    assert_true(feed(&p,
                     "{\"type\": \"archive_progress\", \"original_size\": -5, \"nfiles\": \"x\", "
                     "\"path\": 7}",
                     1000)); /* and a clock that goes back */
    assert_int_equal(p.original, -1);
    assert_int_equal(p.files, -1);
    assert_true(feed(&p,
                     "{\"type\": \"progress_percent\", \"current\": 9, \"total\": 3, \"msgid\": "
                     "null, \"info\": {}}",
                     1000));
    assert_true(p.percent <= 100);
    /* A path that is cut is cut between characters. */
    size_t n = (size_t)snprintf(line, sizeof line, "%s",
                                "{\"type\": \"archive_progress\", \"nfiles\": 1, \"path\": \"");
    for (int i = 0; i < 400; i++)
        n += (size_t)snprintf(line + n, sizeof line - n, "\xc3\xa9");
    (void)snprintf(line + n, sizeof line - n, "\"}");
    assert_true(feed(&p, line, 1000));
    assert_int_equal(strlen(p.path), 510);
}

static void sizes_are_written_as_borg_writes_them(void **state)
{
    static const struct {
        int64_t bytes;
        const char *text;
    } rows[] = {
        {0, "0 B"},
        {999, "999 B"},
        {1000, "1.00 kB"},
        {999994, "999.99 kB"},
        {999999, "1.00 MB"},
        {1500000000LL, "1.50 GB"},
        {INT64_MAX, "9.22 EB"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct progress p;
        progress_init(&p);
        (void)snprintf(p.phase, sizeof p.phase, "create");
        p.files = 1;
        p.original = rows[i].bytes;
        const char *text = text_of(&p);
        assert_int_equal(strncmp(text, rows[i].text, strlen(rows[i].text)), 0);
        assert_int_equal(strncmp(text + strlen(rows[i].text), " O ", 3), 0);
    }
}

static void nothing_is_said_while_nothing_is_known(void **state)
{
    struct progress p;
    progress_init(&p);
    (void)snprintf(p.phase, sizeof p.phase, "create");
    assert_string_equal(text_of(&p), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_create_counts_and_knows_no_percent),
        cmocka_unit_test(an_earlier_archive_gives_an_estimate_marked_as_such),
        cmocka_unit_test(borgs_own_percent_is_no_estimate),
        cmocka_unit_test(a_phase_begins_anew),
        cmocka_unit_test(other_messages_are_no_progress),
        cmocka_unit_test(odd_values_do_no_harm),
        cmocka_unit_test(nothing_is_said_while_nothing_is_known),
        cmocka_unit_test(sizes_are_written_as_borg_writes_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
