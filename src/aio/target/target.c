#include "aio/target/target_internal.h"

#include "aio/target/crash.h"
#include "base/mem.h"
#include "sys/fsafe.h"

#include <string.h>

/* One use of the journal: its folders and what it says. */
struct use {
    const struct aio_context *x;
    struct places at;
    struct journal *g;
};

static void use_done(struct use *u)
{
    places_close(&u->at);
    mem_free(u->g);
    u->g = NULL;
}

/* With our folder alone. */
static bool use_begin(struct use *u, const struct aio_context *x, struct err *e)
{
    *u = (struct use){.x = x, .at = {-1, -1}, .g = mem_zalloc(sizeof *u->g)};
    if (!u->g)
        return err_set(e, ERR_NO_MEMORY, "no memory for the journal");
    if (places_open_own(x, &u->at, e))
        return true;
    use_done(u);
    return false;
}

/* With the journal. False and ERR_NOT_FOUND without one. */
static bool use_journal(struct use *u, const struct aio_context *x, struct err *e)
{
    if (!use_begin(u, x, e))
        return false;
    if (journal_load(&u->at, u->g, e))
        return true;
    use_done(u);
    return false;
}

/* With the journal and AIO's folder. `none`: there is no journal, which is no error. */
static bool use_switched(struct use *u, const struct aio_context *x, bool *none, struct err *e)
{
    struct err why = {0};
    bool there = use_journal(u, x, &why);
    *none = !there && why.code == ERR_NOT_FOUND;
    if (!there && e)
        *e = why;
    if (!there || places_open_aio(x, &u->at, e))
        return there;
    use_done(u);
    return false;
}

static bool at_original(const struct journal *g)
{
    return aio_target_equal(&g->j.original, &g->j.intended);
}

static bool set_phase(struct use *u, enum target_phase phase, struct err *e)
{
    u->g->phase = phase;
    return journal_store(&u->at, u->g, false, e);
}

/* ---- to a target and away from it ---- */

static bool note_temporary(struct journal *g, struct err *e)
{
    for (size_t i = 0; i < g->temporary_count; i++)
        if (aio_target_equal(&g->temporary[i], &g->j.intended))
            return true;
    if (at_original(g))
        return true;
    if (g->temporary_count == TARGET_TEMPORARIES)
        return err_set(e, ERR_BAD_REQUEST, "at most %d targets in one downtime",
                       TARGET_TEMPORARIES);
    g->temporary[g->temporary_count++] = g->j.intended;
    return true;
}

/* The files of the intended target, then the keys. AIO's list is the run's to write. */
static bool enter(struct use *u, struct err *e)
{
    const struct journal *g = u->g;
    bool ok = at_original(g) ? file_restore(&u->at, g, FILE_BORG_CONFIG, e) &&
                                   file_restore(&u->at, g, FILE_LIST, e)
                             : file_place(&u->at, g, &g->j.intended, FILE_BORG_CONFIG, e);
    if (!ok)
        return false;
    crash_step(CRASH_BORG_CONFIG_PLACED);
    if (!config_file_set_target(u->x->config_file, &g->j.intended, NULL, e))
        return false;
    crash_step(CRASH_KEYS_SET);
    ok = set_phase(u, PHASE_SWITCHED, e);
    if (ok)
        crash_step(CRASH_SWITCHED);
    return ok;
}

/* What the run has made of the target's files is kept: of AIO's own target as the new original. A
 * borg.config that the run has deleted is not wanted so. */
static bool leave(struct use *u, struct err *e)
{
    struct journal *g = u->g;
    if (g->phase != PHASE_SWITCHED)
        return true;
    for (int i = 0; at_original(g) && i < TARGET_FILES; i++)
        if (file_there(&u->at, i) && !file_save(&u->at, g, i, e))
            return false;
    if (!file_keep(&u->at, &g->j.intended, FILE_BORG_CONFIG, e) || !set_phase(u, PHASE_KEPT, e))
        return false;
    crash_step(CRASH_KEPT);
    return true;
}

/* ---- back ---- */

