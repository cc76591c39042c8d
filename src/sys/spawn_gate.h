/* spawn_gate: keeps children from being started for a moment.
 *
 * A library that makes descriptors which are not close-on-exec (libcurl's wake-up pair) would leak
 * them to a child that another thread starts before they are marked. Whoever calls such a library
 * outside the loop's thread closes the gate around it; sys/proc waits there. Held for microseconds;
 * nothing that blocks or calls back may happen meanwhile. Any thread. */
#ifndef SYS_SPAWN_GATE_H
#define SYS_SPAWN_GATE_H

void spawn_gate_close(void); /* waits for another holder */
void spawn_gate_open(void);

#endif
