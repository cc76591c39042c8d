/* Which borgs a borgmatic runs for which repository, and what they say. */
#include "backup/run/operation_internal.h"
#include "base/arena.h"
#include "base/json.h"

#include <string.h>

bool operation_repo_begin(struct operation *op, struct operation_repo *r)
{
    struct verdict *fresh = verdict_new();
    if (!fresh)
        return false;
    verdict_free(r->verdict);
    r->verdict = fresh;
    r->exited = false;
    r->code = r->signal = 0;
    verdict_expect(fresh, op->done_word, op->done_sentence);
    verdict_faults(fresh, op->plan->faults);
    progress_start(&op->progress.progress, uv_now(op->context.loop), 0);
    return true;
}

static struct operation_repo *repo_of(struct operation *op, const struct control_run *run)
{
    for (size_t i = 0; i < op->repo_count; i++)
        if (op->repos[i].run == (int64_t)run->n)
            return &op->repos[i];
    return NULL;
}

/* Whether the word is among those of "one|two". */
static bool is_wanted(const char *commands, const char *word)
{
    size_t n = strlen(word);
    for (const char *c = commands; n && c; c = strchr(c, '|') ? strchr(c, '|') + 1 : NULL)
        if (strcspn(c, "|") == n && strncmp(c, word, n) == 0)
            return true;
    return false;
}

static void on_borg_start(void *arg, const struct control_run *run)
{
    struct operation *op = arg;
    op->borg_runs++;
    if (op->stopping)
        run_hurry(op->run);
    struct operation_repo *r = NULL;
    for (size_t i = 0; i < op->repo_count && !r; i++)
        if (control_run_concerns(run, op->repos[i].repo->location))
            r = &op->repos[i];
    bool main = is_wanted(op->command, control_run_command(run));
    if (!r || (r->main_ran && !main))
        return;
    /* A second run of the wanted command (one check is several) adds to what the first one said. */
    if (!r->main_ran && !operation_repo_begin(op, r))
        return;
    r->run = (int64_t)run->n;
    r->main_ran = r->main_ran || main;
    op->current = main ? r : NULL;
}

static void on_borg_message(void *arg, const struct control_run *run, const json_t *m)
{
    struct operation *op = arg;
    struct operation_repo *r = repo_of(op, run);
    if (!r)
        return;
    verdict_message(r->verdict, m);
    if (op->plan->heard && r == op->current)
        op->plan->heard(op, op->data, r, m);
    uint64_t now = uv_now(op->context.loop);
    if (r == op->current && progress_feed(&op->progress.progress, m, now))
        progress_show(&op->progress, op->job, op->run, r->repo, now, false);
}

static void on_borg_text(void *arg, const struct control_run *run, const char *line, size_t n)
{
    struct operation_repo *r = repo_of(arg, run);
    if (r)
        verdict_text(r->verdict, line, n);
}

static void on_borg_exit(void *arg, const struct control_run *run, int code, int signal)
{
    struct operation *op = arg;
    struct operation_repo *r = repo_of(op, run);
    if (!r)
        return;
    if (!r->exited || code > r->code) {
        r->code = code;
        r->signal = signal;
        verdict_exit(r->verdict, code, signal);
    }
    r->exited = true;
    if (r == op->current)
        op->current = NULL;
}

static bool launch(struct operation *op, enum borgmatic_verb verb,
                   const struct borgmatic_options *options, struct arena *a, struct err *e)
{
    struct control_spec control = {.on_start = on_borg_start,
                                   .on_message = on_borg_message,
                                   .on_text = on_borg_text,
                                   .on_exit = on_borg_exit,
                                   .arg = op};
    if (!operation_open_control(op, &control, e))
        return false;
    struct borgmatic_options o = *options;
    o.sectioned = op->config->sectioned;
    o.repository = op->repository;
    o.local_path = op->config->local_path ? control_shim(op->control) : NULL;
    struct operation_start s = {.file = op->tools.borgmatic,
                                .argv =
                                    borgmatic_argv(a, &op->tools, verb, op->config->file, &o, e),
                                .env = operation_join(a, op->context.env, op->more_env)};
    if (s.argv && s.env)
        return operation_start(op, &s, e);
    control_free(op->control);
    op->control = NULL;
    return false;
}

bool operation_borgmatic(struct operation *op, enum borgmatic_verb verb,
                         const struct borgmatic_options *options, const char *command,
                         struct err *e)
{
    struct arena a;
    op->by_borgmatic = true;
    op->command = command;
    op->current = NULL;
    arena_init(&a, LIMIT_ARENA);
    bool started = launch(op, verb, options, &a, e);
    arena_done(&a);
    return started;
}
