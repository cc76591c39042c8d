#include "backup/run/job_verdict.h"

#include "limits.h"

#include <stdio.h>

enum job_state job_verdict_state(enum verdict_state s)
{
    if (s == VERDICT_SUCCEEDED)
        return JOB_SUCCEEDED;
    return s == VERDICT_WARNING ? JOB_WARNING : JOB_FAILED;
}

void job_verdicts_add(struct job_verdicts *all, const struct verdict *v)
{
    struct verdict_result one;
    if (!v)
        return;
    all->ran++;
    verdict_result(v, &one);
    if (!all->found || one.state > all->worst.state)
        all->worst = one;
    all->found = true;
}

void job_verdict_stopped(const struct job *j, const char *what, const char *note, bool left,
                         struct verdict_result *v)
{
    static const struct {
        const char *word, *before, *after;
    } words[] = {
        [JOB_STOP_CANCEL] = {"cancelled", "", " was cancelled on request"},
        [JOB_STOP_TIMEOUT] = {"timed_out", "", " ran past its time limit and was ended"},
        [JOB_STOP_SHUTDOWN] = {"interrupted", "the daemon went down before ", " was done"},
        [JOB_STOP_YIELD] = {"gave_way", "",
                            " was ended because another one wants to write to the repository"},
    };
    enum job_stop why;
    if (!job_stopping(j, &why))
        return;
    (void)snprintf(v->word, sizeof v->word, "%s", words[why].word);
    (void)snprintf(v->sentence, sizeof v->sentence, "%s%s%s%s%s%s", words[why].before, what,
                   words[why].after, note ? "; " : "", note ? note : "",
                   left ? "; some of its processes could not be ended" : "");
}

void job_verdict_repository(struct jsonw *w, const struct resolved_repo *repo, bool exited,
                            int code, const struct verdict *v)
{
    char location[1024];
    struct buf verdict;
    resolve_shown(repo->location, location, sizeof location);
    jsonw_kstr(w, "repository", location);
    jsonw_kstr(w, "label", resolved_repo_name(repo));
    jsonw_key(w, "exit_code");
    if (exited)
        jsonw_int(w, code);
    else
        jsonw_null(w);
    buf_init(&verdict, LIMIT_RECORD);
    if (v)
        verdict_json(v, &verdict);
    jsonw_kraw(w, "verdict", verdict.n ? buf_str(&verdict) : NULL);
    buf_done(&verdict);
}
