/* verdict_internal: what a verdict has collected; for verdict*.c only. */
#ifndef BACKUP_CREATE_VERDICT_INTERNAL_H
#define BACKUP_CREATE_VERDICT_INTERNAL_H

#include "backup/create/verdict.h"
#include "backup/create/verdict_cause.h"

enum { DETAIL_MAX = 200 };

struct verdict {
    bool exited;
    int code, signal;
    const struct verdict_cause *cause; /* the best explanation so far, or NULL */
    char detail[DETAIL_MAX + 1];       /* borg's words for it, one line */
    bool closed;                       /* the connection broke and nothing said why */
    char *lock;                        /* its path, when borg could not get it */
    char holder[DETAIL_MAX + 1];
    char *messages[VERDICT_MESSAGES_MAX];
    size_t message_count; /* seen; at most VERDICT_MESSAGES_MAX are kept */
    struct {
        char *path;
        const char *reason;
    } files[VERDICT_FILES_MAX];
    size_t file_count;
    bool told, expected, read; /* what verdict_archive said */
    json_t *archive;
    char why[DETAIL_MAX + 1];
    const char *done_word, *done_sentence; /* what verdict_expect said, or NULL */
    const struct verdict_faults *faults;   /* or NULL */
    char closed_word[48];                  /* word of verdict_closed, or "" */
    enum err_code closed_api;
};

/* Fills `out`; a sentence too long is cut, never inside a character. */
__attribute__((format(printf, 5, 6))) void verdict_say(struct verdict_result *out,
                                                       enum verdict_state state, const char *word,
                                                       enum err_code api, const char *fmt, ...);

#endif
