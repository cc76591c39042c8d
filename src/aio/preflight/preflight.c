#include "aio/preflight/preflight.h"

#include "aio/preflight/preflight_internal.h"
#include "base/json.h"
#include "docker/exec.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* When a check is made, and what it needs to be made. */
enum {
    ALWAYS = 1,
    CUTS = 2,    /* the run stops Nextcloud */
    BACKUP = 4,  /* it backs up … */
    TARGET = 8,  /* … or does anything with the target */
    RESTART = 16 /* it starts Nextcloud's database */
};
enum { ENGINE = 1, CONFIG = 2 };

static const struct {
    const char *id;
    unsigned when, needs;
    void (*check)(struct preflight_state *s);
} table[] = {
    {"engine", ALWAYS, 0, check_engine},
    {"engine_rights", ALWAYS, ENGINE, check_engine_rights},
    {"mastercontainer", ALWAYS, ENGINE, check_mastercontainer},
    {"target_switched", ALWAYS, 0, check_target_switched},
    {"idle", ALWAYS, ENGINE, check_idle},
    {"restore", ALWAYS, ENGINE, check_restore},
    {"version", ALWAYS, ENGINE, check_version},
    {"configuration", ALWAYS, 0, check_configuration},
    {"configuration_owner", ALWAYS, CONFIG, check_configuration_owner},
    {"configuration_leftover", ALWAYS, 0, check_configuration_leftover},
    {"wizard", ALWAYS, CONFIG, check_wizard},
    {"schedule", CUTS | BACKUP, 0, check_schedule},
    {"lock_file", ALWAYS, ENGINE, check_lock_file},
    {"target", TARGET, 0, check_target},
    {"target_mounted", TARGET, 0, check_target_mounted},
    {"target_space", BACKUP, 0, check_target_space},
    {"target_reachable", TARGET, 0, check_target_reachable},
    {"target_host_key", TARGET, 0, check_target_host_key},
    {"borg_config", TARGET, 0, check_borg_config},
    {"aio_lockfile", TARGET, 0, check_aio_lockfile},
    {"borg_lock", TARGET, 0, check_borg_lock},
    {"restore_password", TARGET, CONFIG, check_restore_password},
    {"export_failed", BACKUP | RESTART, 0, check_export_failed},
    {"backup_is_running", BACKUP | RESTART, ENGINE, check_backup_is_running},
    {"update_failed", ALWAYS, 0, check_update_failed},
};
_Static_assert(sizeof table / sizeof *table <= PREFLIGHT_CHECKS_MAX, "there is room for all");

/* ---- findings ---- */

static int rank(enum preflight_result r)
{
    static const int ranks[] = {[PREFLIGHT_SKIPPED] = 0,
                                [PREFLIGHT_OK] = 1,
                                [PREFLIGHT_UNKNOWN] = 2,
                                [PREFLIGHT_WARNING] = 3,
                                [PREFLIGHT_FAILED] = 4};
    return ranks[r];
}

static bool takes_place(struct preflight_state *s, enum preflight_result result)
{
    if (s->c->finding[0] && rank(result) <= rank(s->c->result))
        return false;
    s->c->result = result;
    s->c->remedy[0] = '\0';
    return true;
}

void preflight_say(struct preflight_state *s, enum preflight_result result, const char *fmt, ...)
{
    va_list args;
    if (!takes_place(s, result))
        return;
    va_start(args, fmt);
    (void)vsnprintf(s->c->finding, sizeof s->c->finding, fmt, args);
    va_end(args);
}

void preflight_trouble(struct preflight_state *s, enum preflight_result result, const char *remedy,
                       const char *fmt, ...)
{
    va_list args;
    if (!takes_place(s, result))
        return;
    va_start(args, fmt);
    (void)vsnprintf(s->c->finding, sizeof s->c->finding, fmt, args);
    va_end(args);
    (void)snprintf(s->c->remedy, sizeof s->c->remedy, "%s", remedy);
}

/* ---- where things are ---- */

