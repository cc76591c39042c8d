#include "backup/archives/archive_find.h"

#include "backup/archives/borg_glob.h"
#include "backup/archives/entry.h"
#include "backup/run/run.h"
#include "base/json.h"
#include "base/jsonw.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct place {
    size_t repo, order; /* its number in the operation; as they came */
    json_t *archive;
    const char *name, *start; /* of it */
};

struct archive_find {
    struct operation *op;
    char *pattern, *archives; /* as borg takes them */
    size_t last, limit;
    size_t listed; /* repositories asked for their archives */
    struct place *places;
    size_t count, room, next; /* the archives; the one that is looked into */
    bool looking;             /* borg lists its entries; else archives */
    struct entry_lines lines;
    struct buf kept; /* the elements of "results" */
    struct jsonw w;
    bool open; /* the last element's "entries" has not ended */
    bool full; /* something was left out */
    size_t entries;
};

static void archive_find_free(void *data)
{
    struct archive_find *f = data;
    if (!f)
        return;
    for (size_t i = 0; i < f->count; i++)
        json_decref(f->places[i].archive);
    mem_free(f->places);
    entry_lines_done(&f->lines);
    buf_done(&f->kept);
    mem_free(f->pattern);
    mem_free(f->archives);
    mem_free(f);
}

/* ---- what is found ---- */

static void open_result(struct archive_find *f)
{
    const struct place *p = &f->places[f->next];
    char location[1024], time[24];
    resolve_shown(operation_repo(f->op, p->repo)->repo->location, location, sizeof location);
    (void)snprintf(time, sizeof time, "%.19sZ", p->start); /* borg was asked in UTC */
    jsonw_begin_object(&f->w);
    jsonw_kstr(&f->w, "repository", location);
    jsonw_kstr(&f->w, "archive", p->name);
    jsonw_kstr(&f->w, "id", json_get_str(p->archive, "id", NULL));
    jsonw_kstr(&f->w, "time", time);
    jsonw_key(&f->w, "entries");
    jsonw_begin_array(&f->w);
}

static void close_result(struct archive_find *f)
{
    if (f->open) {
        jsonw_end_array(&f->w);
        jsonw_end_object(&f->w);
    }
    f->open = false;
}

/* No more of it: borg has said enough. */
static void stop_looking(struct archive_find *f)
{
    f->full = true;
    run_stop(operation_run(f->op));
}

static void on_entry(void *arg, const struct entry *e)
{
    struct archive_find *f = arg;
    struct buf *b = &f->kept;
    size_t before = b->n;
    bool comma = f->w.comma;
    if (f->full)
        return;
    if (f->entries == f->limit) {
        stop_looking(f);
        return;
    }
    if (!f->open)
        open_result(f);
    entry_write(&f->w, e, false);
    if (b->failed || b->n > FIND_BYTES) {
        b->failed = false;
        b->n = before;
        if (b->p)
            b->p[before] = '\0';
        f->w.comma = comma;
        stop_looking(f);
        return;
    }
    f->open = true;
    f->entries++;
}

static void on_bytes(void *data, const char *p, size_t n)
{
    struct archive_find *f = data;
    entry_lines_feed(&f->lines, p, n);
}

/* ---- the archives ---- */

static int newest_first(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    int c = strcmp(y->start, x->start); /* both as 2026-11-25T15:49:44.000000 */
    if (c == 0)
        c = x->order < y->order ? -1 : 1;
    return c;
}

static bool take_archives(struct archive_find *f, const struct operation_result *last,
                          struct err *e)
{
    size_t repo = f->listed++;
    json_t *answer = last->out_cut ? NULL : json_parse(last->out, last->out_len, NULL);
    const json_t *archives = json_object_get(answer, "archives");
    bool ok =
        json_is_array(archives) || err_set(e, ERR_COMMAND_FAILED, "borg's answer is not json");
    for (size_t i = json_array_size(archives);
         ok && i-- > 0 && f->count < f->room;) { /* newest last */
        json_t *one = json_array_get(archives, i);
        struct place p = {.repo = repo,
                          .order = f->count,
                          .archive = json_incref(one),
                          .name = json_get_str(one, "name", ""),
                          .start = json_get_str(one, "start", "")};
        f->places[f->count++] = p;
        ok = *p.name || err_set(e, ERR_COMMAND_FAILED, "borg's list of archives has no names");
    }
    json_decref(answer);
    return ok;
}

static void settle_archives(struct archive_find *f)
{
    if (f->count)
        qsort(f->places, f->count, sizeof *f->places, newest_first);
    while (f->count > f->last)
        json_decref(f->places[--f->count].archive);
}

/* ---- the programs ---- */

