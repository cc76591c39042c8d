#include "backup/run/recover.h"

#include "backup/archives/archive_read.h"
#include "backup/control/control.h"
#include "backup/control/control_dir.h"
#include "backup/restore/drill.h"
#include "backup/restore/mount_release.h"
#include "base/json.h"
#include "base/jsonw.h"
#include "base/mem.h"
#include "limits.h"
#include "sys/ending.h"
#include "sys/procfs.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { ARCHIVES_MAX = LIMIT_REPOS, HOST_ROOM = 256 };

struct recovery {
    struct recover_settings set;
    struct job *job;
    struct ending *ending;
    char *marker, *file, *control_dir;
    char *mount_point, *mount_device; /* of a mount; NULL: none, or not known */
    struct mount_release *release;
    bool stuck, swept;
    json_t *repositories; /* normalised locations, as kept when the job was made */
    bool makes_archives;  /* a backup, and no dry run */
    bool asked_borg;      /* SIGINT reached one */
    size_t left;
    /* what was found */
    json_t *found; /* array of {"repository","archive":{…}} */
    struct resolved *config;
    struct borgmatic_tools tools;
    size_t looking; /* the repository of config that is read now */
};

static void recovery_free(void *work)
{
    struct recovery *r = work;
    if (!r)
        return;
    ending_free(r->ending);
    json_decref(r->repositories);
    json_decref(r->found);
    resolved_unref(r->config);
    mem_free(r->marker);
    mem_free(r->file);
    mem_free(r->control_dir);
    mem_free(r->mount_point);
    mem_free(r->mount_device);
    mount_release_free(r->release);
    mem_free(r);
}

/* ---- the end of the job ---- */

static const char *what_of_it(const struct recovery *r)
{
    static const struct {
        const char *kind, *note;
    } notes[] = {
        {"passphrase-change",
         "; whether the passphrase was changed is not known: either the old one "
         "or the new one opens the repository"},
        {"extract", "; what was extracted until then is in its destination"},
        {"archive-delete", "; what was deleted until then is gone"},
        {"prune", "; what was pruned until then is gone"},
    };
    if (r->makes_archives)
        return "; no completed archive of it was found";
    if (r->mount_point)
        return r->stuck ? "; its mount could not be taken away" : "; its mount was unmounted";
    for (size_t i = 0; i < sizeof notes / sizeof *notes; i++)
        if (strcmp(job_kind(r->job), notes[i].kind) == 0)
            return notes[i].note;
    return "";
}

static void tell_sentence(const struct recovery *r, const char *stack_job, char *out, size_t size)
{
    const json_t *first = json_object_get(json_array_get(r->found, 0), "archive");
    char archive[320] = "", stack[192] = "";
    if (first)
        (void)snprintf(archive, sizeof archive,
                       "; archive %.256s was completed and is in the repository",
                       json_get_str(first, "name", "?"));
    if (stack_job)
        (void)snprintf(stack, sizeof stack,
                       "; Nextcloud's containers were stopped for it, and %.60s sees to them",
                       stack_job[0] ? stack_job : "another job");
    (void)snprintf(out, size, "the daemon died before the job was done%s%s",
                   first ? archive : what_of_it(r), stack);
}

static void tell_result(const struct recovery *r, const char *stack_job)
{
    struct buf result;
    buf_init(&result, LIMIT_RECORD);
    json_t *o = json_pack("{s:b,s:O}", "dry_run", 0, "repositories", r->found);
    if (stack_job)
        (void)json_object_set_new(
            o, "aio", json_pack("{s:s?}", "recovered_by", stack_job[0] ? stack_job : NULL));
    if (r->makes_archives && o && json_write(o, &result))
        job_set_result(r->job, buf_str(&result));
    json_decref(o);
    buf_done(&result);
}

