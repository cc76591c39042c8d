/* verdict: what really came of one borg, or of the whole run, from evidence.
 *
 * Collects borg's messages while it runs (message ids first, text second: borgmatic.md's table),
 * its exit code, and what was found afterwards; then says one word, one sentence, and the status
 * with which an awaited request is answered. Pure. */
#ifndef BACKUP_CREATE_VERDICT_H
#define BACKUP_CREATE_VERDICT_H

#include "base/buf.h"
#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum verdict_state { VERDICT_SUCCEEDED, VERDICT_WARNING, VERDICT_FAILED };

enum { VERDICT_FILES_MAX = 50, VERDICT_MESSAGES_MAX = 20 };

struct verdict; /* collects for one borg run (one repository) */

struct verdict *verdict_new(void);
void verdict_free(struct verdict *v);
/* A message from borg (control's on_message): errors, warnings with the file concerned, questions.
 */
void verdict_message(struct verdict *v, const json_t *message);
/* A line that was no JSON ("Permission denied (publickey).", a traceback, …). */
void verdict_text(struct verdict *v, const char *line, size_t n);
void verdict_exit(struct verdict *v, int code, int signal);
/* borg closed the connection and lost ssh's reason: our own probe is wanted. */
bool verdict_wants_probe(const struct verdict *v);
/* What the probe found: a word of ssh_probe.h and a sentence. */
void verdict_probe(struct verdict *v, const char *word, const char *sentence);
/* The path of the lock that borg could not get, or NULL; on the server when the repository is
 * remote. Borrowed. */
const char *verdict_lock(const struct verdict *v);
/* Who holds it (lock_holder.h); joins the sentence. */
void verdict_lock_holder(struct verdict *v, const char *words);
/* The archive as read back from borg: JSON of one element of `borg info --json`'s archives, or NULL
 * when it is not there. expected=false: this run need not make one (dry run). `read` false: it
 * could not be read, `why` says so (then a success becomes a warning `unverified`). */
void verdict_archive(struct verdict *v, bool expected, bool read, const json_t *archive,
                     const char *why);

/* This run makes no archive: what it is called when borg ended well. Static strings. */
void verdict_expect(struct verdict *v, const char *word, const char *sentence);

/* Where a warning's exit code means that borg found what it looked for (check); static. */
struct verdict_faults {
    const char *found_word, *found_sentence; /* a failure */
    const char *mended_word,
        *mended_sentence; /* borg ended with 0, but spoke of errors: a warning */
};
void verdict_faults(struct verdict *v, const struct verdict_faults *f); /* NULL: no such thing */

/* A dry run opens no repository; it was asked afterwards and could not be opened: that is a
 * failure. `word` and `api` say which. */
void verdict_closed(struct verdict *v, const char *word, enum err_code api, const char *why);

struct verdict_result {
    enum verdict_state state;
    char word[48];     /* "archive_created", "dry_run_ok", "created_with_warnings", "unverified",
                          "wrong_passphrase", "no_passphrase", "repository_locked",
                          "repository_not_found", "connection_refused", "host_unreachable",
                          "host_key_changed", "host_key_unknown", "ssh_auth_failed", "disk_full",
                          "borg_killed", "archive_missing", "skipped_by_hook", "hook_failed",
                          "borg_failed", … */
    enum err_code api; /* ERR_NONE for succeeded and warning; else what an awaited request gets */
    char sentence[384];
};
void verdict_result(const struct verdict *v, struct verdict_result *out);
/* {"word","sentence","evidence":{"exit_code","signal","messages":[…],"files":[…],"archive":{…}}} */
void verdict_json(const struct verdict *v, struct buf *out);

/* The run as a whole: borgmatic's exit code, the text it printed last on stderr, and how many borg
 * runs there were. Used when no borg ran or borgmatic failed by itself (hook failed or soft-failed,
 * config broken). `worst` is the worst of the repositories' results (NULL: none). */
void verdict_of_run(int borgmatic_code, int borgmatic_signal, const char *stderr_tail,
                    const struct verdict_result *worst, size_t borg_runs, size_t repositories,
                    bool dry_run, struct verdict_result *out);

#endif
