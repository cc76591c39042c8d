#include "aio/run/verdict.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Exit codes from here on come of a signal or of a container that could not be started (moby). */
enum { NOT_BY_ITSELF = 126 };

void aio_verdict_say(struct aio_verdict *out, enum aio_grade grade, const char *word,
                     enum err_code api, const char *fmt, ...)
{
    va_list ap;
    out->grade = grade;
    out->api = api;
    (void)snprintf(out->word, sizeof out->word, "%s", word);
    va_start(ap, fmt);
    (void)vsnprintf(out->sentence, sizeof out->sentence, fmt, ap);
    va_end(ap);
}

bool aio_script_finished(const struct aio_evidence *ev)
{
    bool by_itself = ev->code == 0 || (ev->code == -1 && !ev->master_restarted);
    return ev->finish_line || (ev->unseen && ev->over && by_itself);
}

static void say_failed(struct aio_verdict *out, const char *word, const char *sentence)
{
    aio_verdict_say(out, AIO_GRADE_FAILED, word, ERR_BACKUP_FAILED, "%s", sentence);
}

/* A guard of the script: it left before it touched anything. */
static bool nothing_done(const struct aio_evidence *ev, struct aio_verdict *out)
{
    if (ev->guard == AIO_MARK_NOT_SET_UP)
        say_failed(out, "nothing_done",
                   "AIO did nothing: its initial configuration is not done (its web page says what "
                   "is missing)");
    else if (ev->guard == AIO_MARK_RESTORING)
        say_failed(out, "nothing_done", "AIO did nothing: a restore is going on");
    else if (ev->guard == AIO_MARK_CONTRADICTION)
        say_failed(out, "nothing_done", "AIO did nothing: a backup and a check exclude each other");
    else
        return false;
    return true;
}

static const char *why_unfinished(const struct aio_evidence *ev)
{
    if (ev->master_restarted)
        return "the mastercontainer was restarted or replaced under it";
    if (ev->over)
        return "it ended before its last line";
    return "it is not known whether it goes on";
}

/* No new container that we could judge by: why? */
static bool no_container(const struct aio_evidence *ev, struct aio_verdict *out)
{
    if (ev->found && ev->is_new)
        return false;
    if (!aio_script_finished(ev))
        aio_verdict_say(out, AIO_GRADE_FAILED, "not_finished", ERR_BACKUP_FAILED,
                        "AIO's script did not come to its end and no borg ran: %s",
                        why_unfinished(ev));
    else if (ev->found)
        say_failed(out, "stale_container",
                   "AIO started no borg: the borgbackup container is that of an earlier run, and "
                   "its exit code says nothing of this one");
    else
        say_failed(out, "borg_not_started", "AIO's script ended without having started borg");
    return true;
}

static const char *or_silence(const char *line)
{
    return line[0] ? line : "its log gives no reason";
}

static void say_killed(const struct aio_evidence *ev, struct aio_verdict *out)
{
    const char *how = ev->oom                ? ", killed for want of memory"
                      : ev->exit_code == 137 ? ", killed"
                      : ev->exit_code == 143 ? ", stopped"
                      : ev->exit_code <= 128 ? ", it could not be started"
                                             : "";
    aio_verdict_say(out, AIO_GRADE_FAILED, "borg_killed", ERR_BACKUP_FAILED,
                    "borg did not end by itself: the borgbackup container's exit code is %d%s; "
                    "AIO's database may now wait for backup-is-running to be removed",
                    ev->exit_code, how);
}

/* What a check and a backup have in common; true when it is decided. */
static bool judged(const struct aio_evidence *ev, const char *mode, struct aio_verdict *out)
{
    if (nothing_done(ev, out) || no_container(ev, out))
        return true;
    if (!ev->mode_as_meant)
        aio_verdict_say(out, AIO_GRADE_FAILED, "wrong_mode", ERR_BACKUP_FAILED,
                        "the borgbackup container ran in another mode than %s: another run came "
                        "between",
                        mode);
    else if (!ev->ended)
        say_failed(out, "not_finished", "it is not known how the borgbackup container ended");
    else if (ev->exit_code >= NOT_BY_ITSELF || ev->exit_code < 0)
        say_killed(ev, out);
    else
        return false;
    return true;
}

static void say_exit_one(const struct aio_evidence *ev, const char *where, struct aio_verdict *out)
{
    if (ev->succeeded && ev->update_failed && ev->target_as_meant)
        aio_verdict_say(out, AIO_GRADE_WARNING, "update_failed", ERR_NONE,
                        "the backup to %s was made (%s), but an update of Nextcloud had failed "
                        "before, which AIO reports as a failed backup",
                        where, ev->archive[0] ? ev->archive : "its archive is not in the list");
    else if (ev->discarded && ev->stats)
        aio_verdict_say(out, AIO_GRADE_FAILED, "borg_warned", ERR_BACKUP_FAILED,
                        "borg ended with a warning, for which AIO deletes the archive: %s",
                        or_silence(ev->warning));
    else
        aio_verdict_say(out, AIO_GRADE_FAILED, "borg_failed", ERR_BACKUP_FAILED,
                        "the backup to %s failed with exit code %d: %s", where, ev->exit_code,
                        or_silence(ev->reason));
}

