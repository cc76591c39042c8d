/* auth_fail: wrong tokens counted by address, in a table that cannot grow.
 *
 * The address's hash, keyed so that nobody can choose it, picks a set of a few places; the oldest
 * in the set gives way. IPv6 is counted by /64: who has one address there has them all. */
#ifndef API_AUTH_FAIL_H
#define API_AUTH_FAIL_H

#include "limits.h"

#include <stddef.h>
#include <stdint.h>

enum { AUTH_FAIL_WAYS = 4 };

struct auth_fail {
    unsigned char key[16];
    struct auth_fail_place {
        uint64_t address; /* keyed hash, 0: empty */
        uint64_t since_ms;
        unsigned count;
    } places[AUTH_FAIL_TABLE];
};

void auth_fail_init(struct auth_fail *f);
/* Counts one. 0 when it is within AUTH_FAIL_MAX, else the seconds until the window ends. */
unsigned auth_fail_add(struct auth_fail *f, const char *address, uint64_t now_ms);

#endif