static void finish(struct recovery *r)
{
    char sentence[640];
    const char *stack_job =
        r->set.stack_job ? r->set.stack_job(r->set.stack_arg, job_id(r->job)) : NULL;
    tell_sentence(r, stack_job, sentence, sizeof sentence);
    tell_result(r, stack_job);
    control_dir_remove(r->control_dir);
    if (strcmp(job_kind(r->job), "verify-restore") == 0)
        drill_remove_later(r->set.loop, r->set.state_dir, job_id(r->job));
    job_end(r->job, &(struct job_outcome){.state = JOB_INTERRUPTED,
                                          .keep_state = true,
                                          .exit_code = -1,
                                          .word = "interrupted",
                                          .sentence = sentence,
                                          .api = ERR_INTERRUPTED});
}

/* ---- which archives are there? ---- */

static bool known_already(const struct recovery *r, const char *id)
{
    size_t i;
    json_t *one;
    json_array_foreach(r->found, i,
                       one) if (strcmp(json_get_str(json_object_get(one, "archive"), "id", ""),
                                       id) == 0) return true;
    return false;
}

static void add_found(struct recovery *r, const char *repository, const char *name, const char *id,
                      bool verified)
{
    if (json_array_size(r->found) >= ARCHIVES_MAX || known_already(r, id))
        return;
    json_t *one = json_pack("{s:s,s:{s:s,s:s,s:b}}", "repository", repository, "archive", "name",
                            name, "id", id, "verified", verified);
    (void)json_array_append_new(r->found, one);
}

static void look_next(struct recovery *r);

static void on_archives(void *arg, const json_t *archives, const struct err *e)
{
    struct recovery *r = arg;
    char shown[1024];
    resolve_shown(r->config->repos[r->looking].location, shown, sizeof shown);
    size_t i;
    json_t *a;
    json_array_foreach(archives, i, a)
        add_found(r, shown, json_get_str(a, "name", ""), json_get_str(a, "id", ""), true);
    r->looking++;
    look_next(r);
}

static void look_next(struct recovery *r)
{
    for (; r->config && r->looking < r->config->count; r->looking++) {
        struct archive_read_spec spec = {
            .borg = r->config->local_path ? r->config->local_path : r->tools.borg,
            .repo = &r->config->repos[r->looking],
            .env = r->set.env,
            .since_ms = job_started_ms(r->job),
            .max = 1,
            .done = on_archives,
            .arg = r,
        };
        if (archive_read_start(r->set.loop, &spec, NULL))
            return;
    }
    finish(r);
}

/* The shims wrote down what they saw borg complete: known also where nobody has the passphrase now.
 */
static void on_evidence(void *arg, const char *repository, const char *archive, const char *id,
                        int exit_code)
{
    char shown[1024];
    resolve_shown(repository, shown, sizeof shown);
    add_found(arg, shown, archive, id, false);
}

static void on_resolved(void *arg, struct resolved *res, const struct err *e)
{
    struct recovery *r = arg;
    r->config = res;
    look_next(r);
}

static void on_tools(void *arg, const struct borgmatic_tools *tools)
{
    struct recovery *r = arg;
    r->tools = *tools;
    resolve_config(r->set.resolve, tools, r->file, on_resolved, r);
}

/* ---- ending what is left of it ---- */

static void on_ended(void *arg, size_t left);

static struct mount_release *start_release(struct recovery *r,
                                           void (*done)(void *arg, enum mount_released how))
{
    const struct mount_release_spec s = {.loop = r->set.loop,
                                         .point = r->mount_point,
                                         .device = r->mount_device,
                                         .path = r->set.path,
                                         .marker = r->marker,
                                         .lazy = true,
                                         .done = done,
                                         .arg = r};
    return mount_release_start(&s);
}

static void on_swept(void *arg, enum mount_released how)
{
    struct recovery *r = arg;
    r->stuck = how == MOUNT_BUSY;
    on_ended(r, r->left);
}

static void on_ended(void *arg, size_t left)
{
    struct recovery *r = arg;
    r->left = left;
    if (r->mount_point && !r->swept) { /* it was just coming when it was looked for */
        r->swept = true;
        mount_release_free(TAKE(r->release));
        r->release = start_release(r, on_swept);
        if (r->release)
            return;
    }
    if (r->control_dir)
        control_evidence(r->control_dir, on_evidence, r);
    if (r->file && r->makes_archives && job_started_ms(r->job))
        r->set.tools(r->set.tools_arg, on_tools, r);
    else
        finish(r);
}

