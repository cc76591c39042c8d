/* follow: everything that speaks during a run, at once: the script (an exec's stream, or the
 * mastercontainer's log when AIO runs by its own schedule), the borgbackup container's log, the
 * Engine's events of containers. Lines come whole, cleaned and with secrets masked.
 *
 * Streams break: proxies cut those that are silent, the Engine restarts. The log and the events are
 * taken up again where they ended; an exec cannot be, and what it still says is lost. Blocks; a
 * task's thread. The callbacks run inside any call of the engine: they must not ask it. */
#ifndef AIO_RUN_FOLLOW_H
#define AIO_RUN_FOLLOW_H

#include "docker/exec.h"
#include "jobs/redact.h"

#include <stdbool.h>
#include <stdint.h>

struct follow;

struct follow_event { /* of one container */
    char action[32];  /* "start", "die", "stop", "destroy", … */
    char name[128], id[65];
    int exit_code; /* of "die"; −1 unknown */
    int64_t time_ms;
};

struct follow_to {
    void (*script)(void *arg, bool is_stderr, const char *line, size_t n);
    void (*borg)(void *arg, const char *line, size_t n);
    void (*event)(void *arg, const struct follow_event *ev);
    void *arg;
};

/* `mask` must outlive it; it may grow meanwhile. `again_ms`: how long after its end a stream is
 * opened again. */
struct follow *follow_new(struct engine *en, const struct redact *mask, const struct follow_to *to,
                          unsigned again_ms, struct err *e);
void follow_free(struct follow *f); /* closes the streams; NULL is a no-op */

/* Begins the exec; from now on its lines come. */
bool follow_exec(struct follow *f, const struct whitelist *w, const struct exec_command *c,
                 char id[EXEC_ID], struct err *e);
/* Instead: what the mastercontainer's log says from then on. */
bool follow_script_log(struct follow *f, const char *master, int64_t since_ms, struct err *e);
/* The script's stream is open. After its end nothing comes of it any more. */
bool follow_script_open(const struct follow *f);

/* The borgbackup container's log from its beginning; opened again when it breaks. Another
 * container of that name begins anew. */
void follow_borg(struct follow *f, const char *container);
/* The container has died: the log's end is now an end. */
void follow_borg_died(struct follow *f);
/* The log was read to its end after the container died. */
bool follow_borg_read(const struct follow *f);

/* Waits until something was said, at most `ms`; opens again what has ended. False: the task is to
 * stop. */
bool follow_wait(struct follow *f, unsigned ms);

/* Monotonic, and Unix time. */
uint64_t follow_now_ms(void);
int64_t follow_unix_ms(void);

/* One line of the Engine's events; false when it is not about a container. */
bool follow_event_read(const char *line, size_t n, struct follow_event *out);

#endif
