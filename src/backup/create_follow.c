/* While borgmatic runs: which of its borgs works for which repository, how far it is, what it says.
 */
#include "backup/create_internal.h"
#include "base/json.h"
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
    resolve_shown(c->current->repo->location, location, sizeof location);
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

void create_follow(struct create *c, struct control_spec *spec)
{
    spec->on_start = on_borg_start;
    spec->on_message = on_borg_message;
    spec->on_text = on_borg_text;
    spec->on_exit = on_borg_exit;
    spec->arg = c;
}
