/* When readers are told that there is something for them.
 *
 * A waiting reader stands in the idle list of its job. The first event moves the whole list to
 * `due`, at no cost per reader. The check handle, which runs after each round of I/O, tells at most
 * FANOUT_PER_TURN of them; in a crowd each then cools for FANOUT_CLIENT_MS, after which it is due
 * again if there is more, else idle. `cooling` is in order of time because all cool equally long,
 * so one timer serves them. */
#include "jobs/hub_internal.h"

static uint64_t now_ms(void)
{
    return uv_hrtime() / 1000000;
}

static bool has_news(const struct hub_reader *r)
{
    if (r->retry)
        return true;
    if (r->all)
        return r->pos < hub_frontier(r->h);
    return !r->j || r->j->ended || r->pos < hub_visible(r->j);
}

static void on_cool(uv_timer_t *timer);

static void arm_cool(struct hub *h, uint64_t now)
{
    if (link_empty(&h->cooling) || h->closing)
        return;
    const struct hub_reader *first = LINK_OF(h->cooling.next, struct hub_reader, turn);
    uint64_t at = first->woken_ms + FANOUT_CLIENT_MS;
    (void)uv_timer_start(&h->cool, on_cool, at > now ? at - now : 1, 0);
}

/* To the end of those that are left alone for a while. */
static void cool_down(struct hub_reader *r)
{
    struct hub *h = r->h;
    r->cooling = true;
    r->woken_ms = now_ms();
    link_put(&h->cooling, &r->turn);
    if (!uv_is_active((uv_handle_t *)&h->cool))
        arm_cool(h, r->woken_ms);
}

static void on_spin(uv_idle_t *spin)
{
    (void)spin;
}

static void on_check(uv_check_t *check)
{
    struct hub *h = check->data;
    for (int i = 0; i < FANOUT_PER_TURN && !link_empty(&h->due); i++) {
        struct hub_reader *r = LINK_OF(h->due.next, struct hub_reader, turn);
        r->waiting = false;
        if (h->reader_count > FANOUT_CROWD)
            cool_down(r);
        else
            link_drop(&r->turn);
        r->wake(r->arg);
    }
    if (!link_empty(&h->due))
        return;
    (void)uv_check_stop(&h->check);
    (void)uv_idle_stop(&h->spin);
    if (h->closing)
        hub_close_handles(h);
}

static void start_turns(struct hub *h)
{
    if (link_empty(&h->due) || uv_is_active((uv_handle_t *)&h->check))
        return;
    (void)uv_check_start(&h->check, on_check);
    (void)uv_idle_start(&h->spin, on_spin);
}

/* Where a reader that waits and is not cooling belongs. */
static void place(struct hub_reader *r)
{
    bool asked = r->read || !link_empty(&r->store);
    if (asked)
        return; /* the answer will tell it */
    if (has_news(r))
        link_put(&r->h->due, &r->turn);
    else if (r->all)
        link_put(&r->h->idle_all, &r->turn);
    else
        link_put(&r->j->idle, &r->turn);
}

static void on_cool(uv_timer_t *timer)
{
    struct hub *h = timer->data;
    uint64_t now = now_ms();
    while (!link_empty(&h->cooling)) {
        struct hub_reader *r = LINK_OF(h->cooling.next, struct hub_reader, turn);
        if (r->woken_ms + FANOUT_CLIENT_MS > now)
            break;
        link_drop(&r->turn);
        r->cooling = false;
        if (r->waiting)
            place(r);
    }
    start_turns(h);
    arm_cool(h, now);
}

void hub_wake_init(struct hub *h)
{
    link_init(&h->due);
    link_init(&h->cooling);
    link_init(&h->idle_all);
    h->check.data = h->spin.data = h->cool.data = h;
    (void)uv_check_init(h->loop, &h->check); /* these only fill in a structure */
    (void)uv_idle_init(h->loop, &h->spin);
    (void)uv_timer_init(h->loop, &h->cool);
}

void hub_wake_all(struct hub *h, struct link *idle)
{
    if (link_empty(idle))
        return;
    link_move_all(&h->due, idle);
    start_turns(h);
}

void hub_wake_one(struct hub_reader *r)
{
    link_put(&r->h->due, &r->turn);
    r->cooling = false;
    start_turns(r->h);
}

void hub_wait(struct hub_reader *r)
{
    r->waiting = true;
    if (r->cooling)
        return;
    if (r->retry) { /* not at once: it would only fail again */
        cool_down(r);
        return;
    }
    place(r);
    start_turns(r->h);
}

void hub_wake_close(struct hub *h)
{
    for (struct link *l = h->readers.next; l != &h->readers; l = l->next)
        link_put(&h->due, &LINK_OF(l, struct hub_reader, in_hub)->turn);
    (void)uv_timer_stop(&h->cool);
    (void)uv_check_start(&h->check, on_check);
    (void)uv_idle_start(&h->spin, on_spin);
}
