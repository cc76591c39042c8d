#include "aio/crash.h"

#ifdef TEST_BUILD

#include <signal.h>
#include <string.h>
#include <unistd.h>

static const char *const names[CRASH_STEPS] = {
#define X(code, name) name,
#include "aio/crash.def"
#undef X
};
static enum crash_step wanted = CRASH_STEPS;

const char *crash_step_name(enum crash_step s)
{
    return names[s];
}

bool crash_at(const char *name)
{
    for (int i = 0; i < CRASH_STEPS; i++)
        if (strcmp(names[i], name) == 0)
            wanted = (enum crash_step)i;
    return wanted != CRASH_STEPS;
}

void crash_step(enum crash_step s)
{
    if (s == wanted)
        (void)kill(getpid(), SIGKILL);
}

#endif
