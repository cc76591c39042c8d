#include "backup/run/borgmatic_words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void decoration_is_taken_from_borgmatics_words(void **state)
{
    static const char text[] =
        "\x1b[31m/etc/a.yaml: No valid configuration files found\x1b[0m\n\nsummary:\n"
        "/etc/a.yaml: Error parsing configuration file\n"
        "An error occurred while parsing a configuration file at /etc/a.yaml:\n"
        "At 'storage': Additional properties are not allowed ('foo' was unexpected)\n"
        "At 'storage.encryption_passphrase': 12345678 is not of type 'string'\n"
        "At 'storage.encryption_passphrase': 12345678 is not of type 'string'\n"
        "\nNeed some help? https://torsion.org/borgmatic/#issues\n";
    char words[300];
    borgmatic_words(text, words, sizeof words);
    assert_string_equal(
        words, "At 'storage': Additional properties are not allowed ('foo' was unexpected); "
               "At 'storage.encryption_passphrase': the value is not of type 'string'");
    assert_true(borgmatic_words_config(text));
    assert_false(borgmatic_words_hook(text));
}

static void a_traceback_is_told_by_its_kind_alone(void **state)
{
    char words[300];
    borgmatic_words("x\nTraceback (most recent call last):\n  File \"a.py\", line 1, in f\n"
                    "    secret = 1\nKeyError: 'topsecret'\n",
                    words, sizeof words);
    assert_non_null(strstr(words, "(KeyError)"));
    assert_null(strstr(words, "secret"));
}

static void words_that_do_not_fit_keep_the_last_lines(void **state)
{
    char words[24];
    borgmatic_words("first line\nsecond line\nthird line\n", words, sizeof words);
    assert_string_equal(words, "second line; third line");
    borgmatic_words("a line that is by far longer than the room\n", words, sizeof words);
    assert_true(strlen(words) < sizeof words && words[0] == 'a');
    borgmatic_words("", words, sizeof words);
    assert_string_equal(words, "");
}

static void values_of_refused_settings_are_hidden(void **state)
{
    char words[300];
    borgmatic_words("At 'storage': {'encryption_passphrase': 'topsecret'} is not of type 'array'\n"
                    "At 'x': 'topsecret' is weird\nAt the top level: 'location' is a required "
                    "property\n",
                    words, sizeof words);
    assert_null(strstr(words, "topsecret"));
    assert_non_null(strstr(words, "'location' is a required property"));
    assert_non_null(strstr(words, "At 'storage': the value is not of type 'array'"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decoration_is_taken_from_borgmatics_words),
        cmocka_unit_test(a_traceback_is_told_by_its_kind_alone),
        cmocka_unit_test(words_that_do_not_fit_keep_the_last_lines),
        cmocka_unit_test(values_of_refused_settings_are_hidden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
