/* frames: the Engine's multiplexed stream (Docker docs, "Engine API", attach: "Stream format"): an
 * 8-byte head {type,0,0,0,length big-endian} before each piece of stdout or stderr.
 *
 * Fed in pieces split anywhere, it hands on the payload without keeping it, so a length that lies
 * costs nothing. Pure; one thread. */
#ifndef DOCKER_FRAMES_H
#define DOCKER_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FRAME_HEAD = 8 };

struct frames { /* starts zeroed */
    unsigned char head[FRAME_HEAD];
    unsigned have; /* bytes of the head */
    uint32_t left; /* of the payload */
    bool broken;
};

/* `data` gets each piece; false from it ends the feeding. False: this is no such stream (and will
 * not become one). Types 0 (stdin) and 1 are stdout, 2 and 3 (the Engine's own errors) stderr. */
bool frames_feed(struct frames *f, const char *p, size_t n,
                 bool (*data)(void *arg, bool is_stderr, const char *p, size_t n), void *arg);
/* Whether an end here is an end between two frames. */
bool frames_whole(const struct frames *f);

#endif
