#include "backup/create/verdict_internal.h"
#include "backup/run/borgmatic_words.h"

#include <stdio.h>
#include <string.h>

/* borgmatic says that all is well. That is only believed of what borg itself did. */
static void say_zero(const struct verdict_result *worst, size_t borg_runs, size_t repositories,
                     bool soft, bool dry_run, struct verdict_result *out)
{
    if (borg_runs == 0) {
        verdict_say(
            out, VERDICT_WARNING, "skipped_by_hook", ERR_NONE,
            soft ? "a hook asked to skip this run (exit code 75); borg did not run"
                 : "borgmatic ended well without running borg: a hook asked to skip (exit code "
                   "75), or the configuration skips this action");
        return;
    }
    if (!worst) {
        verdict_say(out, VERDICT_FAILED, "exit_unknown", ERR_BACKUP_FAILED,
                    "it is not known how borg ended");
        return;
    }
    *out = *worst;
    if (borg_runs < repositories && worst->state != VERDICT_FAILED && !dry_run)
        verdict_say(
            out, VERDICT_WARNING, "skipped_by_hook", ERR_NONE,
            "borg ran for %zu of %zu repositories only: a hook asked to skip the others (exit code "
            "75)",
            borg_runs, repositories);
}

static void say_borgmatic_failed(int code, const char *text, struct verdict_result *out)
{
    char words[300];
    borgmatic_words(text, words, sizeof words);
    const char *colon = words[0] ? ": " : "";
    if (borgmatic_words_config(text))
        verdict_say(out, VERDICT_FAILED, "invalid_config", ERR_INVALID_CONFIG,
                    "borgmatic cannot read the configuration%s%s", colon, words);
    else if (borgmatic_words_hook(text))
        verdict_say(out, VERDICT_FAILED, "hook_failed", ERR_BACKUP_FAILED, "a hook failed%s%s",
                    colon, words);
    else
        verdict_say(out, VERDICT_FAILED, "borgmatic_failed", ERR_BACKUP_FAILED,
                    "borgmatic failed with exit code %d%s%s", code, colon, words);
}

void verdict_of_run(int borgmatic_code, int borgmatic_signal, const char *stderr_tail,
                    const struct verdict_result *worst, size_t borg_runs, size_t repositories,
                    bool dry_run, struct verdict_result *out)
{
    const char *text = stderr_tail ? stderr_tail : "";
    *out = (struct verdict_result){0};
    if (worst && worst->state == VERDICT_FAILED)
        *out = *worst;
    else if (borgmatic_signal != 0 || borgmatic_code >= 128 || borgmatic_code < 0)
        verdict_say(out, VERDICT_FAILED, "borgmatic_killed", ERR_BACKUP_FAILED,
                    "borgmatic was ended by a signal (exit code %d) before it was done",
                    borgmatic_code);
    else if (borgmatic_code == 0)
        say_zero(worst, borg_runs, repositories, borgmatic_words_soft_failure(text), dry_run, out);
    else
        say_borgmatic_failed(borgmatic_code, text, out);
}
