#include "api/handlers/aio_read.h"

#include "aio/look/service.h"
#include "aio/preflight/preflight.h"
#include "api/engine_call.h"

#include <stdio.h>
#include <string.h>

enum { SHOWN_HINT = 320, TARGETS_MAX = 8 };

/* What a task asks, and what came of it; in the request's arena. */
struct asked {
    const struct aio_context *x;
    struct preflight_wants wants;
    struct aio_target targets[TARGETS_MAX];
    bool ok;
    struct err e;
    char hint[SHOWN_HINT];
    union {
        struct aio_look look;
        struct aio_service service;
        struct preflight preflight;
    };
};

static struct asked *new_asked(struct call *c)
{
    struct asked *a = call_alloc(c, sizeof *a);
    if (a)
        a->x = &c->app->aio;
    return a;
}

/* The answer ends the arena, and with it `a`. */
static bool answered_as_fault(struct call *c, const struct asked *a)
{
    if (a->ok)
        return false;
    call_engine_error(c, &a->e, a->hint);
    return true;
}

static void keep_hint(struct asked *a, const struct engine *en)
{
    (void)snprintf(a->hint, sizeof a->hint, "%s", engine_hint(en));
}

/* ---- containers ---- */

static void ask_containers(struct engine *en, void *data)
{
    struct asked *a = data;
    a->ok = aio_look(en, a->x, &a->look, &a->e);
    keep_hint(a, en);
}

static void show_containers(struct call *c, void *data)
{
    const struct asked *a = data;
    struct buf b;
    struct jsonw w;
    if (answered_as_fault(c, a))
        return;
    call_begin(c, &b, &w, true);
    jsonw_key(&w, "containers");
    jsonw_begin_array(&w);
    for (size_t i = 0; i < a->look.count; i++)
        aio_container_write(&a->look.containers[i], &w);
    jsonw_end_array(&w);
    call_reply(c, 200, &b, &w);
}

void aio_read_containers(struct call *c)
{
    struct asked *a = new_asked(c);
    if (a)
        (void)call_in_task(c, ask_containers, show_containers, a);
}

/* ---- running ---- */

static void ask_running(struct engine *en, void *data)
{
    struct asked *a = data;
    a->ok = aio_service(en, a->x, &a->service, &a->e);
    keep_hint(a, en);
}

static void show_running(struct call *c, void *data)
{
    const struct asked *a = data;
    struct buf b;
    struct jsonw w;
    if (answered_as_fault(c, a))
        return;
    call_begin(c, &b, &w, true);
    jsonw_kbool(&w, "running", aio_service_up(&a->service));
    jsonw_key(&w, "parts");
    aio_service_write(&a->service, &w);
    call_reply(c, 200, &b, &w);
}

void aio_read_running(struct call *c)
{
    struct asked *a = new_asked(c);
    if (a)
        (void)call_in_task(c, ask_running, show_running, a);
}

/* ---- preflight ---- */

static void ask_preflight(struct engine *en, void *data)
{
    struct asked *a = data;
    a->ok = preflight_run(en, a->x, &a->wants, &a->preflight, &a->e);
}

static void show_preflight(struct call *c, void *data)
{
    const struct asked *a = data;
    struct buf b;
    struct jsonw w;
    if (answered_as_fault(c, a))
        return;
    call_begin(c, &b, &w, true);
    preflight_write(&a->preflight, &w);
    call_reply(c, 200, &b, &w);
}

/* A path or a volume's name is local; what has a colon is remote. */
static bool add_target(struct asked *a, const char *field, const char *text, struct err *e)
{
    if (a->wants.target_count == TARGETS_MAX)
        return err_field(e, ERR_BAD_REQUEST, field, "at most %d targets", TARGETS_MAX);
    struct aio_target *t = &a->targets[a->wants.target_count];
    bool remote = strcmp(field, "targets") == 0 ? text[0] != '/' && strchr(text, ':')
                                                : strcmp(field, "remote_repo") == 0;
    char *at = remote ? t->remote_repo : t->host_location;
    if (snprintf(at, AIO_TARGET_MAX, "%s", text) >= AIO_TARGET_MAX)
        return err_field(e, ERR_BAD_REQUEST, field, "at most %d bytes", AIO_TARGET_MAX - 1);
    if (!aio_target_valid(t, e)) {
        (void)snprintf(e->field, sizeof e->field, "%s", field);
        return false;
    }
    a->wants.target_count++;
    return true;
}

static bool read_targets(struct call *c, struct asked *a, struct err *e)
{
    const char *local = call_str(c, "host_location", NULL);
    const char *remote = call_str(c, "remote_repo", NULL);
    const json_t *list = call_json(c, "targets"), *one;
    size_t i;
    if ((local || remote || list) && !c->app->config->enable_arbitrary_targets)
        return err_set(e, ERR_DISABLED, "switched off by ENABLE_ARBITRARY_TARGETS");
    if ((local != NULL) + (remote != NULL) + (list != NULL) > 1)
        return err_field(e, ERR_BAD_REQUEST, local ? "host_location" : "remote_repo",
                         "host_location, remote_repo and targets exclude each other");
    if (local && !add_target(a, "host_location", local, e))
        return false;
    if (remote && !add_target(a, "remote_repo", remote, e))
        return false;
    json_array_foreach(list, i, one)
    {
        if (!add_target(a, "targets", json_string_value(one), e))
            return false;
    }
    a->wants.targets = a->targets;
    return true;
}

static bool read_wants(struct call *c, struct asked *a, struct err *e)
{
    bool check = call_bool(c, "check_backup", false);
    bool backup = call_bool(c, "daily_backup", !check);
    a->wants = (struct preflight_wants){
        .backs_up = backup,
        .checks = check,
        .stops = backup || call_bool(c, "stop_containers", !check),
        .starts = call_bool(c, "start_containers", !check),
        .updates = call_bool(c, "automatic_updates", false),
        .strict = call_bool(c, "strict", false),
    };
    if (backup && check)
        return err_field(e, ERR_BAD_REQUEST, "check_backup",
                         "a backup and a check cannot be in one run: leave one of them out");
    return read_targets(c, a, e);
}

void aio_read_preflight(struct call *c)
{
    struct err e = {0};
    struct asked *a = new_asked(c);
    if (!a)
        return;
    if (read_wants(c, a, &e))
        (void)call_in_task(c, ask_preflight, show_preflight, a);
    else
        call_error(c, &e);
}