/* Exit code 0, which is only one part of the proof. */
static void say_exit_zero(const struct aio_evidence *ev, const char *where, struct aio_verdict *out)
{
    if (!ev->target_as_meant)
        aio_verdict_say(out, AIO_GRADE_FAILED, "wrong_target", ERR_BACKUP_FAILED,
                        "a backup was made, but not to %s: the borgbackup container had another "
                        "target",
                        where);
    else if (ev->log_read && !ev->succeeded)
        aio_verdict_say(out, AIO_GRADE_FAILED, "no_success_line", ERR_BACKUP_FAILED,
                        "the borgbackup container ended with 0, but its log does not say that the "
                        "backup succeeded: %s",
                        or_silence(ev->reason));
    else if (ev->list_read && !ev->archive[0])
        aio_verdict_say(out, AIO_GRADE_FAILED, "archive_missing", ERR_BACKUP_FAILED,
                        "borg ended well, but no new archive is in the list of %s", where);
    else if (!ev->log_read || !ev->list_read)
        aio_verdict_say(out, AIO_GRADE_WARNING, "unverified", ERR_NONE,
                        "borg ended well, but %s could not be read to prove it",
                        ev->log_read ? "the list of archives" : "the borgbackup container's log");
    else if (!aio_script_finished(ev))
        aio_verdict_say(out, AIO_GRADE_WARNING, "not_finished", ERR_NONE,
                        "the backup to %s succeeded (%s), but AIO's script did not come to its "
                        "end: %s",
                        where, ev->archive, why_unfinished(ev));
    else
        aio_verdict_say(out, AIO_GRADE_OK, "succeeded", ERR_NONE, "the backup to %s succeeded: %s",
                        where, ev->archive);
}

void aio_verdict_of_backup(const struct aio_evidence *ev, const char *where,
                           struct aio_verdict *out)
{
    if (judged(ev, "backup", out))
        return;
    if (ev->exit_code != 0)
        say_exit_one(ev, where, out);
    else
        say_exit_zero(ev, where, out);
}

void aio_verdict_of_check(const struct aio_evidence *ev, struct aio_verdict *out)
{
    if (judged(ev, "check", out))
        return;
    if (ev->exit_code != 0)
        aio_verdict_say(out, AIO_GRADE_FAILED, "check_failed", ERR_BACKUP_FAILED,
                        "the check failed with exit code %d: %s", ev->exit_code,
                        or_silence(ev->reason));
    else if (!ev->log_read)
        aio_verdict_say(out, AIO_GRADE_WARNING, "unverified", ERR_NONE,
                        "the check ended with 0, but the borgbackup container's log could not be "
                        "read to prove it");
    else if (!ev->succeeded)
        aio_verdict_say(out, AIO_GRADE_FAILED, "no_success_line", ERR_BACKUP_FAILED,
                        "the check ended with 0, but its log does not say that it succeeded: %s",
                        or_silence(ev->reason));
    else
        aio_verdict_say(out, AIO_GRADE_OK, "succeeded", ERR_NONE,
                        "the check found no fault in the repository");
}

void aio_verdict_of_script(const struct aio_evidence *ev, struct aio_verdict *out)
{
    if (nothing_done(ev, out)) {
        out->api = ERR_COMMAND_FAILED;
        return;
    }
    if (aio_script_finished(ev))
        aio_verdict_say(out, AIO_GRADE_OK, "succeeded", ERR_NONE, "AIO's script has finished");
    else
        aio_verdict_say(out, AIO_GRADE_FAILED, "not_finished", ERR_COMMAND_FAILED,
                        "AIO's script did not come to its end: %s", why_unfinished(ev));
}

void aio_verdict_service_down(struct aio_verdict *out, const char *problem)
{
    char before[sizeof out->sentence];
    (void)snprintf(before, sizeof before, "%s", out->sentence);
    bool was_failed = out->grade == AIO_GRADE_FAILED;
    enum err_code api = was_failed ? out->api : ERR_BACKUP_FAILED;
    aio_verdict_say(out, AIO_GRADE_FAILED, "service_down", api,
                    "Nextcloud does not serve after the run (%.150s); %.200s", problem, before);
}

bool aio_verdict_worse(const struct aio_verdict *a, const struct aio_verdict *b)
{
    return a->grade > b->grade;
}