static bool is_temporary(const struct journal *g, const struct aio_target *t)
{
    for (size_t i = 0; i < g->temporary_count; i++)
        if (aio_target_equal(&g->temporary[i], t))
            return true;
    return false;
}

/* Twice: a writer of AIO may have had the temporary keys in hand while they were put back. */
static bool restore_keys(struct use *u, struct err *e)
{
    struct aio_settings now;
    for (int i = 0; i < 2; i++) {
        if (!config_file_read(u->x->config_file, &now, e))
            return false;
        if (!is_temporary(u->g, &now.target))
            return true;
        if (!config_file_set_target(u->x->config_file, &u->g->j.original, NULL, e))
            return false;
    }
    return true;
}

static bool restore(struct use *u, struct err *e)
{
    if (!restore_keys(u, e))
        return false;
    crash_step(CRASH_KEYS_RESTORED);
    if (!file_restore(&u->at, u->g, FILE_BORG_CONFIG, e))
        return false;
    crash_step(CRASH_BORG_CONFIG_RESTORED);
    if (!file_restore(&u->at, u->g, FILE_LIST, e))
        return false;
    crash_step(CRASH_LIST_RESTORED);
    return restore_keys(u, e);
}

static bool put_back(struct use *u, struct err *e)
{
    fsafe_sweep(u->at.aio); /* a crash may have left what was written aside */
    if (u->g->phase == PHASE_PUT_BACK)
        return restore_keys(u, e);
    if (!leave(u, e) || !restore(u, e) || !set_phase(u, PHASE_PUT_BACK, e))
        return false;
    crash_step(CRASH_PUT_BACK);
    return true;
}

static bool drop(struct use *u, struct err *e)
{
    return journal_drop(&u->at, e);
}

/* After a failure on the way to a target. */
static void undo(struct use *u, struct err *e)
{
    struct err why = {0};
    if (put_back(u, &why) && drop(u, &why))
        return;
    (void)err_set(e, ERR_TARGET_SWITCHED,
                  "AIO's backup target could not be put back yet and will be tried again: %.200s",
                  why.msg);
}

/* ---- what is called ---- */

/* The journal of a switch, before anything is changed. */
static bool begin_journal(struct use *u, const struct target_journal *j, struct err *e)
{
    struct aio_settings now;
    struct journal *g = u->g;
    if (journal_there(&u->at))
        return err_set(e, ERR_TARGET_SWITCHED,
                       "the backup target is switched for a run that is not over yet");
    if (!config_file_read(u->x->config_file, &now, e) || !places_open_aio(u->x, &u->at, e))
        return false;
    g->j = *j;
    g->j.original = now.target;
    g->phase = PHASE_SWITCHING;
    fsafe_sweep(u->at.own);
    for (int i = 0; i < TARGET_FILES; i++) {
        g->as[i] = now.st; /* of a file that AIO does not have yet */
        if (!file_save(&u->at, g, i, e))
            return false;
    }
    crash_step(CRASH_JOURNAL_SAVED);
    if (!note_temporary(g, e))
        return false;
    if (!journal_store(&u->at, g, true, e)) {
        if (e->code != ERR_TARGET_SWITCHED && !journal_drop(&u->at, NULL)) /* it may be there */
            e->code = ERR_TARGET_SWITCHED;
        return false;
    }
    crash_step(CRASH_JOURNAL_WRITTEN);
    return true;
}

bool target_switch(const struct aio_context *x, const struct target_journal *j, struct err *e)
{
    struct use u;
    struct err why = {0};
    e = e ? e : &why;
    if (!use_begin(&u, x, e))
        return false;
    bool ok = begin_journal(&u, j, e);
    if (ok) {
        ok = file_keep(&u.at, &u.g->j.original, FILE_BORG_CONFIG, e) && enter(&u, e);
        if (!ok)
            undo(&u, e);
    }
    use_done(&u);
    return ok;
}

