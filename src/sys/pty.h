/* pty: a terminal of our own for one child that asks for passphrases on its terminal and nowhere
 * else.
 *
 * It never echoes and changes no byte. The child becomes a session leader (sys/proc), gets the
 * terminal as descriptor 3, and is started as `pty_program`, which makes it the session's terminal
 * and turns into the wanted program. Loop's thread only, but pty_main. */
#ifndef SYS_PTY_H
#define SYS_PTY_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

struct pty;

/* argv[0] of our own program (/proc/self/exe) that leads to pty_main; argv[1], an absolute path,
 * and what follows is what it becomes. */
#define PTY_PROGRAM "on-terminal"

/* `on_text`: what is written on the terminal, as it comes; pty_free may not be called in it.
 * ERR_UNAVAILABLE when the system gives no terminal. */
struct pty *pty_new(uv_loop_t *loop, void (*on_text)(void *arg, const char *p, size_t n), void *arg,
                    struct err *e);
int pty_child_fd(const struct pty *p); /* to be passed on; stays ours */
/* As if typed; all of it or nothing (false: the terminal is gone, or does not take so much). */
bool pty_send(struct pty *p, const void *bytes, size_t n);
/* The child, if it still lives, gets SIGHUP. NULL is a no-op. */
void pty_free(struct pty *p);

/* main() of PTY_PROGRAM. */
int pty_main(int argc, char **argv);

#endif
