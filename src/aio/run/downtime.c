#include "aio/run/downtime.h"

#include "aio/context.h"

#include <string.h>

static void set(struct downtime *d, bool apache, bool nextcloud, int64_t at_ms)
{
    d->up[0] = apache;
    d->up[1] = nextcloud;
    bool down = !apache || !nextcloud;
    if (down && !d->down)
        d->from_ms = at_ms;
    else if (!down && d->down && at_ms > d->from_ms)
        d->sum_ms += at_ms - d->from_ms;
    d->down = down;
}

void downtime_begin(struct downtime *d, bool apache_up, bool nextcloud_up, int64_t now_ms)
{
    *d = (struct downtime){.up = {true, true}};
    set(d, apache_up, nextcloud_up, now_ms);
}

void downtime_event(struct downtime *d, const char *name, bool up, int64_t at_ms)
{
    if (strcmp(name, AIO_APACHE_NAME) == 0)
        set(d, up, d->up[1], at_ms);
    else if (strcmp(name, AIO_NEXTCLOUD_NAME) == 0)
        set(d, d->up[0], up, at_ms);
}

void downtime_look(struct downtime *d, bool apache_up, bool nextcloud_up, int64_t since_ms,
                   int64_t now_ms)
{
    bool up = apache_up && nextcloud_up;
    set(d, apache_up, nextcloud_up, up && since_ms > d->from_ms ? since_ms : now_ms);
}

int64_t downtime_ms(const struct downtime *d, int64_t now_ms)
{
    return d->sum_ms + (d->down && now_ms > d->from_ms ? now_ms - d->from_ms : 0);
}
