#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Writes the code point as UTF-8 would, valid or not; returns its length. */
static size_t encode(uint32_t c, size_t length, char out[4])
{
    static const unsigned char lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    if (length == 1) {
        out[0] = (char)c;
        return 1;
    }
    for (size_t i = length - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (c & 0x3F));
        c >>= 6;
    }
    out[0] = (char)(lead[length] | c);
    return length;
}

static size_t right_length(uint32_t c)
{
    if (c < 0x80)
        return 1;
    if (c < 0x800)
        return 2;
    return c < 0x10000 ? 3 : 4;
}

static void accepts_exactly_the_shortest_form_of_every_character(void **state)
{
    for (uint32_t c = 0; c < 0x120000; c++) {
        for (size_t length = right_length(c); length <= 4; length++) {
            char text[4];
            size_t n = encode(c, length, text);
            bool surrogate = c >= 0xD800 && c <= 0xDFFF;
            bool good = length == right_length(c) && !surrogate && c <= 0x10FFFF;
            if (utf8_valid(text, n) != good)
                fail_msg("U+%04X in %zu bytes", c, n);
        }
    }
}

static void refuses_what_is_cut_short_or_continues_nothing(void **state)
{
    assert_true(utf8_valid("", 0));
    const char *whole[] = {"\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};
    for (size_t i = 0; i < 3; i++) {
        for (size_t n = 1; n < strlen(whole[i]); n++)
            assert_false(utf8_valid(whole[i], n));
        assert_true(utf8_valid(whole[i], strlen(whole[i])));
    }
    assert_false(utf8_valid("a\x80", 2));
    assert_false(utf8_valid("\xC3(", 2));
    assert_false(utf8_valid("\xE2\x82(", 3));
    assert_false(utf8_valid("\xFF", 1));
}

static void cuts_on_a_border(void **state)
{
    const char *text = "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80z";
    const size_t borders[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11};
    for (size_t max = 0; max <= 11; max++)
        assert_int_equal(utf8_cut(text, 11, max), borders[max]);
    assert_int_equal(utf8_cut(text, 11, 100), 11);
    assert_int_equal(utf8_cut("\xC3\xA9", 2, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_exactly_the_shortest_form_of_every_character),
        cmocka_unit_test(refuses_what_is_cut_short_or_continues_nothing),
        cmocka_unit_test(cuts_on_a_border),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
