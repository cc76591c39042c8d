#include "backup/locks/lock_break.h"

#include "backup/locks/lock_look.h"
#include "backup/locks/lock_probe.h"
#include "backup/locks/lock_survey.h"
#include "base/json.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

enum phase { LOOK, BREAK, VERIFY };

struct lock_break {
    bool force;
    struct operation *op;
    size_t at; /* the repository in hand */
    enum phase phase;
    struct lock_state before, after;
    bool broken; /* borg break-lock ended well on it */
    bool any_broken;
    bool failed;                 /* `worst` holds */
    struct verdict_result worst; /* of what failed or was refused first */
    uv_work_t work;
    bool working;
    char *path, *host_id; /* for the worker */
};

void *lock_break_new(bool force)
{
    struct lock_break *b = mem_zalloc(sizeof *b);
    if (b)
        b->force = force;
    return b;
}

static void lock_break_free(void *data)
{
    struct lock_break *b = data;
    if (!b)
        return;
    mem_free(b->path);
    mem_free(b->host_id);
    mem_free(b);
}

static void go_on(struct lock_break *b);

static struct operation_repo *in_hand(struct lock_break *b)
{
    return operation_repo(b->op, b->at);
}

/* ---- what is told ---- */

static void keep_worst(struct lock_break *b, enum err_code api, const char *sentence)
{
    if (b->failed)
        return;
    b->failed = true;
    b->worst = (struct verdict_result){.state = VERDICT_FAILED, .api = api};
    (void)snprintf(b->worst.word, sizeof b->worst.word, "%s",
                   api == ERR_COMMAND_FAILED ? "lock_not_broken" : err_word(api));
    (void)snprintf(b->worst.sentence, sizeof b->worst.sentence, "%s", sentence);
}

static void state_member(struct jsonw *w, const char *key, const struct lock_state *s)
{
    jsonw_key(w, key);
    jsonw_begin_object(w);
    lock_state_write(s, w);
    jsonw_end_object(w);
}

/* The repository in hand is done with. */
static void note(struct lock_break *b, const char *refused)
{
    struct buf text;
    struct jsonw w;
    buf_init(&text, LIMIT_RECORD);
    jsonw_init(&w, &text);
    jsonw_kbool(&w, "broken", b->broken);
    state_member(&w, "lock_before", &b->before);
    if (b->phase == VERIFY)
        state_member(&w, "lock_after", &b->after);
    if (refused)
        jsonw_kstr(&w, "refused", refused);
    operation_repo_result(in_hand(b), buf_str(&text));
    buf_done(&text);
    b->any_broken = b->any_broken || b->broken;
    b->broken = false;
    b->phase = LOOK;
    b->at++;
}

static void finish(struct lock_break *b)
{
    if (b->at < operation_repo_count(b->op))
        keep_worst(b, ERR_JOB_CANCELLED, "it was stopped before all repositories were done");
    if (b->failed)
        operation_end(b->op, &b->worst, NULL);
    else if (b->any_broken)
        operation_end_well(b->op, "lock_broken", "the lock was taken away", NULL);
    else
        operation_end_well(b->op, "no_lock", "there was no lock, so nothing was done", NULL);
}

/* ---- looking ---- */

static struct lock_state *wanted(struct lock_break *b)
{
    return b->phase == LOOK ? &b->before : &b->after;
}

static void look_work(uv_work_t *w)
{
    struct lock_break *b = w->data;
    struct lock_host us;
    lock_host_read(b->host_id, &us);
    lock_look(b->path, &us, wanted(b));
}

static void judge(struct lock_break *b);
static void verify(struct lock_break *b);

static void looked(struct lock_break *b)
{
    if (b->phase == VERIFY) /* also when it is to stop: the deed is done */
        verify(b);
    else if (operation_stopping(b->op))
        finish(b);
    else
        judge(b);
}

static void look_done(uv_work_t *w, int status)
{
    struct lock_break *b = w->data;
    b->working = false;
    looked(b);
}

