#include "sys/spawn_gate.h"

#include <pthread.h>

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

void spawn_gate_close(void)
{
    (void)pthread_mutex_lock(&gate);
}

void spawn_gate_open(void)
{
    (void)pthread_mutex_unlock(&gate);
}
