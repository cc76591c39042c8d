/* faulty: makes SQLite's own calls to the outside fail on purpose: writes, syncs, truncations and
 * opens (a shim over the default VFS) and allocations. Install before the first use of SQLite; any
 * thread. A failing write leaves half of its bytes behind, as a full disk does. */
#ifndef TORTURE_FAULTY_H
#define TORTURE_FAULTY_H

#include <stdbool.h>

enum fault {
    FAULT_NONE,
    FAULT_WRITE_FULL,  /* SQLITE_FULL */
    FAULT_WRITE_ERROR, /* SQLITE_IOERR_WRITE */
    FAULT_SYNC,
    FAULT_TRUNCATE,
    FAULT_OPEN,
    FAULT_MEMORY,
};

void faulty_install(void);
/* From now the n-th such call (1 = the next) and `times - 1` after it fail. */
void faulty_arm(enum fault fault, unsigned long n, unsigned long times);
/* Nothing fails any more; true when something had. */
bool faulty_disarm(void);
/* Calls of the armed sort since it was armed. */
unsigned long faulty_calls(void);

#endif