static bool list_archives(struct operation *op, struct archive_find *f, struct err *e)
{
    char last[32];
    (void)snprintf(last, sizeof last, "--last=%zu", f->last);
    const char *const verb[] = {"list", "--json", f->archives, last, NULL};
    const struct operation_borg b = {.repo = operation_repo(op, f->listed),
                                     .verb = verb,
                                     .out = OPERATION_KEEP,
                                     .keep_max = ARCHIVE_JSON};
    return operation_borg(op, &b, e);
}

static bool look_into(struct operation *op, struct archive_find *f, struct err *e)
{
    static const char *const verb[] = {"list", "--format", ENTRY_FORMAT, NULL};
    /* Python warns of sets such as [[] whose meaning may change one day. */
    static const char *const env[] = {"PYTHONWARNINGS=ignore", NULL};
    const struct place *p = &f->places[f->next];
    const char *const tail[] = {f->pattern, NULL};
    const struct operation_borg b = {.repo = operation_repo(op, p->repo),
                                     .verb = verb,
                                     .archive = p->name,
                                     .tail = tail,
                                     .out = OPERATION_STREAM,
                                     .on_stdout = on_bytes,
                                     .env = env};
    f->looking = true;
    return operation_borg(op, &b, e);
}

/* ---- the answer ---- */

static bool answer(struct operation *op, struct archive_find *f, struct err *e)
{
    struct buf doc, members;
    struct jsonw w;
    buf_init(&doc, LIMIT_REPLY);
    jsonw_init(&w, &doc);
    jsonw_begin_object(&w);
    (void)buf_printf(&doc, "\"results\":[%s]", buf_str(&f->kept));
    w.comma = true;
    jsonw_kint(&w, "searched", (int64_t)f->next);
    jsonw_kbool(&w, "truncated", f->full);
    jsonw_end_object(&w);
    bool whole = !f->kept.failed && !doc.failed;
    if (whole)
        job_take_document(operation_job(op), &doc);
    buf_done(&doc);
    if (!whole)
        return err_set(e, ERR_NO_MEMORY, "no memory for what was found");
    buf_init(&members, LIMIT_RECORD);
    (void)buf_printf(&members, "\"searched\":%zu,\"entries\":%zu", f->next, f->entries);
    operation_end_worst(op, buf_str(&members));
    buf_done(&members);
    return true;
}

/* ---- the course ---- */

/* The borg that we ended did what it was asked for. */
static void pardon(struct operation *op, struct operation_repo *r)
{
    verdict_exit(r->verdict, 0, 0);
    r->code = r->signal = 0;
    operation_exit_code(op, 0);
}

/* Takes what ended into account. */
static bool take(struct archive_find *f, const struct operation_result *last, struct err *e)
{
    if (!f->looking)
        return take_archives(f, last, e);
    if (f->full)
        pardon(f->op, operation_repo(f->op, f->places[f->next].repo));
    else if (!entry_lines_sound(&f->lines))
        return err_set(e, ERR_COMMAND_FAILED, "borg's listing cannot be understood");
    close_result(f);
    f->next++;
    return true;
}

static bool go_on(struct operation *op, struct archive_find *f, struct err *e)
{
    if (f->listed < operation_repo_count(op))
        return list_archives(op, f, e);
    if (!f->looking)
        settle_archives(f);
    if (f->next < f->count && f->entries == f->limit)
        f->full = true;
    return f->full || f->next == f->count ? answer(op, f, e) : look_into(op, f, e);
}

static void archive_find_step(struct operation *op, void *data, const struct operation_result *last)
{
    struct archive_find *f = data;
    struct err e = {0};
    struct verdict_result v = {0};
    f->op = op;
    if (last->verdict)
        verdict_result(last->verdict, &v);
    if (last->stopped || (v.state == VERDICT_FAILED && !f->full)) {
        operation_end_worst(op, NULL);
        return;
    }
    if (!last->ran) {
        f->room = operation_repo_count(op) * f->last;
        f->places = mem_zalloc((f->room + 1) * sizeof *f->places);
        if (!f->places)
            (void)err_set(&e, ERR_NO_MEMORY, "no memory for the archives");
    }
    if (!f->places || (last->ran && !take(f, last, &e)) || !go_on(op, f, &e))
        operation_fail(op, &e);
}

void *archive_find_new(const struct find_question *q)
{
    struct archive_find *f = mem_zalloc(sizeof *f);
    if (!f)
        return NULL;
    f->last = q->last;
    f->limit = q->limit;
    f->pattern = borg_glob_paths(q->pattern);
    f->archives = borg_glob_archives(q->match);
    entry_lines_init(&f->lines, on_entry, f);
    buf_init(&f->kept, LIMIT_REPLY);
    jsonw_init(&f->w, &f->kept);
    if (f->pattern && f->archives)
        return f;
    archive_find_free(f);
    return NULL;
}

const struct operation_plan archive_find_plan = {.step = archive_find_step,
                                                 .free = archive_find_free};
