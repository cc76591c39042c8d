#include "backup/create/progress_show.h"

#include "jobs/redact.h"
#include "limits.h"

void progress_show_init(struct progress_show *s, bool lines)
{
    *s = (struct progress_show){.lines = lines};
    progress_init(&s->progress);
}

static void masked(const struct run *run, const struct buf *plain, struct buf *out)
{
    (void)redact_apply(run_redact(run), buf_str(plain), plain->n, out);
}

void progress_show(struct progress_show *s, struct job *j, struct run *run,
                   const struct resolved_repo *repo, uint64_t now, bool last)
{
    if (!last && now - s->shown_at < PROGRESS_MS)
        return;
    s->shown_at = now;
    struct buf plain, shown;
    buf_init(&plain, LIMIT_EVENT);
    buf_init(&shown, LIMIT_EVENT);
    char location[1024];
    resolve_shown(repo->location, location, sizeof location);
    progress_json(&s->progress, location, resolved_repo_name(repo), &plain);
    masked(run, &plain, &shown);
    hub_append(job_hub(j), EVENT_PROGRESS, "", 0, buf_str(&shown));
    job_set_progress(j, buf_str(&shown));
    if (s->lines && (last || now - s->text_at >= PROGRESS_TEXT_MS)) {
        s->text_at = now;
        buf_reset(&plain);
        buf_reset(&shown);
        progress_text(&s->progress, &plain);
        masked(run, &plain, &shown);
        run_say(run, buf_str(&shown), shown.n);
    }
    buf_done(&plain);
    buf_done(&shown);
}
