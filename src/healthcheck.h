/* healthcheck: asks the daemon of the same settings whether it is alive (GET /health/public), for
 * Docker's HEALTHCHECK. Exit code 0 or 1; a line on stderr says why not. Bounded by a few seconds.
 */
#ifndef HEALTHCHECK_H
#define HEALTHCHECK_H

int healthcheck(void);

#endif
