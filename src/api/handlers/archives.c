#include "api/handlers/archives.h"

#include "api/idempotency.h"
#include "api/query.h"
#include "backup/archives/archive_delete.h"
#include "backup/archives/archive_diff.h"
#include "backup/archives/archive_find.h"
#include "backup/archives/archive_name.h"
#include "backup/archives/archive_path.h"
#include "backup/archives/archives_list.h"
#include "backup/archives/borg_glob.h"
#include "backup/archives/tree_read.h"
#include "base/mem.h"
#include "limits.h"

#include <string.h>

static bool one_repository(struct config_call *cc)
{
    struct err e;
    if (cc->only || cc->config->count == 1)
        return true;
    (void)err_field(&e, ERR_BAD_REQUEST, "repository_label",
                    "the configuration has %zu repositories: say which, by label or path",
                    cc->config->count);
    call_error(cc->c, &e);
    return false;
}

const char *archives_named(struct config_call *cc, const char *name)
{
    struct err e;
    if (!archive_name_ok(name, "archive", &e)) {
        call_error(cc->c, &e);
        return NULL;
    }
    if (!one_repository(cc))
        return NULL;
    return strcmp(name, "latest") == 0 ? "" : name;
}

/* ---- list ---- */

static void add_data(struct call *c, struct jsonw *w, const struct job *j)
{
    jsonw_kraw(w, "data", job_document(j) ? job_document(j) : "[]");
}

static void list(struct config_call *cc, bool stats)
{
    struct call *c = cc->c;
    const struct archives_question q = {.stats = stats,
                                        .match = call_str(c, "match", NULL),
                                        .last = call_int(c, "last", 0),
                                        .since = call_int(c, "since", 0)};
    struct err e;
    if (q.match && !borg_glob_ok(q.match, "match", &e)) {
        call_error(c, &e);
        return;
    }
    void *data = archives_list_new(&q);
    if (!data) {
        call_error_memory(c);
        return;
    }
    c->members = add_data;
    config_call_job(cc, &(struct config_job){.kind = stats ? "archives-info" : "archives-list",
                                             .reading = true,
                                             .equal_joins = true,
                                             .document = true,
                                             .deadline_s = READ_DEADLINE_S,
                                             .done_word = "read",
                                             .done_sentence = "the archives were read",
                                             .plan = &collect_plan,
                                             .data = data});
}

static void list_get(struct config_call *cc)
{
    list(cc, call_bool(cc->c, "stats", false));
}

static void list_post(struct config_call *cc)
{
    list(cc, call_bool(cc->c, "stats", true));
}

void archives_list(struct call *c)
{
    config_call(c, call_str(c, "label", ""), list_get);
}

void archives_info(struct call *c)
{
    config_call(c, call_str(c, "label", ""), list_post);
}

/* ---- tree ---- */

static void add_document(struct call *c, struct jsonw *w, const struct job *j)
{
    const char *doc = job_document(j);
    size_t n = doc ? strlen(doc) : 0;
    if (n < 3)
        return;
    (void)buf_putc(w->b, ','); /* its members are ours */
    (void)buf_append(w->b, doc + 1, n - 2);
}

/* The bytes, or NULL for what is not percent-encoded. */
static const char *decode(struct call *c, const char *encoded)
{
    return query_decode_bytes(&c->req->arena, encoded, strlen(encoded), false, NULL);
}

/* The folder that is asked for, as bytes; NULL when the call was answered. mem_free. */
static char *folder(struct call *c)
{
    struct err e = {0};
    const char *encoded = call_str(c, "path_encoded", NULL);
    const char *decoded = encoded ? decode(c, encoded) : NULL;
    if (encoded && (!decoded || call_has(c, "path"))) {
        (void)err_field(&e, ERR_BAD_REQUEST, "path_encoded",
                        decoded ? "give path or path_encoded, not both"
                                : "must be percent-encoded: a %% is followed by two hex digits");
        call_error(c, &e);
        return NULL;
    }
    char *path = archive_path_clean(decoded ? decoded : call_bytes(c, "path", ""),
                                    encoded ? "path_encoded" : "path", &e);
    if (!path)
        call_error(c, &e);
    return path;
}

static void tree(struct config_call *cc)
{
    struct call *c = cc->c;
    struct err e;
    const char *cursor = call_str(c, "cursor", NULL);
    const char *archive = archives_named(cc, call_str(c, "archive", "latest"));
    if (!archive)
        return;
    const char *after = cursor ? decode(c, cursor) : NULL;
    if (cursor && !after) {
        (void)err_field(&e, ERR_BAD_REQUEST, "cursor", "must be the cursor of an answer before");
        call_error(c, &e);
        return;
    }
    AUTO_FREE char *path = folder(c);
    if (!path)
        return;
    const struct tree_page page = {.path = path,
                                   .after = after,
                                   .depth = (unsigned)call_int(c, "depth", 1),
                                   .limit = (size_t)call_int(c, "limit", TREE_ENTRIES_USUAL)};
    void *data = tree_read_new(*archive ? archive : NULL, &page);
    if (!data) {
        call_error_memory(c);
        return;
    }
    c->members = add_document;
    config_call_job(cc, &(struct config_job){.kind = "archives-tree",
                                             .reading = true,
                                             .equal_joins = true,
                                             .document = true,
                                             .deadline_s = READ_DEADLINE_S,
                                             .done_word = "read",
                                             .done_sentence = "the archive was read",
                                             .plan = &tree_read_plan,
                                             .data = data});
}

