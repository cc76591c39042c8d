/* stall: has a run moved lately? The clock is the caller's (monotonic milliseconds). Pure. */
#ifndef AIO_RUN_STALL_H
#define AIO_RUN_STALL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct stall {
    uint64_t moved_ms; /* when something moved last */
    uint64_t bytes;    /* of the container's I/O so far */
    bool stalled;
    char line[192]; /* the script's last line: its waiting loops print the same one for ever */
};

enum stall_change { STALL_NONE, STALL_BEGAN, STALL_OVER };

void stall_init(struct stall *s, uint64_t now_ms);
void stall_moved(struct stall *s, uint64_t now_ms);
/* A line of the script: the same one again is no movement. */
void stall_line(struct stall *s, const char *line, uint64_t now_ms);
/* The container's I/O so far (stall_io): other than before is movement. */
void stall_bytes(struct stall *s, uint64_t bytes, uint64_t now_ms);
/* Whether it has stalled, or moves again, since the last look; each is said once. */
enum stall_change stall_look(struct stall *s, uint64_t now_ms, uint64_t limit_ms);

/* Bytes read and written on disks and networks, of the Engine's answer to "stats". */
uint64_t stall_io(const json_t *stats);

#endif
