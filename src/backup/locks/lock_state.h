/* lock_state: borg's lock on one repository, as found, and the text that borg keeps it in.
 *
 * A writer is a file "HOST@NODE.PID-THREAD" in REPO/lock.exclusive; readers stand in
 * REPO/lock.roster: {"shared": [["HOST@NODE", PID, THREAD], …]}. Both are bytes from outside. Pure;
 * any thread. */
#ifndef BACKUP_LOCKS_LOCK_STATE_H
#define BACKUP_LOCKS_LOCK_STATE_H

#include "base/err.h"
#include "base/jsonw.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LOCK_HOST_MAX = 255, LOCK_ENTRIES = 16 };

/* Borg's own words about a holder: dead is proven (this host, and no such process), alive is a
 * process of that number on this host; about another host nothing is known. */
enum lock_life { LOCK_UNKNOWN, LOCK_ALIVE, LOCK_DEAD };

struct lock_entry {
    char
        host[LOCK_HOST_MAX + 1]; /* "vm@3281355014145"; a name that is none of borg's stays whole */
    bool malformed;              /* then only host is set */
    int64_t pid, thread;
    int64_t since; /* Unix time; 0: not known */
    enum lock_life life;
};

enum lock_word { LOCK_NOT_KNOWN, LOCK_FREE, LOCK_LOCKED };

struct lock_state {
    enum lock_word word;
    const char *method; /* "files", "borg", "job": what it is known from; static, or NULL */
    bool readers_seen;  /* the holders listed are all; false: they cannot be seen from here */
    bool more;          /* there are more holders than have room */
    size_t exclusive_count, shared_count;
    struct lock_entry exclusive[LOCK_ENTRIES], shared[LOCK_ENTRIES];
    char problem[384]; /* why it is not known, or "" */
};

/* The parts of a file's name in lock.exclusive. One that borg would not understand comes out as
 * malformed: it still holds the lock. */
void lock_entry_of_name(const char *name, struct lock_entry *out);
/* The readers in the roster's text, into shared; true also when `exclusive` (may be NULL) stands in
 * its list of writers. What is no roster counts for borg, and here, as an empty one. */
bool lock_roster_read(const char *text, size_t n, struct lock_state *out,
                      const struct lock_entry *exclusive);

/* Every holder is proven dead: borg itself would take the lock away. False when there is none. */
bool lock_all_dead(const struct lock_state *s);

/* May the lock be broken? By force always, where there is one or may be one; else only when all
 * its holders are proven dead. */
enum lock_ruling { LOCK_NOTHING_TO_BREAK, LOCK_MAY_BREAK, LOCK_IN_USE, LOCK_UNPROVEN };
enum lock_ruling lock_rule(const struct lock_state *s, bool force);
enum err_code lock_ruling_error(enum lock_ruling r); /* of the last two; else ERR_NONE */

/* A holder in `after` that is not in `before`: somebody took the lock meanwhile. */
bool lock_taken_anew(const struct lock_state *before, const struct lock_state *after);
/* Members: "state", "exclusive", "shared", "stale", "detection_method", "problem". */
void lock_state_write(const struct lock_state *s, struct jsonw *w);
/* One holder as an object. */
void lock_entry_write(const struct lock_entry *e, struct jsonw *w);

#endif
