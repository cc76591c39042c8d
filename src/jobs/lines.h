/* lines: turns the bytes of one pipe into lines fit for a client.
 *
 * Splits at \n, \r and \r\n; what is overwritten by a lone \r is a redraw, of which at most one in
 * PROGRESS_TEXT_MS is passed on and always the last. Terminal escapes are stripped (CSI, OSC, lone
 * ESC x), other control characters but tab become U+FFFD, invalid UTF-8 is replaced. Secrets are
 * masked on the whole line before anything is cut, so that no chunk border hides one. A line is
 * kept up to LIMIT_LINE bytes, shown up to LIMIT_LINE_SHOWN (cut on a character border, with "
 * …[cut N bytes]"). One thread, no I/O; memory bounded by LIMIT_LINE and a scratch of the same
 * order. */
#ifndef JOBS_LINES_H
#define JOBS_LINES_H

#include "jobs/redact.h"

#include <stddef.h>
#include <stdint.h>

struct lines;

/* `line` gets each finished line, valid UTF-8, without its end. `redact` may be NULL and must
 * outlive the splitter. */
struct lines *lines_new(const struct redact *redact,
                        void (*line)(void *arg, const char *text, size_t n), void *arg);
void lines_free(struct lines *l);
/* now_ms: a monotonic clock. May call back from inside. */
void lines_feed(struct lines *l, const char *p, size_t n, uint64_t now_ms);
/* The pipe has ended: the last line without an end is passed on. */
void lines_end(struct lines *l);

#endif
