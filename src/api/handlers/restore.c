#include "api/handlers/restore.h"

#include "api/destination_call.h"
#include "api/idempotency.h"
#include "api/route.h"
#include "backup/archives/archive_name.h"
#include "backup/restore/drill.h"
#include "backup/restore/extract.h"
#include "limits.h"

#include <sodium.h>
#include <string.h>

/* The archive asked for, or NULL for the newest; answers the call when it is none. */
static bool archive_wanted(struct call *c, const char **name)
{
    struct err e;
    const char *archive = call_str(c, "archive", NULL);
    bool latest = call_bool(c, "latest", false);
    *name = archive && strcmp(archive, "latest") != 0 ? archive : NULL;
    bool ok = true;
    if (!archive && !latest)
        ok = err_field(&e, ERR_BAD_REQUEST, "archive",
                       "give the archive's name, or \"latest\": true for the newest");
    else if (*name && latest)
        ok = err_field(&e, ERR_BAD_REQUEST, "latest",
                       "must not be true beside the name of an archive");
    else if (*name)
        ok = archive_name_ok(*name, "archive", &e);
    if (!ok)
        call_error(c, &e);
    return ok;
}

/* ---- extract ---- */

static void add_destination(struct call *c, struct jsonw *w, const struct job *j)
{
    jsonw_kstr(w, "destination", call_str(c, "destination", ""));
}

static void extract_there(struct config_call *cc, struct destination *d)
{
    struct call *c = cc->c;
    const char *archive = call_str(c, "archive", NULL);
    const struct extract_spec spec = {.destination = d,
                                      .archive = archive && strcmp(archive, "latest") != 0 ? archive
                                                                                           : NULL,
                                      .paths = call_json(c, "paths"),
                                      .strip_components = call_int(c, "strip_components", 0)};
    c->members = add_destination;
    config_call_job(cc, &(struct config_job){.kind = "extract",
                                             .shares = true,
                                             .started = cc->started,
                                             .done_word = "extracted",
                                             .done_sentence = "what was asked for was extracted",
                                             .plan = &extract_plan,
                                             .data = extract_new(c->app->loop, &spec)});
}

/* One repository is restored from: the one asked for, else the configuration's first. */
static void extract(struct config_call *cc)
{
    if (!cc->only)
        cc->only = &cc->config->repos[0];
    destination_call(cc, "destination", DESTINATION_FOLDER, extract_there);
}

static void extract_async(struct config_call *cc)
{
    cc->started = true;
    extract(cc);
}

static void extract_now(struct call *c)
{
    const char *archive;
    if (archive_wanted(c, &archive))
        config_call(c, call_str(c, "repository", ""), extract);
}

static void extract_async_now(struct call *c)
{
    const char *archive;
    if (archive_wanted(c, &archive))
        config_call(c, call_str(c, "repository", ""), extract_async);
}

void restore_extract(struct call *c)
{
    call_idempotent(c, extract_now);
}

void restore_extract_async(struct call *c)
{
    call_idempotent(c, extract_async_now);
}

/* ---- restore drill ---- */

/* What stands in a JSON number exactly, so that the answer's seed can be sent again. */
static uint64_t new_seed(void)
{
    uint64_t seed;
    randombytes_buf(&seed, sizeof seed);
    return seed & ((1ULL << 53) - 1);
}

static void verify(struct config_call *cc)
{
    struct call *c = cc->c;
    const char *archive = call_str(c, "archive", NULL);
    const struct drill_spec spec = {
        .archive = archive && strcmp(archive, "latest") != 0 ? archive : NULL,
        .count = call_int(c, "count", DRILL_COUNT),
        .max_bytes = call_int(c, "max_bytes", DRILL_BYTES),
        .seed = call_has(c, "seed") ? (uint64_t)call_int(c, "seed", 0) : new_seed(),
        .compare = call_bool(c, "compare", false)};
    if (!cc->only)
        cc->only = &cc->config->repos[0];
    config_call_job(cc, &(struct config_job){.kind = "verify-restore",
                                             .shares = true,
                                             .done_word = "read",
                                             .done_sentence = "borg read the archive",
                                             .plan = &drill_plan,
                                             .data = drill_new(c->app->loop, &spec)});
}

static void verify_now(struct call *c)
{
    struct err e;
    const char *archive = call_str(c, "archive", NULL);
    if (archive && !archive_name_ok(archive, "archive", &e))
        call_error(c, &e);
    else
        config_call(c, call_str(c, "label", ""), verify);
}

void restore_verify(struct call *c)
{
    call_idempotent(c, verify_now);
}
