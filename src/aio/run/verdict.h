/* verdict: what really came of a run of AIO, from evidence alone. Pure.
 *
 * The script's exit code counts for nothing: it is 0 whatever happened. AIO's own "last backup
 * successful" takes the exit code of whatever borgbackup container is there, also of an earlier
 * run. So everything is asked for: the script's finish line, a new borgbackup container in our mode
 * and with our target, its exit code, its success line, the new archive in the list. */
#ifndef AIO_RUN_VERDICT_H
#define AIO_RUN_VERDICT_H

#include "aio/run/stages.h"
#include "base/err.h"

#include <stdbool.h>

struct aio_evidence {
    /* the script */
    enum aio_mark guard;   /* the line with which it left without doing anything, or NONE */
    bool finish_line;      /* the proof of a complete run */
    bool unseen;           /* its stream was cut, so its last lines are not known … */
    bool over;             /* … but the Engine or the process list says that it has ended … */
    int code;              /* … with this exit code; −1 unknown */
    bool master_restarted; /* the mastercontainer was restarted or replaced before its end */
    /* the borgbackup container */
    bool found, is_new, ended;
    bool mode_as_meant, target_as_meant;
    int exit_code;  /* valid when ended */
    bool oom;       /* the kernel killed it for want of memory */
    bool log_read;  /* to its end */
    bool succeeded; /* its success line */
    bool stats;     /* borg came to the archive's end */
    bool discarded; /* the archive was deleted by AIO */
    bool update_failed;
    char reason[256];  /* the line that says why it failed, or its last one, or "" */
    char warning[256]; /* the first warning of borg, or "" */
    /* the list of archives, afterwards */
    bool list_read;
    char archive[128]; /* the new one, or "" */
};

enum aio_grade { AIO_GRADE_OK, AIO_GRADE_WARNING, AIO_GRADE_FAILED };

struct aio_verdict {
    enum aio_grade grade;
    char word[48]; /* "succeeded", "borg_failed", "borg_warned", "borg_killed", "check_failed",
                      "nothing_done", "not_finished", "borg_not_started", "stale_container",
                      "wrong_mode", "wrong_target", "no_success_line", "archive_missing",
                      "unverified", "update_failed", "service_down", "not_stopped" */
    char sentence[384];
    enum err_code api; /* what an awaited request gets; ERR_NONE for ok and warning */
};

/* `where`: the target, for the sentence. */
void aio_verdict_of_backup(const struct aio_evidence *ev, const char *where,
                           struct aio_verdict *out);
void aio_verdict_of_check(const struct aio_evidence *ev, struct aio_verdict *out);
/* Of a run that only stops, starts or updates containers. */
void aio_verdict_of_script(const struct aio_evidence *ev, struct aio_verdict *out);
/* The script came to its end, as far as can be known: its finish line, or (where its stream was
 * cut) that it ended and nothing says that it was killed. It leaves early only at its guards. */
bool aio_script_finished(const struct aio_evidence *ev);

__attribute__((format(printf, 5, 6))) void aio_verdict_say(struct aio_verdict *out,
                                                           enum aio_grade grade, const char *word,
                                                           enum err_code api, const char *fmt, ...);
/* The stack is not up after a run that should end with it up: overrules what `out` said, and keeps
 * its sentence. */
void aio_verdict_service_down(struct aio_verdict *out, const char *problem);
/* True when `a` is worse than `b`: the worst is the word of the whole. */
bool aio_verdict_worse(const struct aio_verdict *a, const struct aio_verdict *b);

#endif
