/* shim_lines: borg's stderr, line by line, to the daemon and to borgmatic.
 *
 * The daemon gets every JSON line (progress at a bounded pace: what is held back is sent when its
 * time has come, or before the kind of progress ends) and every other line as text. borgmatic gets
 * what it asked for: the JSON lines themselves, or the text that borg would have written without
 * --log-json. Pure but for its two sinks; the clock is passed in. */
#ifndef BACKUP_CONTROL_SHIM_LINES_H
#define BACKUP_CONTROL_SHIM_LINES_H

#include "backup/control/control_msg.h"
#include "base/buf.h"
#include "limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct shim_progress {
    char key[64]; /* "" is free */
    uint64_t sent_ms;
    struct buf held; /* the newest line that was not sent, empty: none */
};

struct shim_lines {
    /* settings, by the owner */
    bool raw;          /* borgmatic reads JSON lines */
    bool raw_progress; /* … those of progress too */
    bool hide_stats;   /* --stats was not borgmatic's wish */
    /* CONTROL_JSON or CONTROL_TEXT for the daemon; progress may be dropped */
    void (*send)(void *arg, enum control_msg_type type, const char *p, size_t n, bool dropped);
    void (*emit)(void *arg, const char *p, size_t n); /* bytes for borgmatic's stderr */
    void *arg;
    /* learnt from --stats; "" until seen */
    char repository[1024], archive[512], id[80];
    /* own */
    struct buf line;
    bool cutting; /* the line is longer than LIMIT_LINE: its rest is skipped */
    struct shim_progress progress[CONTROL_PROGRESS_IDS];
};

void shim_lines_init(struct shim_lines *l);
void shim_lines_done(struct shim_lines *l);
void shim_lines_feed(struct shim_lines *l, const char *p, size_t n, uint64_t now_ms);
/* Milliseconds until something held back is due; −1: nothing is. */
int shim_lines_due(const struct shim_lines *l, uint64_t now_ms);
/* Sends what is due. */
void shim_lines_tick(struct shim_lines *l, uint64_t now_ms);
/* borg has closed its end: the last line need not have ended with a newline. */
void shim_lines_end(struct shim_lines *l, uint64_t now_ms);

#endif
