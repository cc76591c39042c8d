/* borg_watch: the borgbackup container of a run: is it a new one, does it do what was meant, what
 * does its log say, how did it end? AIO deletes it and makes a new one for each operation, so that
 * everything about it is gone with the next. Pure but for memory; one thread. */
#ifndef AIO_RUN_BORG_WATCH_H
#define AIO_RUN_BORG_WATCH_H

#include "aio/config/config_file.h"
#include "aio/run/stages.h"
#include "aio/run/verdict.h"
#include "base/buf.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct borg_watch {
    char before_id[65];  /* what was there before, or "" */
    json_t *before;      /* its State, or NULL */
    char id[65];         /* the new one, or "" */
    bool found;          /* there is one, new or not */
    bool running, ended; /* of the new one */
    bool mode_as_meant, target_as_meant;
    int exit_code;
    bool oom;
    json_t *after; /* its State when it had ended */
    /* what its log said */
    bool initialised, succeeded, stats, discarded, update_failed;
    char reason[256], last[256], warning[256];
    struct buf tail; /* AIO_LOG_TAIL */
};

enum borg_change { BORG_SAME, BORG_BEGAN, BORG_DIED };

void borg_watch_init(struct borg_watch *b);
void borg_watch_done(struct borg_watch *b);
/* Begins anew: `inspect` is what is there before the run (borrowed), or NULL when nothing is. */
void borg_watch_begin(struct borg_watch *b, const json_t *inspect);
/* The same when only the id is known. */
void borg_watch_begin_id(struct borg_watch *b, const char *id);
/* What is there now (NULL: nothing). To be called until it says BORG_SAME. `mode` is "backup" or
 * "check", `target` what it should go to (NULL: not looked at; empty: not known). */
enum borg_change borg_watch_look(struct borg_watch *b, const json_t *inspect, const char *mode,
                                 const struct aio_target *target);
/* One line of its log. The stage that it tells of, or AIO_STAGE_NONE. */
enum aio_stage borg_watch_line(struct borg_watch *b, const char *line, size_t n);
/* What has been found, into the evidence; the script's part and the list's are left alone. */
void borg_watch_evidence(const struct borg_watch *b, bool log_read, struct aio_evidence *ev);

/* Appends a line to a tail that keeps the last of max bytes. */
void aio_tail_add(struct buf *tail, const char *line, size_t n);

#endif
