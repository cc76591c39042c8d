#include "aio/run/dump.h"
#include "aio/run/run_internal.h"
#include "base/mem.h"
#include "limits.h"

#include <stdio.h>
#include <string.h>

/* ---- words ---- */

void run_say_verdict(struct run *r, const struct aio_verdict *v)
{
    struct aio_outcome *o = r->out;
    o->ok = v->grade != AIO_GRADE_FAILED;
    o->warning = v->grade == AIO_GRADE_WARNING;
    o->api = v->api;
    (void)snprintf(o->word, sizeof o->word, "%s", v->word);
    (void)snprintf(o->sentence, sizeof o->sentence, "%s", v->sentence);
}

void run_say_error(struct run *r, const char *word, const struct err *e)
{
    struct aio_verdict v;
    aio_verdict_say(&v, AIO_GRADE_FAILED, word, e->code ? e->code : ERR_INTERNAL, "%s", e->msg);
    run_say_verdict(r, &v);
    (void)snprintf(r->out->field, sizeof r->out->field, "%s", e->field);
}

const char *run_where(const struct aio_target *t)
{
    if (t && t->remote_repo[0])
        return t->remote_repo;
    return t && t->host_location[0] ? t->host_location : "AIO's target";
}

void run_judge_backup(struct run *r, struct aio_backup *b, struct aio_verdict *v)
{
    char where[sizeof b->target.remote_repo], shown[256];
    struct buf masked;
    bool check = r->mode && strcmp(r->mode, "check") == 0;
    borg_watch_evidence(&r->borg, follow_borg_read(r->follow), &r->ev);
    buf_init(&masked, sizeof where);
    (void)snprintf(where, sizeof where, "%s", run_where(&b->target));
    (void)redact_apply(r->mask, where, strlen(where), &masked);
    (void)snprintf(shown, sizeof shown, "%.120s", masked.failed ? "the target" : buf_str(&masked));
    buf_done(&masked);
    if (check)
        aio_verdict_of_check(&r->ev, v);
    else
        aio_verdict_of_backup(&r->ev, shown, v);
    (void)snprintf(b->word, sizeof b->word, "%s", v->word);
    (void)snprintf(b->sentence, sizeof b->sentence, "%s", v->sentence);
    b->ok = v->grade != AIO_GRADE_FAILED;
    (void)snprintf(b->archive, sizeof b->archive, "%s", r->ev.archive);
    b->exit_code = r->ev.ended ? r->ev.exit_code : -1;
    (void)snprintf(b->container_id, sizeof b->container_id, "%s",
                   r->borg.id[0] ? r->borg.id : r->borg.before_id);
    b->container_new = r->ev.is_new;
    b->finish_line = r->ev.finish_line;
    b->success_line = r->ev.succeeded;
    b->archive_listed = r->ev.archive[0] != '\0';
    b->target_as_meant = r->ev.is_new && r->ev.target_as_meant;
    b->before = json_incref(r->borg.before);
    b->after = json_incref(r->borg.after);
    b->log_tail = mem_strdup(buf_str(&r->borg.tail));
}

/* ---- what stands still ---- */

static bool is_of_stack(const char *name)
{
    return strcmp(name, AIO_MASTER_NAME) != 0 && strcmp(name, AIO_BORG_NAME) != 0 &&
           strcmp(name, AIO_WATCHTOWER_NAME) != 0;
}

static void note_stopped(struct run *r, const struct aio_look *now)
{
    const struct aio_look *before = &r->out->preflight.look;
    struct aio_outcome *o = r->out;
    for (size_t i = 0; i < before->count; i++) {
        const struct aio_container *was = &before->containers[i];
        const struct aio_container *is = aio_look_find(now, was->name);
        if (!was->running || !is_of_stack(was->name) || (is && is->running))
            continue;
        size_t n = strlen(o->stopped);
        (void)snprintf(o->stopped + n, sizeof o->stopped - n, "%s%s", n ? "," : "", was->name);
    }
}

