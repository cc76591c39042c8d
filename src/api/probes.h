/* probes: what is known of the outside, asked off the request path: borgmatic's and borg's
 * versions, Docker's, the folders of the settings. At the start, when a program's file has changed,
 * and every few minutes. Loop's thread; the folders are looked at on a worker thread. */
#ifndef API_PROBES_H
#define API_PROBES_H

#include "backup/run/borgmatic.h"
#include "base/err.h"
#include "config.h"
#include "sys/task.h"

#include <stdbool.h>
#include <uv.h>

struct probes;

/* `path` and `env` (NULL-terminated) are those of children; they and the config must outlive it.
 * `*tasks` is looked at whenever Docker is asked; NULL in it: it is not. The first look begins with
 * the loop. */
struct probes *probes_new(uv_loop_t *loop, const struct config *set, struct tasks *const *tasks,
                          const char *path, const char *const *env, struct err *e);
/* Who waits is dropped; frees itself when nothing of it is under way. NULL is a no-op. */
void probes_close(struct probes *p);

/* What is installed: `known` runs once, at once when it is known, else from the loop. When too many
 * wait, or nothing can be asked, `t->problem` says so. */
void probes_tools(struct probes *p, void (*known)(void *arg, const struct borgmatic_tools *t),
                  void *arg);

struct probes_view {
    double checked; /* Unix time of the last look; 0: none yet */
    /* what is wrong, or "" */
    const char *borgmatic_problem, *config_problem, *ssh_problem, *docker_problem;
    const char *borgmatic_details, *docker, *docker_details;
    const char *borgmatic_version, *borg_version; /* "1.9.14", or "" */
};
/* Pointers are borrowed until the loop turns. */
void probes_look(const struct probes *p, struct probes_view *v);

#endif
