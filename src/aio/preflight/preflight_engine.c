/* The checks that ask the Engine: itself, AIO's mastercontainer, and whether a run is active. */
#include "aio/preflight/preflight_internal.h"

#include "docker/exec.h"

#include <stdio.h>
#include <string.h>

void check_engine(struct preflight_state *s)
{
    if (s->engine) {
        preflight_say(s, PREFLIGHT_OK, "the Docker Engine answers");
        return;
    }
    s->refuse = s->engine_why.code;
    const char *hint = engine_hint(s->en);
    preflight_trouble(s, PREFLIGHT_FAILED,
                      hint[0] ? hint : "see that DOCKER_HOST is right and the Docker Engine runs",
                      "%.200s", s->engine_why.msg);
}

static void on_event(void *arg, enum engine_out out, const char *p, size_t n)
{
}

static void on_end(void *arg, const struct err *e)
{
}

/* Without events and volumes a run works, only less is seen. */
void check_engine_rights(struct preflight_state *s)
{
    struct err e = {0};
    const struct engine_sink nobody = {.data = on_event, .end = on_end};
    if (!exec_permitted(s->en, &e)) {
        s->refuse = e.code;
        preflight_trouble(s, PREFLIGHT_FAILED, engine_hint(s->en),
                          "no command can be executed: %.200s", e.msg);
        return;
    }
    struct engine_stream *events = engine_events(s->en, 0, &nobody, &e);
    if (!events)
        preflight_trouble(s, PREFLIGHT_WARNING, engine_hint(s->en),
                          "the Engine's events cannot be followed: %.180s", e.msg);
    engine_stream_close(events);
    if (!s->volumes)
        preflight_trouble(s, PREFLIGHT_WARNING,
                          "allow VOLUMES in the socket proxy, so that targets can be looked at",
                          "the Engine's volumes cannot be listed: %.180s", s->volumes_why.msg);
    preflight_say(s, PREFLIGHT_OK, "commands can be executed, events and volumes be seen");
}

void check_mastercontainer(struct preflight_state *s)
{
    const struct aio_look *l = &s->p->look;
    const char *name = s->x->whitelist.master;
    if (!name[0] || !l->master_found) {
        s->refuse = ERR_CONTAINER_NOT_FOUND;
        preflight_trouble(s, PREFLIGHT_FAILED,
                          "set AIO_MASTER to the mastercontainer's name, and see that it was made",
                          name[0] ? "there is no container %s" : "AIO_MASTER is empty%s", name);
    } else if (!l->master.running) {
        preflight_trouble(s, PREFLIGHT_FAILED, "start the mastercontainer",
                          "the mastercontainer does not run (%s)", l->master.state);
    } else if (strcmp(l->master.health, "healthy") == 0) {
        preflight_say(s, PREFLIGHT_OK, "the mastercontainer runs and is healthy");
    } else if (strcmp(l->master.health, "starting") == 0) {
        preflight_trouble(s, PREFLIGHT_FAILED, "try again in a minute",
                          "the mastercontainer has just been started");
    } else if (l->master.health[0]) {
        preflight_trouble(s, PREFLIGHT_FAILED,
                          "see the mastercontainer's log; restarting it often helps",
                          "the mastercontainer is %s", l->master.health);
    } else {
        preflight_trouble(s, PREFLIGHT_UNKNOWN, "use AIO's own image, which has a health check",
                          "the mastercontainer has no health check");
    }
}

void check_idle(struct preflight_state *s)
{
    const struct aio_look *l = &s->p->look;
    const char *what;
    if (aio_look_busy(l, &what)) {
        s->refuse = ERR_AIO_BUSY;
        preflight_trouble(s, PREFLIGHT_FAILED, "wait until it has ended", "AIO is busy: %s runs",
                          what);
    } else if (!l->script_known) {
        preflight_trouble(s, PREFLIGHT_UNKNOWN,
                          "let the Engine's process list (containers/…/top) be asked for",
                          "whether daily-backup.sh runs cannot be seen: %.180s", l->script_why.msg);
    } else {
        preflight_say(s, PREFLIGHT_OK, "no run of AIO's is active");
    }
}

/* Told apart from any other run: a restore must not be waited for with a run behind it. */
void check_restore(struct preflight_state *s)
{
    bool mode = s->p->settings_read && strcmp(s->p->settings.backup_mode, "restore") == 0;
    if (!s->p->look.borg_running) {
        preflight_say(s, PREFLIGHT_OK, "no restore runs");
    } else if (mode) {
        s->refuse = ERR_AIO_BUSY;
        preflight_trouble(s, PREFLIGHT_FAILED,
                          "wait until it has ended, then see whether Nextcloud is as wanted",
                          "AIO restores a backup");
    } else if (!s->p->settings_read) {
        preflight_trouble(s, PREFLIGHT_UNKNOWN, "see the check \"configuration\"",
                          "borgbackup runs, and its mode cannot be read");
    } else {
        preflight_say(s, PREFLIGHT_OK, "borgbackup runs, but does not restore");
    }
}

/* From 12.6.1 on: before it, 12.6.0 did nothing and said so with success. From 13.0.0 on the
 * configuration is replaced as a whole. */
void check_version(struct preflight_state *s)
{
    const char *version = s->p->look.version;
    unsigned major, minor, patch = 0;
    if (sscanf(version, "%3u.%3u.%3u", &major, &minor, &patch) < 2) {
        preflight_trouble(s, PREFLIGHT_UNKNOWN,
                          "start AIO's containers once: the version stands in the environment of "
                          "nextcloud-aio-nextcloud",
                          "AIO's version cannot be told");
        return;
    }
    unsigned found = (major * 1000 + minor) * 1000 + patch;
    if (found < 12006001)
        preflight_trouble(s, PREFLIGHT_FAILED, "update AIO to 13.0.0 or later",
                          "AIO %s is older than 12.6.1", version);
    else if (found < 13000000)
        preflight_trouble(s, PREFLIGHT_WARNING, "update AIO to 13.0.0 or later",
                          "AIO %s may leave configuration.json in pieces; 13.0.0 does not",
                          version);
    else
        preflight_say(s, PREFLIGHT_OK, "AIO %s", version);
}
