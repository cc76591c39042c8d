#include "backup/restore/drill_report.h"

#include "backup/archives/archive_path.h"
#include "base/jsonw.h"
#include "base/utf8.h"
#include "limits.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { OUTCOMES = DRILL_DIFFERS + 1, LIVES = LIVE_UNKNOWN + 1 };

struct counts {
    int64_t outcome[OUTCOMES], live[LIVES];
};

static void count(const struct drill_sample *s, struct counts *n)
{
    *n = (struct counts){.outcome = {0}};
    for (size_t i = 0; i < s->count; i++) {
        n->outcome[s->files[i].outcome]++;
        n->live[s->files[i].live]++;
    }
}

static bool is_remarkable(const struct drill_file *f)
{
    return f->outcome != DRILL_EQUAL || f->live == LIVE_DIFFERS;
}

static void one_file(struct jsonw *w, const struct drill_file *f)
{
    char path[DRILL_PATH_SHOWN + 1];
    size_t n = utf8_cut(f->path, strlen(f->path), DRILL_PATH_SHOWN);
    memcpy(path, f->path, n);
    path[n] = '\0';
    jsonw_begin_object(w);
    archive_path_write(w, path);
    jsonw_kint(w, "size", f->size);
    jsonw_kstr(w, "outcome", drill_outcome_name(f->outcome));
    if (f->live != LIVE_NOT_ASKED)
        jsonw_kstr(w, "live", drill_live_name(f->live));
    jsonw_end_object(w);
}

/* What is wrong comes first: the table is bounded. */
static void table(struct jsonw *w, const struct drill_sample *s)
{
    size_t shown = 0;
    jsonw_key(w, "files");
    jsonw_begin_array(w);
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < s->count && shown < DRILL_SHOWN && w->b->n < DRILL_TABLE; i++)
            if (is_remarkable(&s->files[i]) == (pass == 0)) {
                one_file(w, &s->files[i]);
                shown++;
            }
    jsonw_end_array(w);
}

void drill_report(const struct drill_sample *s, const char *archive, bool compare,
                  struct operation_repo *r)
{
    struct counts n;
    struct buf b;
    struct jsonw w;
    count(s, &n);
    buf_init(&b, LIMIT_RECORD);
    jsonw_init(&w, &b);
    jsonw_key(&w, "archive");
    jsonw_begin_object(&w);
    jsonw_kstr(&w, "name", archive[0] ? archive : NULL);
    jsonw_end_object(&w);
    jsonw_kint(&w, "seed", (int64_t)s->seed);
    jsonw_kint(&w, "candidates", (int64_t)s->seen);
    jsonw_kint(&w, "sampled", (int64_t)s->count);
    jsonw_kint(&w, "bytes", s->bytes);
    for (enum drill_outcome o = DRILL_MISSING; o <= DRILL_DIFFERS; o++)
        jsonw_kint(&w, drill_outcome_name(o), n.outcome[o]);
    if (compare) {
        jsonw_key(&w, "live");
        jsonw_begin_object(&w);
        for (enum drill_live l = LIVE_EQUAL; l <= LIVE_UNKNOWN; l++)
            jsonw_kint(&w, drill_live_name(l), n.live[l]);
        jsonw_end_object(&w);
    }
    table(&w, s);
    operation_repo_result(r, buf_str(&b));
    buf_done(&b);
}

static void say(struct verdict_result *v, enum verdict_state state, enum err_code api,
                const char *word)
{
    *v = (struct verdict_result){.state = state, .api = api};
    (void)snprintf(v->word, sizeof v->word, "%s", word);
}

void drill_verdict(const struct drill_sample *s, struct operation_repo *r, struct verdict_result *v)
{
    static const char none[] = "the archive holds no file that could be drawn";
    static const char well[] = "every file of the sample came back as it was backed up";
    static const char live[] = "the sample came back as it was backed up, but a live file has "
                               "another content although its size and time are the same";
    struct counts n;
    count(s, &n);
    if (s->count == 0) {
        say(v, VERDICT_WARNING, ERR_NONE, "nothing_to_verify");
        (void)snprintf(v->sentence, sizeof v->sentence, "%s", none);
        verdict_expect(r->verdict, "nothing_to_verify", none);
    } else if (n.outcome[DRILL_EQUAL] != (int64_t)s->count) {
        say(v, VERDICT_FAILED, ERR_COMMAND_FAILED, "verify_failed");
        (void)snprintf(v->sentence, sizeof v->sentence,
                       "%" PRId64 " of %zu files did not come back as they were backed up: %" PRId64
                       " differ, %" PRId64 " are missing",
                       n.outcome[DRILL_DIFFERS] + n.outcome[DRILL_MISSING], s->count,
                       n.outcome[DRILL_DIFFERS], n.outcome[DRILL_MISSING]);
        verdict_closed(r->verdict, "verify_failed", ERR_COMMAND_FAILED, v->sentence);
    } else if (n.live[LIVE_DIFFERS]) {
        say(v, VERDICT_WARNING, ERR_NONE, "live_differs");
        (void)snprintf(v->sentence, sizeof v->sentence, "%s", live);
        verdict_expect(r->verdict, "live_differs", live);
    } else {
        say(v, VERDICT_SUCCEEDED, ERR_NONE, "verified");
        (void)snprintf(v->sentence, sizeof v->sentence, "%s", well);
        verdict_expect(r->verdict, "verified", well);
    }
}
