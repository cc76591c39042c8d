/* downtime: how long Nextcloud did not run, from the events of its containers and from looks at
 * them. It is down while apache or nextcloud does not run. Unix milliseconds. Pure. */
#ifndef AIO_RUN_DOWNTIME_H
#define AIO_RUN_DOWNTIME_H

#include <stdbool.h>
#include <stdint.h>

struct downtime {
    bool up[2];      /* apache, nextcloud */
    bool down;       /* now … */
    int64_t from_ms; /* … since */
    int64_t sum_ms;  /* of what is over */
};

void downtime_begin(struct downtime *d, bool apache_up, bool nextcloud_up, int64_t now_ms);
/* A container's "start" or "die". */
void downtime_event(struct downtime *d, const char *name, bool up, int64_t at_ms);
/* How it is now, whatever was heard; `since_ms`: when the later of both was started (or 0). */
void downtime_look(struct downtime *d, bool apache_up, bool nextcloud_up, int64_t since_ms,
                   int64_t now_ms);
int64_t downtime_ms(const struct downtime *d, int64_t now_ms);

#endif
