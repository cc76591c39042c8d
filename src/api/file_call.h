/* file_call: a request that is answered by work on files, which runs on a worker thread. Lives in
 * the request's arena. Loop's thread, but for `work`. */
#ifndef API_FILE_CALL_H
#define API_FILE_CALL_H

#include "api/call.h"

struct file_call {
    struct call *c;
    int status; /* of success; 0: 200 */
    /* On a worker thread: appends JSON members (no braces), or fills `e`. */
    bool (*work)(struct file_call *f, struct buf *members, struct err *e);
    /* On the loop before the answer, for an audit line: done or not. May be NULL. */
    void (*after)(struct file_call *f, bool done);
    /* For `work`, borrowed or in the arena. */
    const char *dir, *label, *path, *comment;
    bool flag;
    const void *data;
    /* file_call's own */
    uv_work_t request;
    struct buf members;
    struct err e;
    bool ok;
};

/* Copied into the request's arena, done, answered. */
void file_call(struct call *c, const struct file_call *f);

#endif
