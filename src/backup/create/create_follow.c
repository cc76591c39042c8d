/* While borgmatic runs: which of its borgs works for which repository, how far it is, what it says.
 */
#include "backup/create/create_internal.h"
#include "base/json.h"

#include <string.h>

/* ---- which borg is this? ---- */

static bool has_arg(const char *const *argv, const char *word)
{
    for (; *argv; argv++)
        if (strcmp(*argv, word) == 0)
            return true;
    return false;
}

static struct create_repo *repo_of(struct create *c, const struct control_run *run)
{
    for (size_t k = 0; k < c->repo_count; k++)
        if (control_run_concerns(run, c->repos[k].repo->location))
            return &c->repos[k];
    return NULL;
}

static bool is_main(const struct create *c, const struct control_run *run)
{
    bool dry = has_arg(run->argv, "--dry-run") || has_arg(run->argv, "-n");
    return strcmp(control_run_command(run), "create") == 0 && dry == c->dry_run;
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
    struct create_repo *r = repo_of(c, run);
    if (!r || (r->main_ran && !is_main(c, run)))
        return;
    struct verdict *fresh = verdict_new();
    if (!fresh)
        return;
    verdict_free(r->verdict);
    r->verdict = fresh;
    r->run = (int64_t)run->n;
    r->exited = false;
    if (!is_main(c, run))
        return;
    r->main_ran = true;
    c->current = r;
    progress_start(&c->progress.progress, uv_now(c->loop), r->expected_original);
}

static void show_progress(struct create *c, bool last)
{
    if (c->current)
        progress_show(&c->progress, c->job, c->run, c->current->repo, uv_now(c->loop), last);
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
    if (r == c->current && progress_feed(&c->progress.progress, message, uv_now(c->loop)))
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

void create_follow(struct create *c, struct control_spec *spec)
{
    spec->on_start = on_borg_start;
    spec->on_message = on_borg_message;
    spec->on_text = on_borg_text;
    spec->on_exit = on_borg_exit;
    spec->arg = c;
}
