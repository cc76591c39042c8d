/* The hub itself: its life, the reservation of numbers, and who may write. What happens to events
 * is in hub_job.c. */
#include "base/mem.h"
#include "jobs/hub_internal.h"

#include <assert.h>

enum {
    IDS_FOR_A_READ = CHILD_READ + 1024, /* a read of empty lines, and what comes between */
};

/* ---- reserving numbers ---- */

static void on_retry(uv_timer_t *timer);

static void retry_later(struct hub *h)
{
    if (!h->closing && !uv_is_active((uv_handle_t *)&h->retry))
        (void)uv_timer_start(&h->retry, on_retry, HUB_RETRY_MS, 0);
}

static void got_gids(void *arg, bool ok, const struct err *e)
{
    (void)e;
    struct hub *h = arg;
    h->gid_pending = false;
    h->gid_failed = !ok;
    if (ok) {
        h->gid_mark = h->gid_asked;
        hub_wake_all(h, &h->idle_all);
    } else {
        retry_later(h);
    }
    hub_tell_writers(h);
    hub_op_done(h);
}

static void got_ids(void *arg, bool ok, const struct err *e)
{
    (void)e;
    struct hub_job *j = arg;
    struct hub *h = j->h;
    j->reserve_pending = false;
    j->reserve_failed = !ok;
    if (ok) {
        j->mark = j->asked;
        if (!j->ending && j->next_id <= j->mark)
            j->hidden_gid = UINT64_MAX;
        hub_wake_all(h, &j->idle);
        hub_wake_all(h, &h->idle_all);
    } else {
        retry_later(h);
    }
    j->ops--;
    hub_job_release(j);
    hub_tell_writers(h);
    hub_op_done(h);
}

static void ask_gids(struct hub *h)
{
    h->gid_asked = (h->next_gid > h->gid_mark ? h->next_gid : h->gid_mark) + EVENT_RESERVE;
    h->gid_pending = true;
    h->ops++;
    store_reserve_gid(h->store, h->gid_asked, got_gids, h);
}

static void ask_ids(struct hub_job *j)
{
    j->asked = (j->next_id > j->mark ? j->next_id : j->mark) + EVENT_RESERVE;
    j->reserve_pending = true;
    j->ops++;
    j->h->ops++;
    store_reserve(j->h->store, j->id, j->asked, got_ids, j);
}

void hub_reserve(struct hub_job *j)
{
    struct hub *h = j->h;
    if (j->next_id + EVENT_RESERVE / 2 > j->mark && !j->reserve_pending && !j->reserve_failed)
        ask_ids(j);
    if (h->next_gid + EVENT_RESERVE / 2 > h->gid_mark && !h->gid_pending && !h->gid_failed)
        ask_gids(h);
}

static void on_retry(uv_timer_t *timer)
{
    struct hub *h = timer->data;
    if (h->gid_failed && !h->gid_pending)
        ask_gids(h);
    for (struct link *l = h->jobs.next; l != &h->jobs; l = l->next) {
        struct hub_job *j = LINK_OF(l, struct hub_job, in_hub);
        if (j->reserve_failed && !j->reserve_pending && !j->ending)
            ask_ids(j);
    }
}

/* ---- who may write ---- */

bool hub_writable(const struct hub_job *j)
{
    const struct hub *h = j->h;
    if (h->behind || j->ending)
        return false;
    if (j->reserve_failed || h->gid_failed)
        return true; /* its lines are dropped, but it need not stand still */
    return j->mark >= j->next_id + IDS_FOR_A_READ && h->gid_mark >= h->next_gid + IDS_FOR_A_READ;
}

void hub_note_writers(struct hub *h)
{
    if (!h->behind && store_backlog(h->store) > STORE_QUEUE_HIGH)
        h->behind = true;
    for (struct link *l = h->jobs.next; l != &h->jobs; l = l->next) {
        struct hub_job *j = LINK_OF(l, struct hub_job, in_hub);
        j->blocked = j->blocked || !hub_writable(j);
    }
}

static struct hub_job *next_ready(struct hub *h)
{
    for (struct link *l = h->jobs.next; l != &h->jobs; l = l->next) {
        struct hub_job *j = LINK_OF(l, struct hub_job, in_hub);
        if (j->blocked && hub_writable(j))
            return j;
    }
    return NULL;
}

/* `ready` may write, end its job or open another: the list is looked at anew each time. */
void hub_tell_writers(struct hub *h)
{
    if (h->behind && store_backlog(h->store) <= STORE_QUEUE_LOW)
        h->behind = false;
    for (struct hub_job *j; (j = next_ready(h));) {
        j->blocked = false;
        if (j->ready)
            j->ready(j->ready_arg);
    }
}

/* ---- life ---- */

static void on_seal(uv_timer_t *timer)
{
    hub_seal_all(timer->data);
}

void hub_seal_soon(struct hub *h)
{
    if (!uv_is_active((uv_handle_t *)&h->seal))
        (void)uv_timer_start(&h->seal, on_seal, EVENT_BLOCK_MS, 0);
}

struct hub *hub_new(uv_loop_t *loop, struct store *store, struct err *e)
{
    struct hub *h = mem_zalloc(sizeof *h);
    if (!h) {
        (void)err_set(e, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    h->loop = loop;
    h->store = store;
    link_init(&h->jobs);
    link_init(&h->ended);
    link_init(&h->readers);
    link_init(&h->want);
    link_init(&h->kept);
    hub_wake_init(h);
    (void)uv_timer_init(loop, &h->seal); /* these only fill in a structure */
    (void)uv_timer_init(loop, &h->retry);
    h->seal.data = h->retry.data = h;
    h->next_gid = store_gid_mark(store);
    if (h->next_gid == 0)
        h->next_gid = 1;
    h->gid_mark = h->all_first = h->next_gid;
    ask_gids(h);
    return h;
}

void hub_close(struct hub *h, void (*closed)(void *arg), void *arg)
{
    assert(link_empty(&h->jobs) && !h->closing);
    h->closing = true;
    h->closed = closed;
    h->closed_arg = arg;
    while (!link_empty(&h->ended))
        hub_job_forget(LINK_OF(h->ended.next, struct hub_job, in_hub));
    hub_wake_close(h);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct hub *h = handle->data;
    h->handles--;
    hub_release(h);
}

void hub_close_handles(struct hub *h)
{
    uv_handle_t *handles[] = {(uv_handle_t *)&h->check, (uv_handle_t *)&h->spin,
                              (uv_handle_t *)&h->cool, (uv_handle_t *)&h->seal,
                              (uv_handle_t *)&h->retry};
    h->handles = sizeof handles / sizeof handles[0];
    h->handles_closing = true;
    for (size_t i = 0; i < sizeof handles / sizeof handles[0]; i++)
        uv_close(handles[i], on_handle_closed);
}

/* The memory goes with the last of: its handles, the store's answers, its readers. */
void hub_release(struct hub *h)
{
    if (!h->handles_closing || h->handles > 0 || h->ops > 0)
        return;
    void (*closed)(void *arg) = h->closed;
    void *arg = h->closed_arg;
    h->closed = NULL;
    if (h->reader_count == 0) {
        hub_all_clear(h);
        mem_free(h);
    }
    if (closed)
        closed(arg);
}

void hub_op_done(struct hub *h)
{
    h->ops--;
    hub_release(h);
}