static void end_processes(struct recovery *r)
{
    struct ending_spec spec = {.entry = r->marker, .done = on_ended, .arg = r};
    r->ending = ending_start(r->set.loop, &spec);
    if (!r->ending)
        on_ended(r, 0);
    else if (!r->asked_borg)
        ending_hurry(r->ending);
}

static void on_released(void *arg, enum mount_released how)
{
    struct recovery *r = arg;
    r->stuck = how == MOUNT_BUSY;
    end_processes(r);
}

/* A mount goes before the borg that serves it: else a dead one stays. */
static void recovery_start(struct job *j, void *work)
{
    struct recovery *r = work;
    r->job = j;
    r->release = r->mount_point ? start_release(r, on_released) : NULL;
    if (!r->release)
        end_processes(r);
}

static void recovery_stop(struct job *j, void *work, enum job_stop why)
{
    struct recovery *r = work;
    if (r->ending)
        ending_hurry(r->ending);
}

static const struct job_ops recovery_ops = {
    .start = recovery_start, .stop = recovery_stop, .free = recovery_free};

static void ask_borg(struct recovery *r)
{
    pid_t pids[PROCFS_FOUND_MAX];
    size_t n = procfs_find_env(r->marker, pids, PROCFS_FOUND_MAX);
    for (size_t i = 0; i < n; i++)
        if (procfs_runs(pids[i], "borg") && procfs_signal_env(pids[i], r->marker, SIGINT))
            r->asked_borg = true;
}

/* ---- at start ---- */

struct start {
    const struct recover_settings *set;
    size_t jobs;
};

static struct recovery *recovery_new(const struct recover_settings *set,
                                     const struct store_job *row)
{
    struct recovery *r = mem_zalloc(sizeof *r);
    if (!r)
        return NULL;
    r->set = *set;
    const char *text = row->private_json ? row->private_json : "{}";
    json_t *known = json_parse(text, strlen(text), NULL);
    r->marker = mem_printf("BORGMATIC_API_JOB=%s", row->id);
    r->file = mem_strdup(json_get_str(known, "file", NULL));
    r->control_dir = mem_strdup(json_get_str(known, "control_dir", NULL));
    r->makes_archives = strcmp(row->kind, "create") == 0 && !json_get_bool(known, "dry_run", false);
    r->mount_point = mem_strdup(json_get_str(known, "mount_point", NULL));
    r->mount_device = mem_strdup(json_get_str(known, "mount_device", NULL));
    r->repositories = json_incref(json_object_get(known, "repositories"));
    r->found = json_array();
    json_decref(known);
    if (r->marker && r->found)
        return r;
    recovery_free(r);
    return NULL;
}

static void adopt(void *arg, const struct store_job *row, uint64_t mark)
{
    struct start *s = arg;
    if (strncmp(row->kind, "aio-", 4) == 0)
        return; /* they have no process of ours: aio/job/recover takes them up */
    struct recovery *r = recovery_new(s->set, row);
    if (!r)
        return; /* stays unfinished: the next start tries again */
    const char *keys[JOB_KEYS_MAX];
    size_t n = 0, i;
    json_t *one;
    json_array_foreach(r->repositories, i, one) if (n < JOB_KEYS_MAX && json_is_string(one))
        keys[n++] = json_string_value(one);
    if (r->makes_archives) /* only these write a checkpoint */
        ask_borg(r);
    if (jobs_adopt(s->set->jobs, row, mark, keys, n, &recovery_ops, r, NULL))
        s->jobs++;
    else
        recovery_free(r);
}

bool recover_start(const struct recover_settings *set, size_t *jobs, struct err *e)
{
    struct start s = {.set = set};
    if (!store_unfinished(set->store, adopt, &s))
        return err_set(e, ERR_UNAVAILABLE, "the jobs of the last run cannot be read");
    if (s.jobs == 0)
        control_sweep(set->state_dir);
    if (s.jobs == 0)
        drill_sweep(set->state_dir);
    *jobs = s.jobs;
    return true;
}
