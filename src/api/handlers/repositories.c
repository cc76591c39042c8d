#include "api/handlers/repositories.h"

#include "api/config_call.h"
#include "api/idempotency.h"
#include "backup/repo/maintain.h"
#include "backup/repo/repo_text.h"
#include "backup/run/collect.h"

#include <string.h>

static const char *label_of(const struct call *c)
{
    return call_str(c, "label", "");
}

/* ---- info, latest-stats ---- */

static void add_data(struct call *c, struct jsonw *w, const struct job *j)
{
    jsonw_kraw(w, "data", job_document(j) ? job_document(j) : "[]");
}

static void ask(struct config_call *cc, const char *kind, const struct collect_question *q)
{
    cc->c->members = add_data;
    config_call_job(cc, &(struct config_job){.kind = kind,
                                             .reading = true,
                                             .equal_joins = true,
                                             .document = true,
                                             .deadline_s = READ_DEADLINE_S,
                                             .done_word = "read",
                                             .done_sentence = "the repository was read",
                                             .plan = &collect_plan,
                                             .data = collect_new(q)});
}

static void info(struct config_call *cc)
{
    static const char *const verb[] = {"info", "--json", NULL};
    ask(cc, "info",
        &(struct collect_question){.verb = verb, .keep = repo_text_label, .print = repo_text});
}

void repositories_info(struct call *c)
{
    config_call(c, label_of(c), info);
}

static void latest_stats(struct config_call *cc)
{
    static const char *const verb[] = {"info", "--json", "--last", "1", NULL};
    ask(cc, "latest-stats", &(struct collect_question){.verb = verb, .keep = repo_text_label});
}

void repositories_latest_stats(struct call *c)
{
    config_call(c, label_of(c), latest_stats);
}

/* ---- check, prune, compact ---- */

static int verbosity_of(const struct call *c)
{
    return call_has(c, "verbosity") ? (int)call_int(c, "verbosity", 0) : BORGMATIC_VERBOSITY_UNSET;
}

/* What the installed borgmatic lacks is told before there is a job. */
static bool fits(struct config_call *cc, enum borgmatic_verb verb,
                 const struct borgmatic_options *o)
{
    struct err e = {0};
    if (borgmatic_argv(&cc->c->req->arena, &cc->tools, verb, cc->file, o, &e))
        return true;
    call_error(cc->c, &e);
    return false;
}

static void maintain(struct config_call *cc, struct config_job *j,
                     const struct maintain_question *q)
{
    if (!fits(cc, q->verb, &q->options))
        return;
    if (!j->plan)
        j->plan = &maintain_plan;
    j->data = maintain_new(q);
    config_call_job(cc, j);
}

static void check(struct config_call *cc)
{
    struct call *c = cc->c;
    const struct maintain_question q = {
        .verb = BORGMATIC_CHECK,
        .options = {.verbosity = verbosity_of(c),
                    .only = call_str(c, "only", NULL),
                    .repair = call_bool(c, "repair", false),
                    .force = call_bool(c, "force", true),
                    .max_duration = (unsigned)call_int(c, "max_duration", 0)},
        .command = "check|extract|create", /* the spot check compares by a create that is none */
        .nothing_word = "check_skipped",
        .nothing_sentence =
            "borgmatic checked nothing: no check is due, there is no archive to try, "
            "or the configuration turns checks off"};
    maintain(cc,
             &(struct config_job){.kind = "check",
                                  .started = true,
                                  .done_word = "check_ok",
                                  .done_sentence = "the check found no fault",
                                  .plan = &maintain_check_plan},
             &q);
}

static void check_now(struct call *c)
{
    struct err e;
    bool repair = call_bool(c, "repair", false);
    if (repair && !call_confirmed(c, label_of(c)))
        return;
    if (repair && call_has(c, "max_duration")) {
        (void)err_field(&e, ERR_BAD_REQUEST, "max_duration", "a repair cannot be done in parts");
        call_error(c, &e);
        return;
    }
    config_call(c, label_of(c), check);
}

void repositories_check(struct call *c)
{
    call_idempotent(c, check_now);
}

static void prune(struct config_call *cc)
{
    struct call *c = cc->c;
    bool dry = call_bool(c, "dry_run", false);
    const struct maintain_question q = {.verb = dry ? BORGMATIC_PRUNE_DRY_RUN : BORGMATIC_PRUNE,
                                        .options = {.verbosity = verbosity_of(c),
                                                    .list = call_bool(c, "list", true),
                                                    .stats = call_bool(c, "stats", false) && !dry},
                                        .command = "prune",
                                        .nothing_word = "prune_skipped",
                                        .nothing_sentence =
                                            "borgmatic pruned nothing: the configuration skips it"};
    maintain(cc,
             &(struct config_job){.kind = dry ? "prune-dry-run" : "prune",
                                  .done_word = dry ? "dry_run_ok" : "pruned",
                                  .done_sentence = dry ? "the dry run ended without fault"
                                                       : "what is not to be kept was deleted; "
                                                         "compact frees its space"},
             &q);
}

static void prune_now(struct call *c)
{
    config_call(c, label_of(c), prune);
}

void repositories_prune(struct call *c)
{
    call_idempotent(c, prune_now);
}

static void compact(struct config_call *cc)
{
    struct call *c = cc->c;
    const struct maintain_question q = {
        .verb = BORGMATIC_COMPACT,
        .options = {.verbosity = verbosity_of(c),
                    .progress = call_bool(c, "progress", false),
                    .threshold = (unsigned)call_int(c, "threshold", 0)},
        .command = "compact",
        .nothing_word = "compact_skipped",
        .nothing_sentence = "borgmatic compacted nothing: the configuration skips it"};
    maintain(cc,
             &(struct config_job){.kind = "compact",
                                  .done_word = "compacted",
                                  .done_sentence = "free space was given back"},
             &q);
}

static void compact_now(struct call *c)
{
    config_call(c, label_of(c), compact);
}

void repositories_compact(struct call *c)
{
    call_idempotent(c, compact_now);
}
