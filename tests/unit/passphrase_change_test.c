#include "backup/repo/passphrase_change.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void borgs_prompts_are_told_apart(void **state)
{
    static const struct {
        const char *text;
        enum prompt wanted;
    } rows[] = {
        {"", PROMPT_NONE},
        {"\r\n", PROMPT_NONE},
        {"Enter passphrase for key /srv/repo: ", PROMPT_OLD},
        {"Enter passphrase for key ssh://u@h:22/./repo: ", PROMPT_OLD},
        {"\r\nEnter passphrase for key /root/.config/borg/keys/srv: ", PROMPT_OLD},
        {"Enter passphrase for key /srv/re", PROMPT_NONE},
        {"Enter new passphrase: ", PROMPT_NEW},
        {"\r\nEnter new passphrase: ", PROMPT_NEW},
        {"Enter new passphrase", PROMPT_NONE},
        {"Enter same passphrase again: ", PROMPT_AGAIN},
        {"Passphrases do not match\r\nEnter new passphrase: ", PROMPT_NEW},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(passphrase_prompt(rows[i].text), rows[i].wanted);
}

static void sshs_questions_get_nothing(void **state)
{
    static const char *const asked[] = {
        "Enter passphrase for key '/root/.ssh/id_ed25519': ",
        "root@host's password: ",
        "Are you sure you want to continue connecting (yes/no/[fingerprint])? ",
    };
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++)
        assert_int_equal(passphrase_prompt(asked[i]), PROMPT_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(borgs_prompts_are_told_apart),
        cmocka_unit_test(sshs_questions_get_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
