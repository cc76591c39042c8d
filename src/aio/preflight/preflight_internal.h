/* What the files of preflight share: the state of one preflight, and its checks. */
#ifndef AIO_PREFLIGHT_PREFLIGHT_INTERNAL_H
#define AIO_PREFLIGHT_PREFLIGHT_INTERNAL_H

#include "aio/preflight/host_path.h"
#include "aio/preflight/preflight.h"

enum { PREFLIGHT_TARGETS = 8 };

/* A target as a run would meet it. */
struct target_view {
    const struct aio_target *target;
    bool own;                /* AIO's own: its borg.config lies beside configuration.json */
    bool local;              /* else remote, or none */
    bool on_use;             /* a volume that the Engine mounts only while it is used */
    const char *volume;      /* its name, or NULL */
    struct host_place place; /* of a local one */
    bool repository;         /* place/borg/config is there; only where the place is seen */
};

struct preflight_state {
    struct engine *en;
    const struct aio_context *x;
    const struct preflight_wants *w;
    struct preflight *p;
    bool engine;           /* it answered */
    struct err engine_why; /* else */
    json_t *volumes;       /* the Engine's, or NULL: */
    struct err volumes_why;
    bool whole; /* host_path: the host's tree is seen */
    struct err settings_why;
    struct target_view targets[PREFLIGHT_TARGETS];
    size_t target_count;
    struct preflight_check *c; /* of the check that is being made … */
    enum err_code refuse;      /* … and how a run is refused when it fails */
    bool stopped;              /* the task is to end */
};

/* Notes a finding of the check in hand; a worse one takes its place, an equal one does not. */
__attribute__((format(printf, 3, 4))) void
preflight_say(struct preflight_state *s, enum preflight_result result, const char *fmt, ...);
/* The same with how to mend it. `remedy` is text, not a format. */
__attribute__((format(printf, 4, 5))) void preflight_trouble(struct preflight_state *s,
                                                             enum preflight_result result,
                                                             const char *remedy, const char *fmt,
                                                             ...);

/* Where a volume of the Engine is for us; `on_use`: see target_view. HOST_ABSENT: the Engine has no
 * such volume. The place is the caller's to close. */
void preflight_volume(struct preflight_state *s, const char *name, struct host_place *out,
                      bool *on_use);
/* A file is there; false also where it cannot be seen. */
bool preflight_file_there(int dir, const char *name);
/* "/mnt/backup", "the volume x" or "ssh://user@host/…" without a password, for findings; in `out`.
 */
const char *preflight_target_name(const struct target_view *v, char *out, size_t size);
/* Fills s->targets from what is wanted, or AIO's own. */
void preflight_look_at_targets(struct preflight_state *s);
void preflight_leave_targets(struct preflight_state *s);

/* ---- the checks: preflight_engine.c ---- */
void check_engine(struct preflight_state *s);
void check_engine_rights(struct preflight_state *s);
void check_mastercontainer(struct preflight_state *s);
void check_idle(struct preflight_state *s);
void check_restore(struct preflight_state *s);
void check_version(struct preflight_state *s);
/* ---- preflight_config.c ---- */
void check_target_switched(struct preflight_state *s);
void check_configuration(struct preflight_state *s);
void check_configuration_owner(struct preflight_state *s);
void check_configuration_leftover(struct preflight_state *s);
void check_wizard(struct preflight_state *s);
void check_schedule(struct preflight_state *s);
void check_lock_file(struct preflight_state *s);
void check_restore_password(struct preflight_state *s);
/* ---- preflight_target.c, preflight_repo.c ---- */
void check_target(struct preflight_state *s);
void check_target_mounted(struct preflight_state *s);
void check_target_space(struct preflight_state *s);
void check_borg_config(struct preflight_state *s);
void check_aio_lockfile(struct preflight_state *s);
void check_borg_lock(struct preflight_state *s);
/* ---- preflight_remote.c ---- */
void check_target_reachable(struct preflight_state *s);
void check_target_host_key(struct preflight_state *s);
/* ---- preflight_dump.c ---- */
void check_export_failed(struct preflight_state *s);
void check_backup_is_running(struct preflight_state *s);
void check_update_failed(struct preflight_state *s);

#endif
