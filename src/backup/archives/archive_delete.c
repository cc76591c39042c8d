#include "backup/archives/archive_delete.h"

#include "backup/archives/archive_name.h"
#include "base/json.h"
#include "base/jsonw.h"
#include "base/mem.h"
#include "limits.h"

#include <stdio.h>
#include <string.h>

enum stage { STAGE_LOOK, STAGE_DELETE, STAGE_PROVE };

struct archive_delete {
    char name[ARCHIVE_NAME_MAX + 1];
    bool dry_run;
    enum stage stage;
    struct verdict_result said; /* of the deletion */
};

void *archive_delete_new(const char *name, bool dry_run)
{
    struct archive_delete *d = mem_zalloc(sizeof *d);
    if (!d)
        return NULL;
    (void)snprintf(d->name, sizeof d->name, "%s", name);
    d->dry_run = dry_run;
    return d;
}

static void archive_delete_free(void *data)
{
    mem_free(data);
}

/* ---- is it there ---- */

static bool ask(struct operation *op, const struct archive_delete *d, struct err *e)
{
    struct buf glob;
    buf_init(&glob, 4 * (size_t)ARCHIVE_NAME_MAX + 32);
    (void)buf_puts(&glob, "--glob-archives=");
    archive_name_glob(d->name, &glob);
    const char *const verb[] = {"list", "--json", "--consider-checkpoints", buf_str(&glob), NULL};
    const struct operation_borg b = {
        .repo = operation_repo(op, 0), .verb = verb, .out = OPERATION_KEEP};
    bool started = operation_borg(op, &b, e);
    buf_done(&glob);
    return started;
}

/* 1: listed, 0: not, −1: borg's answer is none. */
static int listed(const struct archive_delete *d, const struct operation_result *last)
{
    json_t *answer = last->out_cut ? NULL : json_parse(last->out, last->out_len, NULL);
    const json_t *archives = json_object_get(answer, "archives"), *one;
    int found = json_is_array(archives) ? 0 : -1;
    size_t i;
    json_array_foreach(archives, i, one)
    {
        if (strcmp(json_get_str(one, "name", ""), d->name) == 0)
            found = 1;
    }
    json_decref(answer);
    return found;
}

/* ---- the deed ---- */

static bool delete (struct operation *op, const struct archive_delete *d, struct err *e)
{
    static const char *const real[] = {"delete", "--progress", "--stats", NULL};
    static const char *const dry[] = {"delete", "--dry-run", "--list", NULL};
    const struct operation_borg b = {.repo = operation_repo(op, 0),
                                     .verb = d->dry_run ? dry : real,
                                     .archive = d->name,
                                     .out = OPERATION_LINES};
    job_stage(operation_job(op), "delete");
    return operation_borg(op, &b, e);
}

static void note(struct operation *op, const struct archive_delete *d, bool gone)
{
    struct buf b;
    struct jsonw w;
    buf_init(&b, LIMIT_RECORD);
    jsonw_init(&w, &b);
    jsonw_kstr(&w, "archive", d->name);
    jsonw_kbool(&w, "deleted", gone);
    operation_repo_result(operation_repo(op, 0), buf_str(&b));
    buf_done(&b);
}

static void proved(struct operation *op, struct archive_delete *d, int there)
{
    struct verdict_result v = d->said;
    note(op, d, there == 0);
    (void)snprintf(v.word, sizeof v.word, "%s",
                   there == 0   ? "deleted"
                   : there == 1 ? "archive_still_there"
                                : "unverified");
    if (there == 0) {
        (void)snprintf(v.sentence, sizeof v.sentence,
                       "the archive is deleted; its space is freed by the next compact%s%.160s",
                       d->said.state == VERDICT_WARNING ? "; borg warned: " : "",
                       d->said.state == VERDICT_WARNING ? d->said.sentence : "");
    } else if (there == 1) {
        v.state = VERDICT_FAILED;
        v.api = ERR_COMMAND_FAILED;
        (void)snprintf(v.sentence, sizeof v.sentence,
                       "borg ended without fault, yet the archive is still listed");
    } else {
        v.state = VERDICT_WARNING;
        (void)snprintf(v.sentence, sizeof v.sentence,
                       "borg ended without fault, but could not be asked whether the archive is "
                       "gone");
    }
    operation_end(op, &v, NULL);
}

/* ---- the course ---- */

static bool looked(struct operation *op, struct archive_delete *d,
                   const struct operation_result *last, struct err *e)
{
    int there = listed(d, last);
    if (there < 0)
        return err_set(e, ERR_COMMAND_FAILED, "borg's answer is not json");
    if (!there)
        return err_set(e, ERR_ARCHIVE_NOT_FOUND, "the repository holds no archive of that name");
    d->stage = STAGE_DELETE;
    return delete (op, d, e);
}

static void archive_delete_step(struct operation *op, void *data,
                                const struct operation_result *last)
{
    struct archive_delete *d = data;
    struct verdict_result v = {0};
    struct err e = {0};
    bool ok = true;
    if (last->verdict)
        verdict_result(last->verdict, &v);
    if (!last->ran) {
        ok = ask(op, d, &e);
    } else if (d->stage == STAGE_PROVE && !last->stopped) {
        proved(op, d, v.state == VERDICT_FAILED ? -1 : listed(d, last));
    } else if (last->stopped || v.state == VERDICT_FAILED) {
        operation_end_worst(op, NULL);
    } else if (d->stage == STAGE_LOOK) {
        ok = looked(op, d, last, &e);
    } else if (d->dry_run) {
        note(op, d, false);
        operation_end_worst(op, "\"dry_run\":true");
    } else {
        d->said = v;
        d->stage = STAGE_PROVE;
        ok = ask(op, d, &e);
    }
    if (!ok)
        operation_fail(op, &e);
}

const struct operation_plan archive_delete_plan = {.step = archive_delete_step,
                                                   .free = archive_delete_free};
