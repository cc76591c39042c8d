/* Writers: events get their numbers, gather in blocks, go to the store and stay in memory for a
 * while. */
#include "base/mem.h"
#include "jobs/hub_internal.h"

#include <assert.h>
#include <string.h>
#include <time.h>

/* ---- what is in memory ---- */

static struct block *ring_block(const struct hub_job *j, size_t i)
{
    return j->ring[(j->ring_at + i) % HUB_RING];
}

uint64_t hub_visible(const struct hub_job *j)
{
    if (j->ended)
        return j->next_id;
    uint64_t end = j->final_id < j->next_id ? j->final_id : j->next_id;
    return end < j->mark ? end : j->mark;
}

uint64_t hub_frontier(const struct hub *h)
{
    uint64_t gid = h->next_gid < h->gid_mark ? h->next_gid : h->gid_mark;
    for (struct link *l = h->jobs.next; l != &h->jobs; l = l->next) {
        const struct hub_job *j = LINK_OF(l, struct hub_job, in_hub);
        if (j->hidden_gid < gid)
            gid = j->hidden_gid;
    }
    return gid;
}

uint64_t hub_memory_first(const struct hub_job *j)
{
    if (j->ring_n > 0)
        return ring_block(j, 0)->first_id;
    return j->open ? j->open->first_id : j->next_id;
}

bool hub_memory_get(const struct hub_job *j, uint64_t id, const struct block **at, struct event *ev)
{
    if (*at && block_get(*at, id, ev))
        return true;
    *at = j->open;
    for (size_t i = j->ring_n; i > 0 && (!*at || id < (*at)->first_id); i--) {
        const struct block *b = ring_block(j, i - 1);
        if (*at && id >= b->first_id + b->count)
            break; /* in the hole before *at */
        *at = b;
    }
    return *at && block_get(*at, id > (*at)->first_id ? id : (*at)->first_id, ev);
}

static void ring_drop(struct hub_job *j)
{
    struct block *b = ring_block(j, 0);
    j->ring_bytes -= b->text.n;
    j->ring_at = (j->ring_at + 1) % HUB_RING;
    j->ring_n--;
    block_unref(b);
}

/* Takes the caller's reference. */
static void ring_put(struct hub_job *j, struct block *b)
{
    while (j->ring_n > 0 && (j->ring_n == HUB_RING || j->ring_bytes + b->text.n > EVENT_RING))
        ring_drop(j);
    j->ring[(j->ring_at + j->ring_n++) % HUB_RING] = b;
    j->ring_bytes += b->text.n;
}

static void all_drop(struct hub *h)
{
    struct hub_entry *entry = &h->all[h->all_first++ % HUB_ALL];
    h->all_bytes -= entry->bytes;
    block_unref(entry->block);
}

void hub_all_clear(struct hub *h)
{
    while (h->all_first < h->next_gid && h->all_bytes > 0)
        all_drop(h);
    h->all_first = h->next_gid;
}

/* Before next_gid goes on. */
static void all_put(struct hub *h, struct block *b, uint64_t id, size_t bytes)
{
    if (h->global_count == 0) {
        h->all_first = h->next_gid + 1;
        return;
    }
    while (h->all_first < h->next_gid &&
           (h->next_gid - h->all_first == HUB_ALL || h->all_bytes + bytes > EVENT_RING))
        all_drop(h);
    h->all[h->next_gid % HUB_ALL] = (struct hub_entry){block_ref(b), id, bytes};
    h->all_bytes += bytes;
}

/* ---- writing ---- */

struct hub_job *hub_job_find(const struct hub *h, const char *job)
{
    for (struct link *l = h->jobs.next; l != &h->jobs; l = l->next) {
        struct hub_job *j = LINK_OF(l, struct hub_job, in_hub);
        if (strcmp(j->id, job) == 0)
            return j;
    }
    return NULL;
}

