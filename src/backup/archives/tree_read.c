#include "backup/archives/tree_read.h"

#include "backup/archives/archive_name.h"
#include "backup/archives/archive_path.h"
#include "base/json.h"
#include "base/mem.h"
#include "limits.h"

#include <stdio.h>
#include <string.h>

enum stage { STAGE_NEWEST, STAGE_INFO, STAGE_LIST, STAGE_DONE };

struct tree_read {
    char archive[ARCHIVE_NAME_MAX + 1];
    char *path;
    bool first_page;
    enum stage stage;
    struct tree *tree;
    struct entry_lines lines;
    json_t *info;
};

static void tree_read_free(void *data)
{
    struct tree_read *t = data;
    if (!t)
        return;
    entry_lines_done(&t->lines);
    tree_free(t->tree);
    json_decref(t->info);
    mem_free(t->path);
    mem_free(t);
}

void *tree_read_new(const char *archive, const struct tree_page *page)
{
    struct tree_read *t = mem_zalloc(sizeof *t);
    if (!t)
        return NULL;
    (void)snprintf(t->archive, sizeof t->archive, "%s", archive ? archive : "");
    t->first_page = !page->after;
    t->stage = !archive ? STAGE_NEWEST : t->first_page ? STAGE_INFO : STAGE_LIST;
    t->path = mem_strdup(page->path);
    t->tree = tree_new(page);
    entry_lines_init(&t->lines, tree_add, t->tree);
    if (t->path && t->tree)
        return t;
    tree_read_free(t);
    return NULL;
}

/* ---- the programs ---- */

static bool ask_info(struct operation *op, struct tree_read *t, struct err *e)
{
    static const char *const verb[] = {"info", "--json", NULL};
    const struct operation_borg b = {.repo = operation_repo(op, 0),
                                     .verb = verb,
                                     .archive = t->archive,
                                     .out = OPERATION_KEEP,
                                     .keep_max = ARCHIVE_JSON};
    return operation_borg(op, &b, e);
}

static void on_bytes(void *data, const char *p, size_t n)
{
    struct tree_read *t = data;
    entry_lines_feed(&t->lines, p, n);
}

static bool ask_list(struct operation *op, struct tree_read *t, struct err *e)
{
    static const char *const verb[] = {"list", "--format", ENTRY_FORMAT, NULL};
    AUTO_FREE char *pattern = archive_path_pattern(t->path, false);
    const char *const tail[] = {*t->path ? pattern : NULL, NULL};
    const struct operation_borg b = {.repo = operation_repo(op, 0),
                                     .verb = verb,
                                     .archive = t->archive,
                                     .tail = tail,
                                     .out = OPERATION_STREAM,
                                     .on_stdout = on_bytes};
    if (!pattern)
        return err_set(e, ERR_NO_MEMORY, "no memory for a path");
    return operation_borg(op, &b, e);
}

/* ---- the answer ---- */

static void write_document(const struct tree_read *t, struct buf *b)
{
    struct jsonw w;
    jsonw_init(&w, b);
    jsonw_begin_object(&w);
    jsonw_kstr(&w, "archive", t->archive);
    archive_path_write(&w, t->path);
    jsonw_key(&w, "data");
    jsonw_begin_array(&w);
    if (t->info) {
        w.comma = true;
        (void)json_write(t->info, b);
    }
    jsonw_end_array(&w);
    tree_write(t->tree, &w);
    jsonw_end_object(&w);
}

static bool answer(struct operation *op, struct tree_read *t, struct err *e)
{
    if (!entry_lines_sound(&t->lines))
        return err_set(e, ERR_COMMAND_FAILED, "borg's listing cannot be understood");
    if (tree_failed(t->tree))
        return err_set(e, ERR_NO_MEMORY, "no memory for the listing");
    if (!tree_found(t->tree))
        return err_field(e, ERR_NOT_FOUND, "path", "the archive \"%s\" holds nothing there",
                         t->archive);
    struct buf doc, members;
    struct jsonw w;
    buf_init(&doc, LIMIT_REPLY);
    write_document(t, &doc);
    if (doc.failed) {
        buf_done(&doc);
        return err_set(e, ERR_COMMAND_FAILED, "the listing is too long; ask for fewer entries");
    }
    job_take_document(operation_job(op), &doc);
    buf_done(&doc);
    buf_init(&members, LIMIT_RECORD);
    jsonw_init(&w, &members);
    jsonw_kstr(&w, "archive", t->archive);
    jsonw_kint(&w, "entries", (int64_t)tree_count(t->tree));
    operation_repo_result(operation_repo(op, 0), buf_str(&members));
    buf_done(&members);
    operation_end_worst(op, NULL);
    return true;
}

/* ---- the course ---- */

/* Takes what ended into account and goes to the next stage. */
static bool take(struct tree_read *t, const struct operation_result *last, struct err *e)
{
    if (t->stage == STAGE_NEWEST) {
        t->stage = t->first_page ? STAGE_INFO : STAGE_LIST;
        return newest_archive_name(last, t->archive, e);
    }
    if (t->stage == STAGE_INFO) {
        t->stage = STAGE_LIST;
        t->info = last->out_cut ? NULL : json_parse(last->out, last->out_len, NULL);
        return t->info || err_set(e, ERR_COMMAND_FAILED, "borg's answer is not json");
    }
    t->stage = STAGE_DONE;
    return true;
}

static bool go_on(struct operation *op, struct tree_read *t, struct err *e)
{
    switch (t->stage) {
    case STAGE_NEWEST:
        return newest_archive_ask(op, operation_repo(op, 0), e);
    case STAGE_INFO:
        return ask_info(op, t, e);
    case STAGE_LIST:
        return ask_list(op, t, e);
    case STAGE_DONE:
        break;
    }
    return answer(op, t, e);
}

static void tree_read_step(struct operation *op, void *data, const struct operation_result *last)
{
    struct tree_read *t = data;
    struct err e = {0};
    struct verdict_result v = {0};
    if (last->verdict)
        verdict_result(last->verdict, &v);
    if (last->stopped || (v.state == VERDICT_FAILED && t->stage != STAGE_NEWEST)) {
        operation_end_worst(op, NULL);
        return;
    }
    if ((last->ran && !take(t, last, &e)) || !go_on(op, t, &e))
        operation_fail(op, &e);
}

const struct operation_plan tree_read_plan = {.step = tree_read_step, .free = tree_read_free};
