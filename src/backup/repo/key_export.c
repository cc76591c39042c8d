#include "backup/repo/key_export.h"

#include "base/jsonw.h"
#include "base/mem.h"

#include <string.h>

struct key_export {
    bool paper;
};

static void key_export_free(void *data)
{
    mem_free(data);
}

void *key_export_new(bool paper)
{
    struct key_export *k = mem_zalloc(sizeof *k);
    if (k)
        k->paper = paper;
    return k;
}

/* One allocation: what grows leaves copies behind. */
static bool hand_over(struct operation *op, const struct operation_result *last)
{
    struct buf doc;
    struct jsonw w;
    buf_init(&doc, LIMIT_KEY * 6);
    if (buf_reserve(&doc, last->out_len * 6 + 3)) {
        jsonw_init(&w, &doc);
        jsonw_strn(&w, last->out, last->out_len);
    }
    bool whole = !doc.failed && doc.n;
    if (whole)
        job_take_document(operation_job(op), &doc);
    buf_wipe(&doc);
    return whole;
}

static void key_export_step(struct operation *op, void *data, const struct operation_result *last)
{
    static const char *const plain[] = {"key", "export", NULL};
    static const char *const paper[] = {"key", "export", "--paper", NULL};
    const struct key_export *k = data;
    struct err e = {0};
    struct verdict_result v;
    if (!last->ran) {
        const struct operation_borg b = {.repo = operation_repo(op, 0),
                                         .verb = k->paper ? paper : plain,
                                         .out = OPERATION_KEEP,
                                         .keep_max = LIMIT_KEY};
        if (!operation_borg(op, &b, &e))
            operation_fail(op, &e);
        return;
    }
    verdict_result(last->verdict, &v);
    bool well = !last->stopped && v.state == VERDICT_SUCCEEDED;
    if (well && (last->out_cut || !strstr(last->out, "BORG") || !hand_over(op, last))) {
        (void)err_set(&e, ERR_COMMAND_FAILED, "borg ended well, but gave no key");
        operation_fail(op, &e);
        return;
    }
    operation_end_worst(op, NULL);
}

const struct operation_plan key_export_plan = {.step = key_export_step, .free = key_export_free};
