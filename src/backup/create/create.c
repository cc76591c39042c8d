#include "backup/create/create.h"

#include "backup/create/create_internal.h"
#include "base/arena.h"
#include "base/json.h"
#include "base/jsonw.h"
#include "base/mem.h"

#include <string.h>

/* ---- the run ---- */

static void on_run_done(void *arg, int code, int signal, size_t left)
{
    struct create *c = arg;
    c->code = code;
    c->signal = signal;
    c->left = left;
    c->ended_by_itself = !c->stopping;
    job_stage(c->job, "verifying");
    create_prove(c);
}

static bool open_control(struct create *c, struct err *e)
{
    struct control_spec spec = {
        .state_dir = c->state_dir,
        .borg = c->config->local_path ? c->config->local_path : c->tools.borg,
        .borg_said = c->config->local_path ? NULL : c->tools.borg_said,
        .borg_passphrase = c->borg_passphrase,
        .ssh_passphrase = c->ssh_passphrase,
    };
    create_follow(c, &spec);
    c->control = control_new(c->loop, &spec, e);
    return c->control != NULL;
}

static char *private_json(const char *file, const char *control_dir, bool dry_run,
                          const struct create_repo *repos, size_t n)
{
    struct buf b;
    struct jsonw w;
    buf_init(&b, LIMIT_RECORD);
    jsonw_init(&w, &b);
    jsonw_begin_object(&w);
    jsonw_kstr(&w, "file", file);
    jsonw_kstr(&w, "control_dir", control_dir);
    jsonw_kbool(&w, "dry_run", dry_run);
    jsonw_key(&w, "repositories");
    jsonw_begin_array(&w);
    for (size_t i = 0; i < n; i++)
        jsonw_str(&w, repos[i].repo->normal);
    jsonw_end_array(&w);
    jsonw_end_object(&w);
    return buf_take(&b, NULL);
}

/* What the job's output must not show beside the caller's secrets; NULL-terminated. */
static void list_masked(const struct create *c, const struct secret **out)
{
    size_t n = 0;
    for (size_t i = 0; i < c->config->count; i++)
        if (c->config->repos[i].passphrase)
            out[n++] = c->config->repos[i].passphrase;
    for (size_t i = 0; i < CREATE_MASKED; i++)
        if (c->masked[i])
            out[n++] = c->masked[i];
    out[n] = NULL;
}

static bool launch(struct create *c, struct err *e)
{
    if (!open_control(c, e))
        return false;
    char *private =
        private_json(c->config->file, control_dir(c->control), c->dry_run, c->repos, c->repo_count);
    if (private)
        job_set_private(c->job, private);
    mem_free(private);
    struct arena arena;
    arena_init(&arena, LIMIT_ARENA);
    struct borgmatic_options options = c->options;
    if (c->config->local_path)
        options.local_path = control_shim(c->control);
    const char *const *argv =
        borgmatic_argv(&arena, &c->tools, c->dry_run ? BORGMATIC_CREATE_DRY_RUN : BORGMATIC_CREATE,
                       c->config->file, &options, e);
    const struct secret *masked_too[LIMIT_REPOS + CREATE_MASKED + 1];
    list_masked(c, masked_too);
    struct run_spec spec = {.loop = c->loop,
                            .job = c->job,
                            .file = c->tools.borgmatic,
                            .argv = argv,
                            .env = c->env,
                            .path = c->path,
                            .tz = c->tz,
                            .gentle = !c->dry_run,
                            .borg_passphrase = c->borg_passphrase,
                            .ssh_passphrase = c->ssh_passphrase,
                            .masked = masked_too,
                            .control = c->control,
                            .done = on_run_done,
                            .arg = c};
    c->run = argv ? run_start(&spec, e) : NULL;
    arena_done(&arena);
    if (!c->run) {
        control_free(c->control);
        c->control = NULL;
        return false;
    }
    return true;
}

static void begin(struct create *c)
{
    struct err e = {0};
    job_stage(c->job, c->dry_run ? "dry_run" : "backing_up");
    if (launch(c, &e))
        job_set_pid(c->job, run_pid(c->run));
    else
        create_fail(c, &e);
}

