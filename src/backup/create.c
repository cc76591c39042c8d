#include "backup/create.h"

#include "backup/create_internal.h"
#include "base/arena.h"
#include "base/json.h"
#include "base/jsonw.h"
#include "base/mem.h"
#include "jobs/redact.h"

#include <string.h>

/* ---- which borg is this? ---- */

static bool has_arg(const char *const *argv, const char *word)
{
    for (; *argv; argv++)
        if (strcmp(*argv, word) == 0)
            return true;
    return false;
}

static const char *borg_command(const char *const *argv)
{
    for (size_t i = 1; argv[0] && argv[i]; i++)
        if (argv[i][0] != '-')
            return argv[i];
    return "";
}

/* "LOCATION" or "LOCATION::archive" among the arguments. */
static struct create_repo *repo_of(struct create *c, const char *const *argv)
{
    for (size_t i = 1; argv[0] && argv[i]; i++)
        for (size_t k = 0; k < c->repo_count; k++) {
            const char *location = c->repos[k].repo->location;
            size_t n = strlen(location);
            if (strncmp(argv[i], location, n) == 0 &&
                (argv[i][n] == '\0' || strncmp(argv[i] + n, "::", 2) == 0))
                return &c->repos[k];
        }
    return NULL;
}

static bool is_main(const struct create *c, const char *const *argv)
{
    bool dry = has_arg(argv, "--dry-run") || has_arg(argv, "-n");
    return strcmp(borg_command(argv), "create") == 0 && dry == c->dry_run;
}

static struct create_repo *repo_of_run(struct create *c, const struct control_run *run)
{
    for (size_t k = 0; k < c->repo_count; k++)
        if (c->repos[k].run == (int64_t)run->n)
            return &c->repos[k];
    return NULL;
}

/* ---- what the shim reports ---- */

static void on_borg_start(void *arg, const struct control_run *run)
{
    struct create *c = arg;
    c->borg_runs++;
    if (c->stopping)
        run_hurry(c->run);
    struct create_repo *r = repo_of(c, run->argv);
    if (!r || (r->main_ran && !is_main(c, run->argv)))
        return;
    struct verdict *fresh = verdict_new();
    if (!fresh)
        return;
    verdict_free(r->verdict);
    r->verdict = fresh;
    r->run = (int64_t)run->n;
    r->exited = false;
    if (!is_main(c, run->argv))
        return;
    r->main_ran = true;
    c->current = r;
    progress_start(&c->progress, uv_now(c->loop), r->expected_original);
}

static void masked(const struct create *c, const struct buf *plain, struct buf *out)
{
    (void)redact_apply(run_redact(c->run), buf_str(plain), plain->n, out);
}

static void show_progress(struct create *c, bool last)
{
    uint64_t now = uv_now(c->loop);
    if (!c->current || (!last && now - c->progress_at < PROGRESS_MS))
        return;
    c->progress_at = now;
    struct buf plain, shown;
    buf_init(&plain, LIMIT_EVENT);
    buf_init(&shown, LIMIT_EVENT);
    char location[1024];
    create_location_shown(c->current->repo->location, location, sizeof location);
    progress_json(&c->progress, location, resolved_repo_name(c->current->repo), &plain);
    masked(c, &plain, &shown);
    hub_append(job_hub(c->job), EVENT_PROGRESS, "", 0, buf_str(&shown));
    job_set_progress(c->job, buf_str(&shown));
    if (c->progress_lines && (last || now - c->text_at >= PROGRESS_TEXT_MS)) {
        c->text_at = now;
        buf_reset(&plain);
        buf_reset(&shown);
        progress_text(&c->progress, &plain);
        masked(c, &plain, &shown);
        run_say(c->run, buf_str(&shown), shown.n);
    }
    buf_done(&plain);
    buf_done(&shown);
}

static void copy_after(const char *text, const char *prefix, char *out, size_t size)
{
    size_t n = strlen(prefix);
    if (strncmp(text, prefix, n) != 0)
        return;
    while (text[n] == ' ')
        n++;
    size_t len = strcspn(text + n, "\r\n");
    if (len < size) {
        memcpy(out, text + n, len);
        out[len] = '\0';
    }
}

/* The statistics that the shim asks borg for name the archive exactly; several lines may come in
 * one message. */
static void note_archive(struct create_repo *r, const json_t *message)
{
    if (strcmp(json_get_str(message, "name", ""), "borg.output.stats") != 0)
        return;
    const char *text = json_get_str(message, "message", "");
    while (text && *text) {
        copy_after(text, "Archive name:", r->archive, sizeof r->archive);
        copy_after(text, "Archive fingerprint:", r->archive_id, sizeof r->archive_id);
        text = strchr(text, '\n');
        text = text ? text + 1 : NULL;
    }
}

static void on_borg_message(void *arg, const struct control_run *run, const json_t *message)
{
    struct create *c = arg;
    struct create_repo *r = repo_of_run(c, run);
    if (!r)
        return;
    verdict_message(r->verdict, message);
    note_archive(r, message);
    if (r == c->current && progress_feed(&c->progress, message, uv_now(c->loop)))
        show_progress(c, false);
}

static void on_borg_text(void *arg, const struct control_run *run, const char *line, size_t n)
{
    struct create_repo *r = repo_of_run(arg, run);
    if (r)
        verdict_text(r->verdict, line, n);
}

static void on_borg_exit(void *arg, const struct control_run *run, int code, int signal)
{
    struct create *c = arg;
    struct create_repo *r = repo_of_run(c, run);
    if (!r)
        return;
    verdict_exit(r->verdict, code, signal);
    r->exited = true;
    r->code = code;
    r->signal = signal;
    if (r == c->current) {
        show_progress(c, true);
        c->current = NULL;
    }
}

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
        .borg_passphrase = c->borg_passphrase,
        .ssh_passphrase = c->ssh_passphrase,
        .on_start = on_borg_start,
        .on_message = on_borg_message,
        .on_text = on_borg_text,
        .on_exit = on_borg_exit,
        .arg = c,
    };
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
                            .state_dir = c->state_dir,
                            .borg = c->tools.borg,
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
            create_location_shown(c->repos[k].repo->location, shown, sizeof shown);
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
    c->progress_lines = s->progress_lines;
    c->borg_passphrase = secret_dup(s->borg_passphrase);
    c->ssh_passphrase = secret_dup(s->ssh_passphrase);
    memcpy(c->masked, s->masked, sizeof c->masked);
    c->env = s->env;
    c->path = s->path;
    c->tz = s->tz;
    c->state_dir = s->state_dir;
    c->repo_count = select_repos(s, c->repos);
    progress_init(&c->progress);
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