void archives_tree(struct call *c)
{
    config_call(c, call_str(c, "label", ""), tree);
}

/* ---- diff ---- */

static void diff(struct config_call *cc)
{
    struct call *c = cc->c;
    struct err e;
    const char *other = call_str(c, "other", "");
    if (!archives_named(cc, call_str(c, "archive", "")))
        return;
    if (!archive_name_ok(other, "other", &e)) {
        call_error(c, &e);
        return;
    }
    AUTO_FREE char *path = folder(c);
    if (!path)
        return;
    const struct diff_question q = {.archive = call_str(c, "archive", ""),
                                    .other = other,
                                    .path = path,
                                    .content_only = call_bool(c, "content_only", false),
                                    .limit = (size_t)call_int(c, "limit", DIFF_ENTRIES_USUAL)};
    void *data = archive_diff_new(&q);
    if (!data) {
        call_error_memory(c);
        return;
    }
    c->members = add_document;
    config_call_job(cc, &(struct config_job){.kind = "archives-diff",
                                             .reading = true,
                                             .equal_joins = true,
                                             .document = true,
                                             .deadline_s = READ_DEADLINE_S,
                                             .done_word = "read",
                                             .done_sentence = "the archives were compared",
                                             .plan = &archive_diff_plan,
                                             .data = data});
}

void archives_diff(struct call *c)
{
    config_call(c, call_str(c, "label", ""), diff);
}

/* ---- find ---- */

static void find(struct config_call *cc)
{
    struct call *c = cc->c;
    struct err e;
    const struct find_question q = {.pattern = call_bytes(c, "pattern", ""),
                                    .match = call_str(c, "match", NULL),
                                    .last = (size_t)call_int(c, "last", FIND_ARCHIVES_USUAL),
                                    .limit = (size_t)call_int(c, "limit", FIND_ENTRIES_USUAL)};
    if (!borg_glob_ok(q.pattern, "pattern", &e) ||
        (q.match && !borg_glob_ok(q.match, "match", &e))) {
        call_error(c, &e);
        return;
    }
    void *data = archive_find_new(&q);
    if (!data) {
        call_error_memory(c);
        return;
    }
    c->members = add_document;
    config_call_job(cc, &(struct config_job){.kind = "archives-find",
                                             .reading = true,
                                             .equal_joins = true,
                                             .document = true,
                                             .deadline_s = READ_DEADLINE_S,
                                             .done_word = "read",
                                             .done_sentence = "the archives were searched",
                                             .plan = &archive_find_plan,
                                             .data = data});
}

void archives_find(struct call *c)
{
    config_call(c, call_str(c, "label", ""), find);
}

/* ---- delete ---- */

static void add_deleted(struct call *c, struct jsonw *w, const struct job *j)
{
    bool dry = call_bool(c, "dry_run", false);
    jsonw_kstr(w, "archive", call_str(c, "archive", ""));
    jsonw_kbool(w, "deleted", !dry);
    jsonw_kstr(w, "note",
               dry ? "nothing was changed" : "the space is freed when the repository is compacted");
}

static void delete_one(struct config_call *cc)
{
    struct call *c = cc->c;
    struct err e;
    const char *name = call_str(c, "archive", "");
    bool dry = call_bool(c, "dry_run", false);
    if (!archive_name_ok(name, "archive", &e)) {
        call_error(c, &e);
        return;
    }
    if (!one_repository(cc) || (!dry && !call_confirmed(c, name)) ||
        (!dry && !call_audit(c, "archive_delete", cc->label, name, NULL, "allowed")))
        return;
    void *data = archive_delete_new(name, dry);
    if (!data) {
        call_error_memory(c);
        return;
    }
    c->members = add_deleted;
    config_call_job(
        cc, &(struct config_job){.kind = "archive-delete",
                                 .done_word = dry ? "dry_run_ok" : "deleted",
                                 .done_sentence = dry ? "the archive is there and would be deleted"
                                                      : "the archive is deleted",
                                 .plan = &archive_delete_plan,
                                 .data = data});
}

static void delete_now(struct call *c)
{
    config_call(c, call_str(c, "label", ""), delete_one);
}

void archives_delete(struct call *c)
{
    call_idempotent(c, delete_now);
}