bool preflight_file_there(int dir, const char *name)
{
    return faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

void preflight_volume(struct preflight_state *s, const char *name, struct host_place *out,
                      bool *on_use)
{
    size_t i;
    const json_t *one;
    *out = (struct host_place){.sight = s->volumes ? HOST_ABSENT : HOST_HIDDEN, .fd = -1};
    if (on_use)
        *on_use = false;
    json_array_foreach(json_object_get(s->volumes, "Volumes"), i, one)
    {
        const char *mountpoint = json_get_str(one, "Mountpoint", "");
        if (strcmp(json_get_str(one, "Name", ""), name) != 0)
            continue;
        const char *device = json_get_str(json_object_get(one, "Options"), "device", "");
        if (on_use)
            *on_use = device[0] != '\0';
        if (mountpoint[0] == '/')
            host_path_open(s->x, s->whole, mountpoint, out);
        return;
    }
}

/* Any of AIO's volumes is the proof. */
static void look_at_host(struct preflight_state *s)
{
    size_t i;
    const json_t *one;
    json_array_foreach(json_object_get(s->volumes, "Volumes"), i, one)
    {
        const char *mountpoint = json_get_str(one, "Mountpoint", "");
        if (strncmp(json_get_str(one, "Name", ""), "nextcloud_aio_", 14) == 0 &&
            mountpoint[0] == '/' && !s->whole)
            s->whole = host_path_is_whole(s->x, mountpoint);
    }
}

static bool gather(struct preflight_state *s, struct err *e)
{
    s->engine = aio_look(s->en, s->x, &s->p->look, &s->engine_why);
    if (s->engine)
        s->volumes = engine_volumes(s->en, &s->volumes_why);
    if (!engine_wait(s->en, 0))
        return err_set(e, ERR_INTERRUPTED, "was asked to stop");
    look_at_host(s);
    s->p->settings_read = config_file_read(s->x->config_file, &s->p->settings, &s->settings_why);
    preflight_look_at_targets(s);
    return true;
}

/* ---- all of it ---- */

static unsigned occasions(const struct preflight_wants *w)
{
    return ALWAYS | (w->stops ? CUTS : 0) | (w->backs_up ? BACKUP | TARGET : 0) |
           (w->checks ? TARGET : 0) | (w->starts ? RESTART : 0);
}

static void check_one(struct preflight_state *s, size_t i)
{
    s->c = &s->p->checks[i];
    *s->c = (struct preflight_check){.id = table[i].id, .result = PREFLIGHT_SKIPPED};
    s->refuse = ERR_PREFLIGHT;
    if (!(table[i].when & occasions(s->w)))
        return;
    if ((table[i].needs & ENGINE) && !s->engine)
        preflight_trouble(s, PREFLIGHT_UNKNOWN, "see the check \"engine\"",
                          "the Docker Engine cannot be asked");
    else if ((table[i].needs & CONFIG) && !s->p->settings_read)
        preflight_trouble(s, PREFLIGHT_UNKNOWN, "see the check \"configuration\"",
                          "AIO's configuration.json cannot be read");
    else
        table[i].check(s);
}

static void judge(struct preflight_state *s)
{
    const struct preflight_check *c = s->c;
    bool blocks = c->result == PREFLIGHT_FAILED || (s->w->strict && c->result == PREFLIGHT_UNKNOWN);
    if (!blocks || !s->p->passed)
        return;
    s->p->passed = false;
    enum err_code code = c->result == PREFLIGHT_FAILED ? s->refuse : ERR_PREFLIGHT;
    if (c->remedy[0])
        (void)err_field(&s->p->refusal, code, c->id, "%s: %s", c->finding, c->remedy);
    else
        (void)err_field(&s->p->refusal, code, c->id, "%s", c->finding);
}

bool preflight_run(struct engine *en, const struct aio_context *x, const struct preflight_wants *w,
                   struct preflight *out, struct err *e)
{
    struct preflight_state s = {.en = en, .x = x, .w = w, .p = out};
    *out = (struct preflight){.passed = true};
    bool ok = gather(&s, e);
    for (size_t i = 0; ok && i < sizeof table / sizeof *table; i++) {
        check_one(&s, i);
        judge(&s);
        out->count++;
        ok = engine_wait(en, 0) || err_set(e, ERR_INTERRUPTED, "was asked to stop");
    }
    preflight_leave_targets(&s);
    json_decref(s.volumes);
    return ok;
}

static const char *result_word(enum preflight_result r)
{
    static const char *const words[] = {[PREFLIGHT_OK] = "ok",
                                        [PREFLIGHT_WARNING] = "warning",
                                        [PREFLIGHT_FAILED] = "failed",
                                        [PREFLIGHT_UNKNOWN] = "unknown",
                                        [PREFLIGHT_SKIPPED] = "skipped"};
    return words[r];
}

void preflight_write(const struct preflight *p, struct jsonw *w)
{
    jsonw_kbool(w, "passed", p->passed);
    jsonw_key(w, "checks");
    jsonw_begin_array(w);
    for (size_t i = 0; i < p->count; i++) {
        const struct preflight_check *c = &p->checks[i];
        jsonw_begin_object(w);
        jsonw_kstr(w, "id", c->id);
        jsonw_kstr(w, "result", result_word(c->result));
        jsonw_kstr(w, "finding", c->finding[0] ? c->finding : NULL);
        jsonw_kstr(w, "remedy", c->remedy[0] ? c->remedy : NULL);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
}