static bool look(struct lock_break *b, struct err *e)
{
    const struct resolved_repo *repo = in_hand(b)->repo;
    const char *id = lock_host_id(repo, operation_context(b->op)->env);
    if (repo->remote)
        return lock_probe_ask(b->op, in_hand(b), e);
    mem_free(b->path);
    mem_free(b->host_id);
    b->path = mem_strdup(repo->normal);
    b->host_id = mem_strdup(id);
    b->work.data = b;
    if (!b->path || (id && !b->host_id) ||
        uv_queue_work(operation_context(b->op)->loop, &b->work, look_work, look_done) != 0)
        return err_set(e, ERR_NO_MEMORY, "no memory to look at the lock");
    b->working = true;
    return true;
}

/* ---- the course of one repository ---- */

static void judge(struct lock_break *b)
{
    static const char *const verb[] = {"break-lock", NULL};
    struct err e = {0};
    enum lock_ruling ruling = lock_rule(&b->before, b->force);
    enum err_code refused = lock_ruling_error(ruling);
    if (ruling == LOCK_MAY_BREAK) {
        const struct operation_borg borg = {.repo = in_hand(b), .verb = verb};
        b->phase = BREAK;
        if (!operation_borg(b->op, &borg, &e))
            operation_fail(b->op, &e);
        return;
    }
    if (refused != ERR_NONE)
        keep_worst(b, refused,
                   refused == ERR_LOCK_IN_USE ? "a living process holds the lock"
                                              : "it is not proven that the holder is dead");
    note(b, refused != ERR_NONE ? err_word(refused) : NULL);
    go_on(b);
}

static void broken(struct lock_break *b, const struct operation_result *last)
{
    struct err e = {0};
    struct verdict_result v;
    verdict_result(last->verdict, &v);
    if (v.state == VERDICT_FAILED) {
        enum err_code api = v.api == ERR_BACKUP_FAILED ? ERR_COMMAND_FAILED : v.api;
        keep_worst(b, api, v.sentence);
        note(b, NULL);
        go_on(b);
        return;
    }
    b->broken = true;
    b->phase = VERIFY;
    if (!look(b, &e))
        operation_fail(b->op, &e);
}

/* borg says nothing of what it did: the lock itself tells. */
static void verify(struct lock_break *b)
{
    bool held = b->after.word == LOCK_LOCKED && !lock_taken_anew(&b->before, &b->after);
    if (held) {
        b->broken = false;
        keep_worst(b, ERR_COMMAND_FAILED, "borg broke the lock, and it is still there");
    }
    note(b, NULL);
    go_on(b);
}

static void go_on(struct lock_break *b)
{
    struct err e = {0};
    if (operation_stopping(b->op) || b->at == operation_repo_count(b->op))
        finish(b);
    else if (!look(b, &e))
        operation_fail(b->op, &e);
}

static void step(struct operation *op, void *data, const struct operation_result *last)
{
    struct lock_break *b = data;
    b->op = op;
    if (last->stopped) {
        finish(b);
    } else if (!last->ran) {
        go_on(b);
    } else if (b->phase == BREAK) {
        broken(b, last);
    } else {
        lock_probe_answer(last, wanted(b));
        looked(b);
    }
}

/* The worker cannot be called back; it ends by itself, and then so do we. */
static bool stop(struct operation *op, void *data, enum job_stop why)
{
    const struct lock_break *b = data;
    return b->working;
}

const struct operation_plan lock_break_plan = {.step = step, .stop = stop, .free = lock_break_free};

bool lock_break_broke(const struct job *j)
{
    const char *text = job_result(j);
    json_t *result = text ? json_parse(text, strlen(text), NULL) : NULL;
    const json_t *one;
    size_t i;
    bool any = false;
    json_array_foreach(json_object_get(result, "repositories"), i, one)
    {
        any = any || json_get_bool(one, "broken", false);
    }
    json_decref(result);
    return any;
}
