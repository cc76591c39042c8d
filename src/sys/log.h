/* log: one JSON line per event on stdout.
 *
 * Lines are gathered and written once a turn of the loop (LOG_BUFFER bytes at most wait; past it
 * lines are dropped and counted, and the count is logged), so that a slow reader of our output
 * never stops us. Only api, main, the job runner and docker/exec log; other modules return their
 * errors. A struct secret cannot be passed. log_event: any thread; the rest: the loop's. */
#ifndef SYS_LOG_H
#define SYS_LOG_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

enum log_level { LOG_L_DEBUG, LOG_L_INFO, LOG_L_NOTICE, LOG_L_WARNING, LOG_L_ERROR };

bool log_level_parse(const char *word, enum log_level *level);
/* Before it, lines are written at once. */
void log_start(uv_loop_t *loop, enum log_level level);
/* Writes what waits (blocking up to a second) and closes the handles. */
void log_stop(void);
bool log_wants(enum log_level level);

/* log_event(LOG_L_INFO, "job_started", "job", id, "pid", log_int(pid, tmp), NULL): an event name
 * and NULL-terminated pairs of key and string; a NULL value leaves the pair out. */
__attribute__((sentinel)) void log_event(enum log_level level, const char *event, ...);
/* Decimal text of v in buf (at least 24 bytes), for log_event. */
const char *log_int(int64_t v, char *buf);

#endif
