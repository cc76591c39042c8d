/* serve: the daemon: builds struct app in order, runs the loop, goes down gracefully, tears down in
 * reverse. Returns an exit code of sysexits.h: 0 after a graceful end, 78 for settings that cannot
 * be. */
#ifndef SERVE_H
#define SERVE_H

int serve(void);

#endif
