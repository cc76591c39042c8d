/* exec: a whitelisted command executed in a container, without a terminal and without Upgrade.
 *
 * Every exec passes docker/whitelist here and nowhere else, is logged
 * (an event "docker_exec": "[SECURITY] docker exec validated: container=…, command=…") and told to
 * `audit`. Closing the stream does not stop the command; an exec cannot be attached to again, and
 * one that ended a while ago is forgotten by the Engine (moby: five minutes). Thread: the engine's.
 */
#ifndef DOCKER_EXEC_H
#define DOCKER_EXEC_H

#include "docker/engine.h"
#include "docker/whitelist.h"

struct exec_command {
    const char *container;
    const char *const *argv, *const *env; /* NULL-terminated; env "KEY=value", may be NULL */
    /* Told of each exec that passes, before it is created; may be NULL. */
    void (*audit)(void *arg, const char *container, const char *command);
    void *audit_arg;
};

enum { EXEC_ID = 80 };

/* Creates and starts it; what it prints goes to the sink. `id` gets the Engine's id. */
struct engine_stream *exec_start(struct engine *en, const struct whitelist *w,
                                 const struct exec_command *c, const struct engine_sink *sink,
                                 char id[EXEC_ID], struct err *e);

struct exec_state {
    bool known; /* false: the Engine has forgotten it (container gone, or long over) */
    bool running;
    int code; /* when it is over; −1 unknown */
};
bool exec_inspect(struct engine *en, const char *id, struct exec_state *out, struct err *e);

/* May commands be executed, as far as a proxy has a say? Asked by starting an exec that does not
 * exist, which the Engine refuses with "no such". False and `e`; engine_hint says what to allow. */
bool exec_permitted(struct engine *en, struct err *e);

/* Runs it to its end or for `ms`, keeping at most `max` bytes of each stream (the tail).
 * ERR_TIMEOUT says that it goes on. */
struct exec_result {
    char *out, *err; /* mem_free; "" when empty */
    int code;        /* −1 unknown */
};
bool exec_run(struct engine *en, const struct whitelist *w, const struct exec_command *c,
              unsigned ms, size_t max, struct exec_result *out, struct err *e);

#endif
