#include "aio/job/halt.h"

#include "base/json.h"
#include "sys/mountinfo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

/* AIO's order, by the names behind the common prefix. Containers of the community are apache's
 * dependencies and come where the empty name stands. */
static const struct {
    const char *name;
    int grace_s; /* 0: its own */
} order[] = {
    {"collabora", 0},
    {"apache", 0},
    {"", 0},
    {"onlyoffice", 0},
    {"eurooffice", 0},
    {"talk", 0},
    {"notify-push", 0},
    {"whiteboard", 0},
    {"harp", 0},
    {"nextcloud", 600},
    {"database", 1800},
    {"redis", 0},
    {"clamav", 0},
    {"fulltextsearch", 0},
    {"talk-recording", 0},
    {"imaginary", 0},
    {"docker-socket-proxy", 0},
};
enum { ORDER = sizeof order / sizeof *order, COMMUNITY = 2 };

static int64_t now_ms(void)
{
    struct timeval tv;
    (void)gettimeofday(&tv, NULL);
    return (int64_t)tv.tv_sec * 1000 + tv.tv_usec / 1000;
}

/* ---- which, and in what order ---- */

static size_t place(const char *name)
{
    for (size_t i = 0; i < ORDER; i++)
        if (strcmp(name + strlen(AIO_NAME_PREFIX), order[i].name) == 0)
            return i;
    return COMMUNITY;
}

static int by_place(const void *a, const void *b)
{
    const struct halt_step *one = a, *two = b;
    size_t i = place(one->name), k = place(two->name);
    return i != k ? (i < k ? -1 : 1) : strcmp(one->name, two->name);
}

void halt_sort(struct halt_step *steps, size_t n)
{
    qsort(steps, n, sizeof *steps, by_place);
}

bool halt_concerns(const char *name, const char *master)
{
    static const char *const others[] = {AIO_MASTER_NAME, AIO_BORG_NAME, AIO_WATCHTOWER_NAME,
                                         AIO_NAME_PREFIX "domaincheck"};
    if (strncmp(name, AIO_NAME_PREFIX, strlen(AIO_NAME_PREFIX)) != 0 || strcmp(name, master) == 0)
        return false;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strcmp(name, others[i]) == 0)
            return false;
    return true;
}

/* AIO tells the Engine the grace with each stop; a container's own may be longer, never shorter. */
static int grace_of(struct engine *en, const char *name)
{
    struct err ignored;
    int wanted = order[place(name)].grace_s;
    if (!wanted)
        return -1;
    json_t *seen = engine_inspect(en, name, &ignored);
    int64_t own = json_get_int(json_object_get(seen, "Config"), "StopTimeout", 0);
    json_decref(seen);
    return own > wanted && own < INT32_MAX ? (int)own : wanted;
}

/* The id of the container that we run in ourselves, from what Docker mounts into it, or "": ours
 * may bear a name of AIO's. */
static void own_container(char out[65])
{
    static const char before[] = "/containers/";
    struct mountinfo m;
    out[0] = '\0';
    const char *at = mountinfo_find("/etc/hostname", &m) ? strstr(m.root, before) : NULL;
    if (at && strspn(at + strlen(before), "0123456789abcdef") == 64)
        (void)snprintf(out, 65, "%.64s", at + strlen(before));
}

static void add(struct halt *h, const struct aio_container *c, const struct aio_context *x,
                const char *own)
{
    if (!aio_container_active(c))
        return;
    if (!halt_concerns(c->name, x->whitelist.master) || strcmp(c->id, own) == 0) {
        (void)snprintf(h->left[h->left_count++], sizeof h->left[0], "%s", c->name);
        return;
    }
    struct halt_step *s = &h->steps[h->count++];
    *s = (struct halt_step){.state = HALT_WAITING, .exit_code = -1};
    (void)snprintf(s->name, sizeof s->name, "%s", c->name);
}

bool halt_plan(struct engine *en, const struct aio_context *x, struct halt *out, struct err *e)
{
    struct aio_look look;
    char own[65];
    *out = (struct halt){0};
    own_container(own);
    if (!aio_look(en, x, &look, e))
        return false;
    out->found = look.master_found || look.count;
    out->stack_up = look.stack_up;
    if (!aio_look_busy(&look, &out->busy))
        out->busy = NULL;
    for (size_t i = 0; i < look.count; i++)
        add(out, &look.containers[i], x, own);
    halt_sort(out->steps, out->count);
    for (size_t i = 0; i < out->count; i++)
        out->steps[i].grace_s = grace_of(en, out->steps[i].name);
    return true;
}

/* ---- stopping ---- */

static void stop(struct engine *en, struct halt_step *s)
{
    struct err e = {0};
    int64_t began = now_ms();
    bool ok = engine_stop(en, s->name, s->grace_s, &e) || e.code == ERR_CONTAINER_NOT_FOUND;
    s->ms = now_ms() - began;
    s->state = ok ? HALT_STOPPED : HALT_FAILED;
    (void)snprintf(s->problem, sizeof s->problem, "%.255s", ok ? "" : e.msg);
}

/* What the Engine answered is one thing, what runs afterwards another. */
static bool verify(struct engine *en, const struct aio_context *x, struct halt *h, struct err *e)
{
    struct aio_look look;
    if (!aio_look(en, x, &look, e))
        return false;
    for (size_t i = 0; i < h->count; i++) {
        struct halt_step *s = &h->steps[i];
        const struct aio_container *c = aio_look_find(&look, s->name);
        bool runs = c && aio_container_active(c);
        s->exit_code = c && !runs ? c->exit_code : -1;
        if (!runs) {
            s->state = HALT_STOPPED;
        } else if (s->state == HALT_STOPPED) {
            s->state = HALT_FAILED;
            (void)snprintf(s->problem, sizeof s->problem, "it was stopped and runs again");
        }
    }
    if (!aio_look_busy(&look, &h->busy))
        h->busy = NULL;
    return true;
}

bool halt_run(struct engine *en, const struct aio_context *x, struct halt *h,
              void (*tell)(void *arg, const struct halt_step *s), void *arg, struct err *e)
{
    for (size_t i = 0; i < h->count; i++) {
        if (!engine_wait(en, 0))
            return err_set(e, ERR_INTERRUPTED, "it was interrupted before all had stopped");
        if (tell)
            tell(arg, &h->steps[i]);
        stop(en, &h->steps[i]);
        if (tell)
            tell(arg, &h->steps[i]);
    }
    return verify(en, x, h, e);
}
