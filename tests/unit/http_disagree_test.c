/* Another llhttp than ours: what it sees differently is refused, what it only tells differently is
 * the same request. Linked with --wrap=llhttp_execute. */
#include "parse_kit.h"

#include "limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum llhttp_errno __real_llhttp_execute(llhttp_t *ll, const char *p, size_t n);
enum llhttp_errno __wrap_llhttp_execute(llhttp_t *ll, const char *p, size_t n);

typedef enum llhttp_errno (*other_llhttp)(llhttp_t *ll, const char *p, size_t n);
static other_llhttp on_head, on_body; /* NULL: ours */
static bool in_body;

enum llhttp_errno __wrap_llhttp_execute(llhttp_t *ll, const char *p, size_t n)
{
    other_llhttp other = in_body ? on_body : on_head;
    return (other ? other : __real_llhttp_execute)(ll, p, n);
}

static const llhttp_settings_t *callbacks(const llhttp_t *ll)
{
    return ll->settings;
}

/* What comes of a request in one piece, of which the body is read by one and the head by another.
 */
static enum err_code read_by(other_llhttp head, other_llhttp body, const char *request)
{
    struct err e = {0};
    size_t used, n = strlen(request);
    on_head = head;
    on_body = body;
    in_body = false;
    http_parse_reset(&parser);
    enum http_parse_step step = http_parse_feed(&parser, request, n, &used, &e);
    if (step == PARSE_HEAD) {
        in_body = true;
        step = http_parse_feed(&parser, request + used, n - used, &used, &e);
    }
    assert_true(step == PARSE_DONE || step == PARSE_FAILED);
    assert_int_equal(step == PARSE_FAILED, e.code != ERR_NONE);
    return e.code;
}

#define PLAIN "GET /a?b HTTP/1.1\r\n" H "Accept: x\r\n\r\n"
#define LENGTH "POST / HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nhello"
#define CHUNKS CHUNKED "5\r\nhello\r\n0\r\n\r\n"

/* ---- the head ---- */

static enum llhttp_errno by_bytes(llhttp_t *ll, const char *p, size_t n)
{
    enum llhttp_errno rc = HPE_OK;
    for (size_t i = 0; i < n && rc == HPE_OK; i++)
        rc = __real_llhttp_execute(ll, p + i, 1);
    return rc;
}

static enum llhttp_errno with_empty_pieces(llhttp_t *ll, const char *p, size_t n)
{
    (void)callbacks(ll)->on_header_field(ll, p, 0);
    return __real_llhttp_execute(ll, p, n);
}

static void names_that_come_in_pieces_are_put_together(void **state)
{
    static const other_llhttp others[] = {by_bytes, with_empty_pieces};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_int_equal(read_by(others[i], NULL, PLAIN), ERR_NONE);
        assert_int_equal(parser.header_count, 2);
        assert_string_equal(http_parse_header(&parser, "accept"), "x");
        assert_string_equal(parser.path, "/a");
        assert_int_equal(read_by(others[i], by_bytes, CHUNKS), ERR_NONE);
        assert_int_equal(parser.body.n, 5);
    }
}

static enum llhttp_errno does_not_pause(llhttp_t *ll, const char *p, size_t n)
{
    (void)__real_llhttp_execute(ll, p, n);
    return HPE_OK;
}

static enum llhttp_errno ends_earlier(llhttp_t *ll, const char *p, size_t n)
{
    enum llhttp_errno rc = __real_llhttp_execute(ll, p, n);
    ll->error_pos--;
    return rc;
}

static enum llhttp_errno has_a_longer_target(llhttp_t *ll, const char *p, size_t n)
{
    (void)callbacks(ll)->on_url(ll, p, 1);
    return __real_llhttp_execute(ll, p, n);
}

static enum llhttp_errno has_more_headers(llhttp_t *ll, const char *p, size_t n)
{
    for (int i = 0; i <= LIMIT_HEADERS; i++) { /* more than there is room for */
        (void)callbacks(ll)->on_header_field(ll, p, 1);
        (void)callbacks(ll)->on_header_field_complete(ll);
    }
    return __real_llhttp_execute(ll, p, n);
}

static enum llhttp_errno has_another_length(llhttp_t *ll, const char *p, size_t n)
{
    enum llhttp_errno rc = __real_llhttp_execute(ll, p, n);
    ll->content_length++;
    return rc;
}

static enum llhttp_errno has_another_coding(llhttp_t *ll, const char *p, size_t n)
{
    enum llhttp_errno rc = __real_llhttp_execute(ll, p, n);
    ll->flags ^= F_CHUNKED;
    return rc;
}

static void a_head_that_the_two_see_differently_is_refused(void **state)
{
    static const other_llhttp others[] = {does_not_pause,   ends_earlier,       has_a_longer_target,
                                          has_more_headers, has_another_coding, has_another_length};
    static const char *const requests[] = {PLAIN, LENGTH};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        for (size_t k = 0; k < sizeof requests / sizeof *requests; k++)
            assert_int_equal(read_by(others[i], NULL, requests[k]), ERR_BAD_REQUEST);
    assert_int_equal(read_by(has_another_coding, NULL, CHUNKS), ERR_BAD_REQUEST);
    assert_int_equal(read_by(has_another_length, NULL, CHUNKS), ERR_NONE); /* it means nothing */
    assert_int_equal(read_by(NULL, NULL, PLAIN), ERR_NONE);
}

/* ---- the body ---- */

static enum llhttp_errno pauses_before_the_end(llhttp_t *ll, const char *p, size_t n)
{
    ll->error_pos = p;
    return HPE_PAUSED;
}

/* "hell" and "5\r\nh": data that it takes for framing. */
static enum llhttp_errno begins_later(llhttp_t *ll, const char *p, size_t n)
{
    ll->error_pos = p + 4;
    return callbacks(ll)->on_body(ll, p + 4, n - 4) ? HPE_USER : HPE_OK;
}

static void a_body_that_the_two_see_differently_is_refused(void **state)
{
    assert_int_equal(read_by(NULL, pauses_before_the_end, LENGTH), ERR_BAD_REQUEST);
    assert_int_equal(read_by(NULL, pauses_before_the_end, CHUNKS), ERR_BAD_REQUEST);
    assert_int_equal(read_by(NULL, begins_later, LENGTH), ERR_BAD_REQUEST);
    assert_int_equal(read_by(NULL, begins_later, CHUNKS), ERR_BAD_REQUEST);
    assert_int_equal(read_by(NULL, NULL, LENGTH), ERR_NONE);
    assert_int_equal(parser.body.n, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_that_come_in_pieces_are_put_together),
        cmocka_unit_test(a_head_that_the_two_see_differently_is_refused),
        cmocka_unit_test(a_body_that_the_two_see_differently_is_refused),
    };
    return cmocka_run_group_tests(tests, parser_start, parser_stop);
}