bool target_switch_next(const struct aio_context *x, const struct aio_target *t, struct err *e)
{
    struct use u;
    bool none;
    if (!use_switched(&u, x, &none, e))
        return false;
    bool ok = leave(&u, e);
    if (ok) {
        u.g->j.intended = *t;
        ok = note_temporary(u.g, e) && set_phase(&u, PHASE_SWITCHING, e) && enter(&u, e);
    }
    use_done(&u);
    return ok;
}

bool target_put_back(const struct aio_context *x, struct err *e)
{
    struct use u;
    bool none;
    if (!use_switched(&u, x, &none, e))
        return none;
    bool ok = put_back(&u, e);
    use_done(&u);
    return ok;
}

bool target_finish(const struct aio_context *x, struct err *e)
{
    struct use u;
    bool none;
    if (!use_switched(&u, x, &none, e))
        return none;
    bool ok = u.g->phase == PHASE_PUT_BACK ||
              err_set(e, ERR_TARGET_SWITCHED, "AIO's backup target has not been put back yet");
    ok = ok && restore_keys(&u, e);
    if (ok &&
        !file_there(&u.at, FILE_BORG_CONFIG)) /* the run's last deed may have been to take it */
        ok = file_restore(&u.at, u.g, FILE_BORG_CONFIG, e);
    ok = ok && drop(&u, e);
    if (ok)
        crash_step(CRASH_JOURNAL_DROPPED);
    use_done(&u);
    return ok;
}

bool target_stay(const struct aio_context *x, struct err *e)
{
    struct use u;
    bool none;
    if (!use_switched(&u, x, &none, e))
        return none;
    bool ok = leave(&u, e) && drop(&u, e);
    use_done(&u);
    return ok;
}

bool target_initialised(const struct aio_context *x, struct err *e)
{
    struct use u;
    if (!use_journal(&u, x, e))
        return false;
    bool ok = file_keep_empty(&u.at, &u.g->j.intended, e);
    use_done(&u);
    return ok;
}

void target_sweep(const struct aio_context *x)
{
    struct use u;
    if (!use_begin(&u, x, NULL))
        return;
    fsafe_sweep(u.at.own);
    bool over = !journal_there(&u.at);
    if (!over && !x->whitelist.master[0] && journal_load(&u.at, u.g, NULL) && !u.g->j.job_id[0])
        over = places_open_aio(x, &u.at, NULL) && put_back(&u, NULL);
    if (over)
        (void)drop(&u, NULL);
    use_done(&u);
}

bool target_journal_read(const struct aio_context *x, struct target_journal *out, struct err *e)
{
    struct use u;
    if (!use_journal(&u, x, e))
        return false;
    *out = u.g->j;
    use_done(&u);
    return true;
}

bool target_journal_write(const struct aio_context *x, const struct target_journal *j,
                          struct err *e)
{
    struct use u;
    if (!use_journal(&u, x, e))
        return false;
    const struct target_journal old = u.g->j;
    u.g->j = *j;
    u.g->j.original = old.original;
    u.g->j.intended = old.intended;
    bool ok = journal_store(&u.at, u.g, false, e);
    use_done(&u);
    return ok;
}

/* For good: list and borg.config of the old target are kept, those of the new one put in place. */
static bool change(struct use *u, struct err *e)
{
    const struct journal *g = u->g;
    return file_keep(&u->at, &g->j.original, FILE_BORG_CONFIG, e) &&
           file_keep(&u->at, &g->j.original, FILE_LIST, e) &&
           file_place(&u->at, g, &g->j.intended, FILE_LIST, e) && enter(u, e) && drop(u, e);
}

bool target_set(const struct aio_context *x, const struct aio_target *t,
                struct aio_target *previous, struct err *e)
{
    struct use u;
    struct err why = {0};
    const struct target_journal j = {.intended = *t};
    e = e ? e : &why;
    if (!use_begin(&u, x, e))
        return false;
    bool ok = begin_journal(&u, &j, e);
    if (ok && previous)
        *previous = u.g->j.original;
    if (ok && at_original(u.g))
        ok = drop(&u, e);
    else if (ok) {
        ok = change(&u, e);
        if (!ok)
            undo(&u, e);
    }
    use_done(&u);
    return ok;
}
