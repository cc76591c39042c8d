#include "backup/repo/maintain.h"

#include "backup/control/shim_env.h"
#include "base/json.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

struct maintain {
    struct maintain_question q;
    char only[16];
    struct counts {
        unsigned kept, pruned;
    } counts[LIMIT_REPOS];
};

static void maintain_free(void *data)
{
    mem_free(data);
}

void *maintain_new(const struct maintain_question *q)
{
    struct maintain *m = mem_zalloc(sizeof *m);
    if (!m)
        return NULL;
    m->q = *q;
    if (q->options.only) {
        (void)snprintf(m->only, sizeof m->only, "%s", q->options.only);
        m->q.options.only = m->only;
    }
    return m;
}

/* What prune says of each archive, when it is asked to list. */
static void maintain_heard(struct operation *op, void *data, struct operation_repo *r,
                           const json_t *message)
{
    struct maintain *m = data;
    if (strcmp(json_get_str(message, "name", ""), "borg.output.list") != 0)
        return;
    struct counts *n = &m->counts[r - operation_repo(op, 0)];
    const char *text = json_get_str(message, "message", "");
    n->kept += strncmp(text, "Keeping ", 8) == 0;
    n->pruned += strncmp(text, "Pruning ", 8) == 0 || strncmp(text, "Would prune", 11) == 0;
}

static bool is_prune(const struct maintain *m)
{
    return m->q.verb == BORGMATIC_PRUNE || m->q.verb == BORGMATIC_PRUNE_DRY_RUN;
}

static void tell_counts(struct operation *op, const struct maintain *m)
{
    for (size_t i = 0; is_prune(m) && m->q.options.list && i < operation_repo_count(op); i++) {
        char members[80];
        (void)snprintf(members, sizeof members, "\"kept\":%u,\"pruned\":%u", m->counts[i].kept,
                       m->counts[i].pruned);
        if (operation_repo(op, i)->main_ran)
            operation_repo_result(operation_repo(op, i), members);
    }
}

/* borgmatic looked at a repository (it asks who it is) and then did nothing with it. */
static bool nothing_done(struct operation *op, const struct maintain *m,
                         const struct operation_result *last)
{
    bool found = false, failed = last->stopped || last->code != 0;
    for (size_t i = 0; i < operation_repo_count(op); i++) {
        struct operation_repo *r = operation_repo(op, i);
        struct verdict_result v = {0};
        if (!r->verdict)
            continue;
        if (!r->main_ran)
            verdict_expect(r->verdict, m->q.nothing_word, m->q.nothing_sentence);
        verdict_result(r->verdict, &v);
        failed = failed || v.state == VERDICT_FAILED;
        found = found || !r->main_ran;
    }
    return found && !failed;
}

static void maintain_end(struct operation *op, const struct maintain *m,
                         const struct operation_result *last)
{
    tell_counts(op, m);
    if (!nothing_done(op, m, last)) {
        operation_end_worst(op, m->q.verb == BORGMATIC_PRUNE_DRY_RUN ? "\"dry_run\":true" : NULL);
        return;
    }
    struct verdict_result v = {.state = VERDICT_WARNING};
    (void)snprintf(v.word, sizeof v.word, "%s", m->q.nothing_word);
    (void)snprintf(v.sentence, sizeof v.sentence, "%s", m->q.nothing_sentence);
    operation_end(op, &v, NULL);
}

static void maintain_step(struct operation *op, void *data, const struct operation_result *last)
{
    static const char *const repair[] = {SHIM_ENV_REPAIR "=1", NULL};
    struct maintain *m = data;
    struct err e = {0};
    if (last->ran) {
        maintain_end(op, m, last);
        return;
    }
    if (m->q.options.repair)
        operation_env(op, repair);
    if (!operation_borgmatic(op, m->q.verb, &m->q.options, m->q.command, &e))
        operation_fail(op, &e);
}

static const struct verdict_faults check_faults = {
    .found_word = "check_found_faults",
    .found_sentence = "the check found faults",
    .mended_word = "check_repaired",
    .mended_sentence = "borg found faults and repaired what it could; check once more",
};

const struct operation_plan maintain_plan = {
    .step = maintain_step, .free = maintain_free, .heard = maintain_heard};
const struct operation_plan maintain_check_plan = {
    .step = maintain_step, .free = maintain_free, .faults = &check_faults};
