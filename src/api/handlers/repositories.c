#include "api/handlers/repositories.h"

#include "api/config_call.h"
#include "api/idempotency.h"
#include "backup/collect.h"
#include "backup/maintain.h"

/* ---- info ---- */

static void add_data(struct call *c, struct jsonw *w, const struct job *j)
{
    jsonw_kraw(w, "data", job_document(j) ? job_document(j) : "[]");
}

static void info(struct config_call *cc)
{
    static const char *const verb[] = {"info", "--json", NULL};
    cc->c->members = add_data;
    config_call_job(
        cc, &(struct config_job){.kind = "info",
                                 .reading = true,
                                 .equal_joins = true,
                                 .document = true,
                                 .deadline_s = READ_DEADLINE_S,
                                 .done_word = "read",
                                 .done_sentence = "the repository was read",
                                 .plan = &collect_plan,
                                 .data = collect_new(&(struct collect_question){.verb = verb})});
}

void repositories_info(struct call *c)
{
    config_call(c, call_str(c, "label", ""), info);
}

/* ---- check ---- */

static void check(struct config_call *cc)
{
    struct call *c = cc->c;
    const struct borgmatic_options options = {
        .verbosity =
            call_has(c, "verbosity") ? (int)call_int(c, "verbosity", 0) : BORGMATIC_VERBOSITY_UNSET,
    };
    config_call_job(cc,
                    &(struct config_job){.kind = "check",
                                         .started = true,
                                         .done_word = "check_ok",
                                         .done_sentence = "the check found no fault",
                                         .plan = &maintain_plan,
                                         .data = maintain_new(BORGMATIC_CHECK, &options, "check")});
}

static void check_now(struct call *c)
{
    config_call(c, call_str(c, "label", ""), check);
}

void repositories_check(struct call *c)
{
    call_idempotent(c, check_now);
}