struct hub_job *hub_open(struct hub *h, const char *job, uint64_t first, uint64_t mark,
                         struct err *e)
{
    size_t n = strlen(job);
    struct hub_job *j = NULL;
    if (n < sizeof j->id)
        j = mem_zalloc(sizeof *j);
    if (!j) {
        (void)err_set(e, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    j->h = h;
    memcpy(j->id, job, n + 1);
    j->next_id = first;
    j->mark = mark > first ? mark : first;
    j->final_id = j->hidden_gid = UINT64_MAX;
    link_init(&j->in_hub);
    link_init(&j->readers);
    link_init(&j->idle);
    link_put(&h->jobs, &j->in_hub);
    for (struct link *l = h->readers.next; l != &h->readers; l = l->next) {
        struct hub_reader *r = LINK_OF(l, struct hub_reader, in_hub);
        if (r->all || r->finished || strcmp(r->job, job) != 0)
            continue;
        r->j = j; /* a job of a former life, read while it is taken up again */
        link_put(&j->readers, &r->of_job);
    }
    hub_reserve(j);
    j->blocked = !hub_writable(j);
    return j;
}

static double wall_clock(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void appended(void *arg, bool ok, const struct err *e)
{
    (void)ok; /* if not, readers will see the hole */
    (void)e;
    struct hub *h = arg;
    hub_tell_writers(h);
    hub_op_done(h);
}

static void seal(struct hub_job *j)
{
    struct block *b = TAKE(j->open);
    if (!b)
        return;
    j->h->ops++;
    store_append(j->h->store, b, appended, j->h);
    ring_put(j, b);
    hub_note_writers(j->h);
}

void hub_seal_all(struct hub *h)
{
    for (struct link *l = h->jobs.next; l != &h->jobs; l = l->next)
        seal(LINK_OF(l, struct hub_job, in_hub));
}

/* While no numbers can be reserved, the last of them are for what matters most. */
static bool may_number(const struct hub_job *j, enum event_kind kind)
{
    const struct hub *h = j->h;
    bool dear = kind == EVENT_STAGE || kind == EVENT_STATUS || kind == EVENT_DONE;
    uint64_t tail = dear ? 0 : HUB_TAIL;
    if (j->reserve_failed && j->next_id + tail >= j->mark)
        return false;
    return !h->gid_failed || h->next_gid + tail < h->gid_mark;
}

/* What was lost leaves a hole in the ids, as wide as ids can be spared. */
static void leave_hole(struct hub_job *j)
{
    if (j->lost == 0)
        return;
    seal(j);
    uint64_t spare = j->mark > j->next_id + HUB_TAIL ? (j->mark - j->next_id) / 2 : 1;
    j->next_id += j->lost < spare ? j->lost : spare;
    j->lost = 0;
}

/* Adds the event to the open block under the next numbers. */
static bool add(struct hub_job *j, enum event_kind kind, const char *line, size_t n,
                const char *data)
{
    struct hub *h = j->h;
    if (!j->open)
        j->open = block_new(j->id, j->next_id);
    struct block *b = j->open;
    size_t before = b ? b->text.n : 0;
    if (!b || !block_add(b, kind, h->next_gid, wall_clock(), line, n, data)) {
        if (b && b->count == 0)
            block_unref(TAKE(j->open));
        return false;
    }
    all_put(h, b, j->next_id, b->text.n - before);
    if (j->next_id >= j->mark && j->hidden_gid == UINT64_MAX)
        j->hidden_gid = h->next_gid;
    h->next_gid++;
    j->next_id++;
    return true;
}

void hub_append(struct hub_job *j, enum event_kind kind, const char *line, size_t n,
                const char *data)
{
    struct hub *h = j->h;
    assert(!j->ending);
    if (!may_number(j, kind)) {
        j->lost++;
        return;
    }
    leave_hole(j);
    if (!add(j, kind, line, n, data)) {
        j->lost++;
        return;
    }
    hub_wake_all(h, &j->idle);
    hub_wake_all(h, &h->idle_all);
    hub_reserve(j);
    if (j->open->text.n >= EVENT_BLOCK)
        seal(j);
    else if (j->open->count == 1)
        hub_seal_soon(h);
    if (!j->blocked)
        j->blocked = !hub_writable(j);
}

void hub_on_ready(struct hub_job *j, void (*ready)(void *arg), void *arg)
{
    j->ready = ready;
    j->ready_arg = arg;
}

uint64_t hub_next_id(const struct hub_job *j)
{
    return j->next_id;
}

bool hub_is_live(const struct hub *h, const char *job)
{
    return hub_job_find(h, job) != NULL;
}

/* ---- the end ---- */

void hub_job_release(struct hub_job *j)
{
    if (!j->gone || !link_empty(&j->readers) || j->ops > 0)
        return;
    if (j->ended)
        j->h->ended_count--;
    while (j->ring_n > 0)
        ring_drop(j);
    block_unref(j->open);
    link_drop(&j->in_hub);
    mem_free(j);
}

void hub_job_forget(struct hub_job *j)
{
    j->ops++; /* it stays until the last reader has left */
    while (!link_empty(&j->readers))
        hub_reader_detach(LINK_OF(j->readers.next, struct hub_reader, of_job));
    j->ops--;
    hub_job_release(j);
}

static void end_is_kept(void *arg, bool ok, const struct err *e)
{
    struct hub_job *j = arg;
    struct hub *h = j->h;
    j->ended = ok;
    j->gone = true;
    j->hidden_gid = UINT64_MAX;
    link_put(&h->ended, &j->in_hub);
    h->ended_count += ok ? 1 : 0;
    hub_wake_all(h, &j->idle);
    hub_wake_all(h, &h->idle_all);
    store_done done = j->end_done;
    void *done_arg = j->end_arg;
    j->ops--;
    if (ok)
        hub_job_release(j);
    else
        hub_job_forget(j);
    if (h->ended_count > HUB_LINGER)
        hub_job_forget(LINK_OF(h->ended.next, struct hub_job, in_hub));
    if (done)
        done(done_arg, ok, e);
    hub_op_done(h);
}

void hub_end(struct hub_job *j, const char *line, size_t n, struct store_job *row, store_done done,
             void *arg)
{
    struct hub *h = j->h;
    assert(!j->ending);
    leave_hole(j);
    seal(j);
    uint64_t id = j->next_id, gid = h->next_gid;
    struct block *b = NULL;
    if (add(j, EVENT_STATUS, line, n, NULL)) {
        b = TAKE(j->open);
        j->final_id = id;
        if (j->hidden_gid > gid)
            j->hidden_gid = gid;
    }
    row->last_event_id = j->next_id > 0 ? j->next_id - 1 : 0;
    j->ending = true;
    j->end_done = done;
    j->end_arg = arg;
    j->ops++;
    h->ops++;
    store_job_end(h->store, row, b, end_is_kept, j);
    if (b)
        ring_put(j, b);
    hub_note_writers(h);
}

void hub_leave(struct hub_job *j)
{
    struct hub *h = j->h;
    assert(!j->ending);
    leave_hole(j);
    seal(j);
    j->ending = j->gone = true;
    j->hidden_gid = UINT64_MAX;
    link_put(&h->ended, &j->in_hub);
    hub_wake_all(h, &j->idle);
    hub_wake_all(h, &h->idle_all);
    hub_job_forget(j);
    hub_note_writers(h);
}
