/* crash: places where a test has the process killed, to see what a start after it makes of what was
 * left. A build without -Dtests=enabled has none of it: crash_step is nothing. */
#ifndef AIO_TARGET_CRASH_H
#define AIO_TARGET_CRASH_H

#include <stdbool.h>

enum crash_step {
#define X(code, name) CRASH_##code,
#include "aio/target/crash.def"
#undef X
    CRASH_STEPS
};

#ifdef TEST_BUILD
/* Before any thread: the process is killed (SIGKILL) when it comes to the step for the first time,
 * or with "name:N" for the N-th. False: there is none of that name. */
bool crash_at(const char *name);
const char *crash_step_name(enum crash_step s);
void crash_step(enum crash_step s);
#else
#define crash_step(s) ((void)(s))
#endif

#endif
