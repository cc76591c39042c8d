#include "api/handlers/export.h"

#include "api/destination_call.h"
#include "api/handlers/archives.h"
#include "api/idempotency.h"
#include "backup/archives/archive_path.h"
#include "backup/restore/export_tar.h"
#include "base/mem.h"
#include "limits.h"

#include <string.h>

static enum export_filter filter(const struct call *c)
{
    const char *word = call_str(c, "tar_filter", "none");
    if (strcmp(word, "gzip") == 0)
        return EXPORT_GZIP;
    return strcmp(word, "zstd") == 0 ? EXPORT_ZSTD : EXPORT_PLAIN;
}

/* The paths as borg stores them, ended by NULL, in the request's arena; NULL and `e`. */
static char **clean_paths(struct call *c, struct err *e)
{
    const json_t *given = call_json(c, "paths"), *one;
    char **out = arena_alloc(&c->req->arena, (json_array_size(given) + 1) * sizeof *out);
    size_t i;
    if (!out) {
        (void)err_set(e, ERR_NO_MEMORY, "no memory for this request");
        return NULL;
    }
    json_array_foreach(given, i, one)
    {
        AUTO_FREE char *path = archive_path_clean(json_string_value(one), "paths", e);
        if (!path)
            return NULL;
        if (!*path) {
            (void)err_field(e, ERR_BAD_REQUEST, "paths",
                            "must name files or folders; leave it out for everything");
            return NULL;
        }
        out[i] = arena_strndup(&c->req->arena, path, strlen(path));
        if (!out[i]) {
            (void)err_set(e, ERR_NO_MEMORY, "no memory for this request");
            return NULL;
        }
    }
    return out;
}

static void add_destination(struct call *c, struct jsonw *w, const struct job *j)
{
    jsonw_kstr(w, "destination", call_str(c, "destination", ""));
}

static void export_there(struct config_call *cc, struct destination *d)
{
    struct call *c = cc->c;
    struct err e;
    const char *archive = call_str(c, "archive", "latest");
    char **paths = clean_paths(c, &e);
    void *data = NULL;
    if (paths) {
        const struct export_spec spec = {.destination = d,
                                         .archive = strcmp(archive, "latest") != 0 ? archive : NULL,
                                         .paths = paths,
                                         .strip_components = call_int(c, "strip_components", 0),
                                         .filter = filter(c)};
        data = export_tar_new(c->app->loop, &spec);
        if (!data)
            (void)err_set(&e, ERR_NO_MEMORY, "no memory for this request");
    }
    if (!data) {
        destination_drop(c->app->loop, d);
        call_error(c, &e);
        return;
    }
    c->members = add_destination;
    config_call_job(cc, &(struct config_job){.kind = "export-tar",
                                             .shares = true,
                                             .done_word = "exported",
                                             .done_sentence = "the archive was written as a tar",
                                             .plan = &export_tar_plan,
                                             .data = data});
}

static void export_one(struct config_call *cc)
{
    struct err e;
    if (!archives_named(cc, call_str(cc->c, "archive", "latest")))
        return;
    if (clean_paths(cc->c, &e)) /* before any folder is made */
        destination_call(cc, "destination", DESTINATION_FILE, export_there);
    else
        call_error(cc->c, &e);
}

static void export_now(struct call *c)
{
    config_call(c, call_str(c, "repository", ""), export_one);
}

void export_tar(struct call *c)
{
    call_idempotent(c, export_now);
}
