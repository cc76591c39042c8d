/* probes: what is known of the machine: borgmatic and borg, directories, keys. Looked at when we start
 * and every PROBES_EVERY_MS, or when a program's file changes; requests read what was last seen.
 * Loop's thread only; files are looked at on a worker thread. */
#ifndef API_PROBES_H
#define API_PROBES_H

#include "backup/borgmatic.h"
#include "base/err.h"
#include "config.h"

#include <stdbool.h>
#include <uv.h>

struct probes;

/* `path` and `env` (of children) outlive it. The first look begins at once. */
struct probes *probes_new(uv_loop_t *loop, const struct config *c, const char *path,
                          const char *const *env, struct err *e);
/* Calls that wait are dropped; frees itself when its handles are gone. NULL is a no-op. */
void probes_close(struct probes *p);

/* The tools, as soon as they are known: `known` runs once, at once when they are, else from the loop. */
void probes_tools(struct probes *p, void (*known)(void *arg, const struct borgmatic_tools *t),
                  void *arg);

#endif
