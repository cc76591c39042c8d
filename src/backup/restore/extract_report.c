/* How an extract ends: what stands there is held against what was asked for. */
#include "backup/restore/extract_internal.h"
#include "base/jsonw.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void note_result(struct extract *x)
{
    struct buf b;
    struct jsonw w;
    buf_init(&b, LIMIT_RECORD);
    jsonw_init(&w, &b);
    jsonw_key(&w, "archive");
    jsonw_begin_object(&w);
    jsonw_kstr(&w, "name", x->archive[0] ? x->archive : NULL);
    jsonw_end_object(&w);
    jsonw_kstr(&w, "destination", x->d.path);
    jsonw_key(&w, "expected");
    jsonw_begin_object(&w);
    jsonw_kint(&w, "files", x->files);
    jsonw_kint(&w, "bytes", x->bytes);
    jsonw_end_object(&w);
    jsonw_key(&w, "found");
    jsonw_begin_object(&w);
    jsonw_kint(&w, "files", x->there.files);
    jsonw_kint(&w, "bytes", x->there.bytes);
    jsonw_kint(&w, "others", x->there.others);
    jsonw_kbool(&w, "counted", x->there.whole);
    jsonw_end_object(&w);
    jsonw_kbool(&w, "left", x->left);
    operation_repo_result(operation_repo(x->op, 0), buf_str(&b));
    buf_done(&b);
}

static void fail_verdict(struct verdict_result *v, const char *word, const char *sentence)
{
    *v = (struct verdict_result){.state = VERDICT_FAILED, .api = ERR_COMMAND_FAILED};
    (void)snprintf(v->word, sizeof v->word, "%s", word);
    (void)snprintf(v->sentence, sizeof v->sentence, "%s", sentence);
}

/* borg says that all went well; what stands there must agree. */
static void judge_outcome(struct extract *x, struct verdict_result *v)
{
    if (v->state == VERDICT_FAILED)
        return;
    if (!x->stands) {
        fail_verdict(v, "destination_moved",
                     "the destination was moved or replaced while borg worked; what was extracted "
                     "is in the folder that was opened at first");
    } else if (!x->strip && x->there.whole && x->there.files < x->files) {
        fail_verdict(v, "incomplete", "");
        (void)snprintf(v->sentence, sizeof v->sentence,
                       "borg ended well, but only %" PRId64 " of %" PRId64
                       " files are in the destination",
                       x->there.files, x->files);
    } else if (x->there.files + x->there.others == 0) {
        *v = (struct verdict_result){.state = VERDICT_WARNING};
        (void)snprintf(v->word, sizeof v->word, "nothing_extracted");
        (void)snprintf(v->sentence, sizeof v->sentence, "there was nothing to extract");
    }
}

static void add_what_is_left(const struct extract *x, struct verdict_result *v)
{
    const char *note = x->left ? "what was extracted until then is left in the destination"
                               : "nothing was extracted";
    size_t n = strlen(v->sentence);
    operation_stop_note(x->op, note);
    if (v->state == VERDICT_FAILED && x->began)
        (void)snprintf(v->sentence + n, sizeof v->sentence - n, "; %s", note);
}

void extract_finish(struct extract *x)
{
    struct verdict_result v = x->said;
    note_result(x);
    if (x->why.code != ERR_NONE) {
        operation_fail(x->op, &x->why);
        return;
    }
    if (x->borg_ended)
        judge_outcome(x, &v);
    add_what_is_left(x, &v);
    if (v.api == ERR_BACKUP_FAILED)
        v.api = ERR_COMMAND_FAILED;
    operation_end(x->op, &v, NULL);
}
