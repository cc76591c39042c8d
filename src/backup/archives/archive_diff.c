#include "backup/archives/archive_diff.h"

#include "backup/archives/archive_name.h"
#include "backup/archives/archive_path.h"
#include "backup/archives/entry.h"
#include "base/json.h"
#include "base/jsonw.h"
#include "base/mem.h"
#include "limits.h"

#include <stdio.h>
#include <string.h>

struct archive_diff {
    char archive[ARCHIVE_NAME_MAX + 1], other[ARCHIVE_NAME_MAX + 1];
    char *path;
    bool content_only;
    size_t limit;
    struct buf line, kept; /* what has not ended; the array's elements */
    struct jsonw w;
    size_t n, total, bad;
};

static void archive_diff_free(void *data)
{
    struct archive_diff *d = data;
    if (!d)
        return;
    buf_done(&d->line);
    buf_done(&d->kept);
    mem_free(d->path);
    mem_free(d);
}

void *archive_diff_new(const struct diff_question *q)
{
    struct archive_diff *d = mem_zalloc(sizeof *d);
    if (!d)
        return NULL;
    (void)snprintf(d->archive, sizeof d->archive, "%s", q->archive);
    (void)snprintf(d->other, sizeof d->other, "%s", q->other);
    d->content_only = q->content_only;
    d->limit = q->limit;
    buf_init(&d->line, LIMIT_ENTRY_LINE);
    buf_init(&d->kept, DIFF_BYTES);
    jsonw_init(&d->w, &d->kept);
    d->path = mem_strdup(q->path);
    if (d->path)
        return d;
    archive_diff_free(d);
    return NULL;
}

/* ---- borg's lines ---- */

/* The path is the last member, and no text before it can hold a quote that is not escaped. */
bool diff_line_path(char *line, const char **path)
{
    static const char key[] = ", \"path\": \"";
    char *at = strstr(line, key);
    size_t n = strlen(line);
    if (!at || n < 2 || line[n - 1] != '}' || line[n - 2] != '"')
        return false;
    char *text = at + sizeof key - 2, *end = entry_unquote(text);
    if (!end || strcmp(end, "}") != 0 || !text[1])
        return false;
    *path = text + 1;
    at[0] = '}';
    at[1] = '\0';
    return true;
}

static void keep(struct archive_diff *d, const char *path, const json_t *changes)
{
    size_t before = d->kept.n;
    jsonw_begin_object(&d->w);
    archive_path_write(&d->w, path);
    jsonw_key(&d->w, "changes");
    (void)json_write(changes, &d->kept);
    d->w.comma = true;
    jsonw_end_object(&d->w);
    if (!d->kept.failed) {
        d->n++;
        return;
    }
    d->limit = d->n; /* no more of them */
    d->kept.failed = false;
    d->kept.n = before;
    if (d->kept.p)
        d->kept.p[before] = '\0';
}

static void line_ends(struct archive_diff *d)
{
    const char *path = "";
    bool whole = !d->line.failed && d->line.n && !memchr(d->line.p, '\0', d->line.n);
    json_t *o = whole && diff_line_path(d->line.p, &path)
                    ? json_parse(d->line.p, strlen(d->line.p), NULL)
                    : NULL;
    const json_t *changes = json_object_get(o, "changes");
    if (json_is_array(changes)) {
        d->total++;
        if (d->n < d->limit)
            keep(d, path, changes);
    } else {
        d->bad++;
    }
    json_decref(o);
    buf_reset(&d->line);
}

static void on_bytes(void *data, const char *p, size_t n)
{
    struct archive_diff *d = data;
    while (n) {
        const char *end = memchr(p, '\n', n);
        size_t k = end ? (size_t)(end - p) : n;
        (void)buf_append(&d->line, p, k);
        if (end)
            line_ends(d);
        k += end != NULL;
        p += k;
        n -= k;
    }
}

/* ---- the course ---- */

static bool ask(struct operation *op, struct archive_diff *d, struct err *e)
{
    const char *const verb[] = {"diff", "--json-lines", d->content_only ? "--content-only" : NULL,
                                NULL};
    char other[2 * ARCHIVE_NAME_MAX + 1], *to = other;
    AUTO_FREE char *pattern = archive_path_pattern(d->path, false);
    const char *const tail[] = {other, *d->path ? pattern : NULL, NULL};
    for (const char *s = d->other; *s; s++) { /* braces would be placeholders */
        if (*s == '{' || *s == '}')
            *to++ = *s;
        *to++ = *s;
    }
    *to = '\0';
    const struct operation_borg b = {.repo = operation_repo(op, 0),
                                     .verb = verb,
                                     .archive = d->archive,
                                     .tail = tail,
                                     .out = OPERATION_STREAM,
                                     .on_stdout = on_bytes};
    if (!pattern)
        return err_set(e, ERR_NO_MEMORY, "no memory for a path");
    return operation_borg(op, &b, e);
}

static void answer(struct operation *op, struct archive_diff *d)
{
    struct buf doc, members;
    struct jsonw w;
    buf_init(&doc, LIMIT_REPLY);
    jsonw_init(&w, &doc);
    jsonw_begin_object(&w);
    jsonw_kstr(&w, "archive", d->archive);
    jsonw_kstr(&w, "other", d->other);
    (void)buf_printf(&doc, ",\"data\":[%s]", buf_str(&d->kept));
    jsonw_kint(&w, "total", (int64_t)d->total);
    jsonw_kbool(&w, "truncated", d->total > d->n);
    jsonw_end_object(&w);
    job_take_document(operation_job(op), &doc);
    buf_done(&doc);
    buf_init(&members, LIMIT_RECORD);
    (void)buf_printf(&members, "\"differences\":%zu", d->total);
    operation_repo_result(operation_repo(op, 0), buf_str(&members));
    buf_done(&members);
    operation_end_worst(op, NULL);
}

static void archive_diff_step(struct operation *op, void *data, const struct operation_result *last)
{
    struct archive_diff *d = data;
    struct verdict_result v;
    struct err e = {0};
    if (!last->ran) {
        if (!ask(op, d, &e))
            operation_fail(op, &e);
        return;
    }
    verdict_result(last->verdict, &v);
    if (last->stopped || v.state == VERDICT_FAILED) {
        operation_end_worst(op, NULL);
    } else if (d->bad || d->line.n) {
        (void)err_set(&e, ERR_COMMAND_FAILED, "borg's list of differences cannot be understood");
        operation_fail(op, &e);
    } else {
        answer(op, d);
    }
}

const struct operation_plan archive_diff_plan = {.step = archive_diff_step,
                                                 .free = archive_diff_free};
