/* entry: one line of borg's listing of an archive, and the listing as it comes from a pipe.
 *
 * borg's JSON, and its verbatim "{bpath}" as well, show a name that is no UTF-8 with '?'; only
 * Python's own notation ("!a": ASCII, every other character escaped) keeps all bytes, and a line
 * end in a name stays within its line. ENTRY_FORMAT asks for that. What comes is outside bytes: a
 * line that is not exactly of this form is counted and left out. Pure. */
#ifndef BACKUP_ARCHIVES_ENTRY_H
#define BACKUP_ARCHIVES_ENTRY_H

#include "base/buf.h"
#include "base/jsonw.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ENTRY_FORMAT \
    "{type} {mode} {uid} {gid} {size} {isomtime} {user!a} {group!a} {source!a} {bpath!a}{NL}"
/* The same and the contents' SHA-256 in front, for which borg reads them. */
#define ENTRY_FORMAT_HASHED "{sha256} " ENTRY_FORMAT

struct entry {
    char type; /* as in ls: '-', 'd', 'l', 'p', 'c', 'b', 's' */
    bool hard_link;
    unsigned mode; /* permissions, 07777 */
    int64_t uid, gid, size;
    char mtime[32];           /* "2026-11-25T15:49:44.315521Z" */
    char sha256[65];          /* in hex; "" when it was not asked for or has no contents */
    const char *user, *group; /* "" when the archive holds no name */
    const char *target;       /* of a symbolic or hard link, else ""; '?' for what is no UTF-8 */
    const char *path;         /* the bytes; never "" */
};

/* Takes a line of either format apart, in place: the strings point into it. False when it is no
 * entry. */
bool entry_parse(char *line, struct entry *out);
/* Its time in microseconds since 1970; -1 when there is no such time. */
int64_t entry_mtime_us(const struct entry *e);
/* Decodes a quoted text of Python's (ascii() or json.dumps) at s, in place: its bytes are then at s
 * + 1. Returns what is behind the closing quote, or NULL. */
char *entry_unquote(char *s);
/* "file", "directory", "symlink", "fifo", "char_device", "block_device", "socket", "other". */
const char *entry_type_word(char type);

/* The object {"path"[,"lossy","path_encoded"],"name","type",…}. `implied`: a folder that the
 * archive holds no entry of its own for; what it would say is left out. */
void entry_write(struct jsonw *w, const struct entry *e, bool implied);

struct entry_lines {
    struct buf line;
    size_t bad; /* lines that were none */
    void (*each)(void *arg, const struct entry *e);
    void *arg;
};
void entry_lines_init(struct entry_lines *l, void (*each)(void *arg, const struct entry *e),
                      void *arg);
void entry_lines_done(struct entry_lines *l);
/* The next bytes; `each` runs for every line that is complete. */
void entry_lines_feed(struct entry_lines *l, const char *p, size_t n);
/* True when all that came were whole lines of the form. */
bool entry_lines_sound(const struct entry_lines *l);

#endif
