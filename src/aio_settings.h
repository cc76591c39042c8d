/* aio_settings: what AIO's workflow needs to know (aio/context), made from the settings once. */
#ifndef AIO_SETTINGS_H
#define AIO_SETTINGS_H

#include "aio/context.h"
#include "base/err.h"
#include "config.h"

struct aio_settings_kept {
    char *roots, *hosts; /* the lists, cut into their parts */
};

/* `out` borrows from `c` and `kept`, which must outlive it. ERR_BAD_REQUEST naming the setting for
 * a list that is too long or names no absolute paths. */
bool aio_settings_build(const struct config *c, struct aio_settings_kept *kept,
                        struct aio_context *out, struct err *e);
void aio_settings_done(struct aio_settings_kept *kept);

#endif
