#include "backup/locks/lock_probe.h"

#include "backup/create/verdict_cause.h"
#include "base/json.h"
#include "base/jsonw.h"

#include <stdio.h>
#include <string.h>

bool lock_probe_ask(struct operation *op, struct operation_repo *repo, struct err *e)
{
    static const char *const verb[] = {"list", "--short", "--last", "1", NULL};
    const struct operation_borg b = {
        .repo = repo, .verb = verb, .out = OPERATION_KEEP, .lock_wait_s = LOCK_WAIT_S};
    return operation_borg(op, &b, e);
}

static void problem(struct lock_state *out, const char *text)
{
    out->word = LOCK_NOT_KNOWN;
    (void)snprintf(out->problem, sizeof out->problem, "%s", text);
}

void lock_probe_answer(const struct operation_result *last, struct lock_state *out)
{
    struct verdict_result v;
    const char *lock = verdict_lock(last->verdict);
    *out = (struct lock_state){.method = "borg"};
    verdict_result(last->verdict, &v);
    if (v.state != VERDICT_FAILED)
        out->word = LOCK_FREE;
    else if (lock && v.api == ERR_REPOSITORY_LOCKED && !verdict_lock_is_cache(lock))
        out->word = LOCK_LOCKED;
    else
        problem(out, v.sentence);
}

void lock_probe_of_job(const struct job *j, struct lock_state *out)
{
    const char *text = job_result(j);
    json_t *result = text ? json_parse(text, strlen(text), NULL) : NULL;
    const json_t *one = json_array_get(json_object_get(result, "repositories"), 0);
    const char *word = json_get_str(one, "lock", "");
    *out = (struct lock_state){.method = "borg"};
    if (strcmp(word, "free") == 0)
        out->word = LOCK_FREE;
    else if (strcmp(word, "locked") == 0)
        out->word = LOCK_LOCKED;
    else
        problem(out, json_get_str(one, "problem", job_sentence(j)));
    json_decref(result);
}

static void note(struct operation_repo *r, const struct lock_state *s)
{
    struct buf b;
    struct jsonw w;
    buf_init(&b, LIMIT_RECORD);
    jsonw_init(&w, &b);
    if (s->word == LOCK_NOT_KNOWN)
        jsonw_kstr(&w, "problem", s->problem);
    else
        jsonw_kstr(&w, "lock", s->word == LOCK_FREE ? "free" : "locked");
    operation_repo_result(r, buf_str(&b));
    buf_done(&b);
}

static void step(struct operation *op, void *data, const struct operation_result *last)
{
    struct err e = {0};
    struct lock_state found;
    struct operation_repo *repo = operation_repo(op, 0);
    if (!last->ran && !last->stopped) {
        if (!lock_probe_ask(op, repo, &e))
            operation_fail(op, &e);
        return;
    }
    if (last->ran && !last->stopped) {
        lock_probe_answer(last, &found);
        note(repo, &found);
    }
    operation_end_well(op, "lock_read", "it was asked whether the repository is locked", NULL);
}

const struct operation_plan lock_probe_plan = {.step = step};
