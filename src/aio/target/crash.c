#include "aio/target/crash.h"

#ifdef TEST_BUILD

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const names[CRASH_STEPS] = {
#define X(code, name) name,
#include "aio/target/crash.def"
#undef X
};
static enum crash_step wanted = CRASH_STEPS;
static unsigned long left = 1; /* comings to it until the end; a task's thread, one at a time */

const char *crash_step_name(enum crash_step s)
{
    return names[s];
}

bool crash_at(const char *name)
{
    size_t n = strcspn(name, ":");
    for (int i = 0; i < CRASH_STEPS; i++)
        if (strlen(names[i]) == n && memcmp(names[i], name, n) == 0)
            wanted = (enum crash_step)i;
    left = name[n] ? strtoul(name + n + 1, NULL, 10) : 1;
    return wanted != CRASH_STEPS && left > 0;
}

void crash_step(enum crash_step s)
{
    if (s == wanted && --left == 0)
        (void)kill(getpid(), SIGKILL);
}

#endif
