/* After the run: each repository is looked at in turn. Where borg lost ssh's reason, ssh is asked;
 * where an archive should be, borg is asked for it. */
#include "backup/archives/archive_read.h"
#include "backup/create/create_internal.h"
#include "backup/locks/lock_holder.h"
#include "backup/ssh/ssh_probe.h"
#include "base/mem.h"

#include <string.h>

static void prove_next(struct create *c);

static struct create_repo *proven(struct create *c)
{
    return &c->repos[c->proving];
}

/* ssh and borg that we start ourselves may ask the job's askpass too. */
static void on_helper_started(void *arg, pid_t pid)
{
    struct create *c = arg;
    control_set_leader(c->control, pid);
}

static void prove_later(struct create *c)
{
    c->proving++;
    prove_next(c);
}

/* ---- ssh ---- */

static void on_probed(void *arg, const char *word, const char *sentence)
{
    struct create *c = arg;
    struct verdict *v = proven(c)->verdict;
    if (!c->dry_run || c->closed.code == ERR_NONE)
        verdict_probe(v, word, sentence);
    else if (strcmp(word, "ok") == 0)
        verdict_closed(v, "repository_unreachable", ERR_BACKUP_FAILED, c->closed.msg);
    else
        verdict_closed(v, word, ERR_BACKUP_FAILED, sentence);
    prove_later(c);
}

static const char *entry_value(const char *const *env, const char *name)
{
    size_t n = strlen(name);
    for (; env && *env; env++)
        if (strncmp(*env, name, n) == 0 && (*env)[n] == '=')
            return *env + n + 1;
    return NULL;
}

/* The base environment with the control's additions; NULL-terminated, entries borrowed. */
static void helper_env(const struct create *c, const char **env)
{
    size_t n = 0;
    const char *const *extra = control_env(c->control, c->path);
    for (size_t i = 0; extra[i] && n < CHILD_ENVS; i++)
        if (strncmp(extra[i], "PATH=", 5) != 0) /* the real borg, not the shim */
            env[n++] = extra[i];
    for (size_t i = 0; c->env[i] && n < 2 * CHILD_ENVS - 1; i++)
        env[n++] = c->env[i];
    env[n] = NULL;
}

static bool probe(struct create *c)
{
    const char *env[2 * CHILD_ENVS];
    helper_env(c, env);
    const struct resolved_repo *repo = proven(c)->repo;
    struct ssh_probe_spec spec = {.location = repo->location,
                                  .rsh = entry_value(repo->env, "BORG_RSH"),
                                  .env = env,
                                  .started = on_helper_started,
                                  .done = on_probed,
                                  .arg = c};
    return ssh_probe(c->loop, &spec, NULL);
}

/* ---- borg ---- */

static const json_t *pick(const struct create_repo *r, const json_t *archives)
{
    size_t i;
    json_t *a;
    json_array_foreach(archives, i, a)
    {
        const char *name = json_string_value(json_object_get(a, "name"));
        const char *id = json_string_value(json_object_get(a, "id"));
        if (name && (!r->archive[0] || strcmp(name, r->archive) == 0) &&
            (!r->archive_id[0] || (id && strcmp(id, r->archive_id) == 0)))
            return a;
    }
    return NULL;
}

static void on_archives(void *arg, const json_t *archives, const struct err *e)
{
    struct create *c = arg;
    struct create_repo *r = proven(c);
    bool gone = e && e->code == ERR_ARCHIVE_NOT_FOUND;
    const json_t *found = archives ? pick(r, archives) : NULL;
    verdict_archive(r->verdict, true, archives || gone, found, e && !gone ? e->msg : NULL);
    r->found = json_deep_copy(found);
    prove_later(c);
}

/* A dry run has not opened the repository: is it there, and is the passphrase right? */
static void on_opened(void *arg, const json_t *archives, const struct err *e)
{
    struct create *c = arg;
    struct create_repo *r = proven(c);
    verdict_archive(r->verdict, false, false, NULL, NULL);
    if (archives) {
        prove_later(c);
        return;
    }
    c->closed = *e;
    if (e->code == ERR_WRONG_PASSPHRASE || e->code == ERR_REPOSITORY_LOCKED ||
        e->code == ERR_REPOSITORY_NOT_FOUND)
        verdict_closed(r->verdict, err_word(e->code), e->code, e->msg);
    else if (r->repo->remote && probe(c))
        return;
    else
        verdict_closed(r->verdict, "repository_unreachable", ERR_BACKUP_FAILED, e->msg);
    prove_later(c);
}

static bool read_back(struct create *c)
{
    const char *env[2 * CHILD_ENVS];
    helper_env(c, env);
    struct create_repo *r = proven(c);
    struct archive_read_spec spec = {
        .borg = c->config->local_path ? c->config->local_path : c->tools.borg,
        .repo = r->repo,
        .passphrase = c->borg_passphrase,
        .env = env,
        .archive = r->archive[0] ? r->archive : NULL,
        .since_ms = job_started_ms(c->job),
        .max = 1,
        .started = on_helper_started,
        .done = c->dry_run ? on_opened : on_archives,
        .arg = c,
    };
    struct err e = {0};
    if (archive_read_start(c->loop, &spec, &e))
        return true;
    verdict_archive(r->verdict, !c->dry_run, false, NULL, e.msg);
    return false;
}

/* ---- the lock ---- */

static void look_at_lock(uv_work_t *w)
{
    struct create *c = w->data;
    if (!lock_holder(c->lock, c->holder, sizeof c->holder))
        c->holder[0] = '\0';
}

static void on_looked(uv_work_t *w, int status)
{
    struct create *c = w->data;
    if (c->holder[0])
        verdict_lock_holder(proven(c)->verdict, c->holder);
    prove_later(c);
}

/* Only a lock on this machine's disk can be looked at. */
static bool ask_lock(struct create *c, const char *lock)
{
    if (proven(c)->repo->remote || strlen(lock) >= sizeof c->lock)
        return false;
    memcpy(c->lock, lock, strlen(lock) + 1);
    c->look.data = c;
    return uv_queue_work(c->loop, &c->look, look_at_lock, on_looked) == 0;
}

/* ---- one after the other ---- */

static bool ended_well(const struct create_repo *r)
{
    bool well = r->signal == 0 && (r->code <= 1 || (r->code >= 100 && r->code <= 127));
    return r->main_ran && r->exited && well;
}

static void prove_next(struct create *c)
{
    for (; c->proving < c->repo_count; c->proving++) {
        struct create_repo *r = proven(c);
        if (!r->verdict)
            continue;
        if (ended_well(r)) {
            if (read_back(c))
                return;
        } else if (verdict_wants_probe(r->verdict)) {
            if (probe(c))
                return;
        } else if (verdict_lock(r->verdict)) {
            if (ask_lock(c, verdict_lock(r->verdict)))
                return;
        }
    }
    create_finish(c);
}

void create_prove(struct create *c)
{
    c->proving = 0;
    prove_next(c);
}