/* The last backup's sizes, for the estimate of how far this one is. */
static void use_last_sizes(struct create *c, const struct store_job *row)
{
    json_t *record = json_parse(row->record, strlen(row->record), NULL);
    const json_t *list = json_object_get(json_object_get(record, "result"), "repositories");
    size_t i;
    json_t *entry;
    json_array_foreach(list, i, entry)
    {
        const char *location = json_get_str(entry, "repository", "");
        int64_t size = json_get_int(json_object_get(entry, "archive"), "original_size", 0);
        for (size_t k = 0; k < c->repo_count; k++) {
            char shown[1024];
            resolve_shown(c->repos[k].repo->location, shown, sizeof shown);
            if (strcmp(shown, location) == 0 && c->repos[k].expected_original == 0)
                c->repos[k].expected_original = size;
        }
    }
    json_decref(record);
}

static void on_last_jobs(void *arg, const struct store_job *rows, size_t n, int64_t next_cursor)
{
    struct create *c = arg;
    for (size_t i = 0; i < n; i++)
        if (rows[i].record &&
            (strcmp(rows[i].state, "succeeded") == 0 || strcmp(rows[i].state, "warning") == 0))
            use_last_sizes(c, &rows[i]);
    if (c->stopping)
        create_finish(c);
    else
        begin(c);
}

enum { LAST_JOBS = 5 };

static void create_start(struct job *j, void *work)
{
    struct create *c = work;
    c->job = j;
    struct store_filter filter = {.kind = "create", .label = c->label, .limit = LAST_JOBS};
    store_jobs_list(c->store, &filter, on_last_jobs, c);
}

static void create_stop(struct job *j, void *work, enum job_stop why)
{
    struct create *c = work;
    c->stopping = true;
    if (c->run)
        run_stop(c->run);
}

static void create_free(void *work)
{
    struct create *c = work;
    if (!c)
        return;
    for (size_t i = 0; i < c->repo_count; i++) {
        verdict_free(c->repos[i].verdict);
        json_decref(c->repos[i].found);
    }
    resolved_unref(c->config);
    secret_free(c->borg_passphrase);
    secret_free(c->ssh_passphrase);
    mem_free(c->label);
    mem_free(c->comment);
    mem_free(c->repository_label);
    mem_free(c);
}

const struct job_ops create_ops = {.start = create_start, .stop = create_stop, .free = create_free};

static bool wanted(const struct create_spec *s, const struct resolved_repo *repo)
{
    const char *only = s->options->repository;
    return !only || strcmp(only, repo->label) == 0 || strcmp(only, repo->location) == 0;
}

static size_t select_repos(const struct create_spec *s, struct create_repo *repos)
{
    size_t n = 0;
    for (size_t i = 0; i < s->config->count; i++)
        if (wanted(s, &s->config->repos[i]))
            repos[n++] = (struct create_repo){.repo = &s->config->repos[i], .run = NO_RUN};
    return n;
}

void *create_work_new(const struct create_spec *s)
{
    struct create *c = mem_zalloc(sizeof *c);
    if (!c)
        return NULL;
    c->loop = s->loop;
    c->store = s->store;
    c->tools = *s->tools;
    c->config = resolved_ref(s->config);
    c->label = mem_strdup(s->label);
    c->options = *s->options;
    c->options.comment = c->comment = mem_strdup(s->options->comment);
    c->options.repository = c->repository_label = mem_strdup(s->options->repository);
    c->dry_run = s->dry_run;
    c->borg_passphrase = secret_dup(s->borg_passphrase);
    c->ssh_passphrase = secret_dup(s->ssh_passphrase);
    memcpy(c->masked, s->masked, sizeof c->masked);
    c->env = s->env;
    c->path = s->path;
    c->tz = s->tz;
    c->state_dir = s->state_dir;
    c->repo_count = select_repos(s, c->repos);
    progress_show_init(&c->progress, s->progress_lines);
    bool whole = c->label && (c->comment || !s->options->comment) &&
                 (c->repository_label || !s->options->repository) &&
                 (c->borg_passphrase || !s->borg_passphrase) &&
                 (c->ssh_passphrase || !s->ssh_passphrase);
    if (!whole) {
        create_free(c);
        return NULL;
    }
    return c;
}

char *create_private_json(const struct create_spec *s)
{
    struct create_repo repos[LIMIT_REPOS];
    size_t n = select_repos(s, repos);
    return private_json(s->config->file, NULL, s->dry_run, repos, n);
}