static void note_downtime(struct run *r, const struct aio_look *now)
{
    const struct aio_container *apache = aio_look_find(now, AIO_APACHE_NAME);
    const struct aio_container *nextcloud = aio_look_find(now, AIO_NEXTCLOUD_NAME);
    int64_t since = 0;
    for (int i = 0; i < 2; i++) {
        const struct aio_container *c = i ? nextcloud : apache;
        if (c && c->started_ms > since)
            since = c->started_ms;
    }
    downtime_look(&r->down, apache && apache->running, nextcloud && nextcloud->running, since,
                  follow_unix_ms());
    r->out->down_ms = downtime_ms(&r->down, follow_unix_ms());
}

static void note_dump(struct run *r, const struct aio_look *now)
{
    const struct aio_container *was = aio_look_find(&r->out->preflight.look, AIO_DATABASE_NAME);
    struct aio_outcome *o = r->out;
    o->dump_known = aio_dump_look(r->x->dump_dir, aio_look_find(now, AIO_DATABASE_NAME),
                                  was && was->running ? r->journal.began_ms : 0, &o->dump_clean,
                                  o->dump_problem, sizeof o->dump_problem);
}

bool run_note_stack(struct run *r, bool stopped)
{
    struct aio_look *now = mem_zalloc(sizeof *now);
    bool looked = now && run_look(r, now);
    bool up = looked && now->stack_up;
    if (looked) {
        note_stopped(r, now);
        note_downtime(r, now);
        if (stopped)
            note_dump(r, now);
    }
    mem_free(now);
    return up;
}

/* ---- does Nextcloud serve? ---- */

static bool ask_service(struct run *r, unsigned ms, bool *up)
{
    struct err e = {0};
    *up = false;
    if (!aio_service_wait(r->en, r->x, run_paced(r, ms), &r->out->service, &e)) {
        if (e.code == ERR_INTERRUPTED) {
            r->why = e;
            return false;
        }
        (void)snprintf(r->out->service.problem, sizeof r->out->service.problem, "%.250s", e.msg);
        return true;
    }
    r->out->service_checked = true;
    *up = aio_service_up(&r->out->service);
    return true;
}

struct stack_seen {
    bool up;     /* then it makes sense to wait: what does not run at all will not come */
    bool busy;   /* somebody's run is active */
    bool apache; /* its container runs */
};

static bool look_at_stack(struct run *r, struct stack_seen *s)
{
    struct aio_look *l = mem_zalloc(sizeof *l);
    bool ok = l && run_look(r, l);
    const struct aio_container *apache = ok ? aio_look_find(l, AIO_APACHE_NAME) : NULL;
    *s = (struct stack_seen){.up = ok && l->stack_up,
                             .busy = ok && aio_look_busy(l, NULL),
                             .apache = apache && apache->running};
    mem_free(l);
    return ok || r->why.code != ERR_INTERRUPTED;
}

/* AIO's script waits without end for an apache that runs with its port closed (daily-backup.sh,
 * "Waiting for apache to become available"), so that one is stopped first. False: a start would
 * only hang. */
static bool make_way(struct run *r, const struct stack_seen *s)
{
    struct err e = {0};
    return !s->apache || r->out->service.port || engine_stop(r->en, AIO_APACHE_NAME, -1, &e);
}

/* False: the run is left (`why`). */
static bool start_again(struct run *r, const struct stack_seen *s, bool *up)
{
    static const struct run_flags start = {.start_containers = true};
    if (!make_way(r, s))
        return true;
    if (r->tell->notice)
        r->tell->notice(r->tell->arg, "started_again",
                        "Nextcloud does not serve after the run; its containers are started once "
                        "more");
    struct aio_evidence seen = r->ev;
    enum run_end end = run_exec(r, &start, NULL, NULL);
    r->ev = seen;
    if (end == RUN_LEFT)
        return false;
    run_stage(r, AIO_VERIFYING);
    return ask_service(r, AIO_SERVICE_MS, up);
}

bool run_see_to_service(struct run *r, struct aio_verdict *v)
{
    struct stack_seen s;
    bool up;
    run_stage(r, AIO_VERIFYING);
    if (!look_at_stack(r, &s) ||
        !ask_service(r, s.up ? AIO_SERVICE_MS : AIO_SERVICE_ABSENT_MS, &up))
        return false;
    if (!up && !look_at_stack(r, &s))
        return false;
    if (!up && !s.busy && !start_again(r, &s, &up))
        return false;
    if (!up)
        aio_verdict_service_down(v, r->out->service.problem);
    return true;
}
