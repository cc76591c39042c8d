#include "api/overview.h"

#include "base/json.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

void overview_init(struct overview *o, const char *location)
{
    *o = (struct overview){.location = location, .size = -1};
}

void overview_done(struct overview *o)
{
    json_decref(o->archive);
    o->archive = NULL;
}

/* The repository's entry in the record's result, or NULL. */
static const json_t *entry_of(const struct overview *o, const json_t *record)
{
    const json_t *list = json_object_get(json_object_get(record, "result"), "repositories");
    const json_t *one;
    size_t i;
    json_array_foreach(list, i, one)
    {
        if (strcmp(json_get_str(one, "repository", ""), o->location) == 0)
            return one;
    }
    return NULL;
}

static bool has_entries(const json_t *record)
{
    return json_array_size(json_object_get(json_object_get(record, "result"), "repositories")) > 0;
}

static bool well(const char *state)
{
    return strcmp(state, "succeeded") == 0 || strcmp(state, "warning") == 0;
}

static void copy(char *out, size_t size, const char *s)
{
    (void)snprintf(out, size, "%s", s);
}

static double when(const json_t *record)
{
    double t = json_get_num(record, "started", 0);
    return t > 0 ? t : json_get_num(record, "queued", 0);
}

/* A job over several repositories fails as a whole when one does; an archive that was read back is
 * a success of its own repository all the same. */
static void fold_create(struct overview *o, const json_t *record, const json_t *entry)
{
    const char *state = json_get_str(record, "state", "");
    json_t *archive = json_object_get(entry, "archive");
    bool made = json_get_bool(archive, "verified", false);
    const json_t *verdict = json_object_get(entry ? entry : record, "verdict");
    if (json_get_bool(json_object_get(record, "result"), "dry_run", false))
        return;
    if (when(record) > o->last_attempt) {
        o->last_attempt = when(record);
        copy(o->last_state, sizeof o->last_state, made && !well(state) ? "succeeded" : state);
        copy(o->last_word, sizeof o->last_word, json_get_str(verdict, "word", ""));
        copy(o->last_job, sizeof o->last_job, json_get_str(record, "id", ""));
    }
    double ended = json_get_num(record, "ended", 0);
    if (!made || ended <= o->last_success)
        return;
    o->last_success = ended;
    json_decref(o->archive);
    o->archive = json_incref(archive);
}

void overview_fold(struct overview *o, enum overview_kind kind, const json_t *record)
{
    const json_t *entry = entry_of(o, record);
    const char *state = json_get_str(record, "state", "");
    double ended = json_get_num(record, "ended", 0);
    if (!entry && has_entries(record))
        return; /* it was about other repositories of the configuration */
    if (kind == OVERVIEW_CREATE) {
        fold_create(o, record, entry);
    } else if (kind == OVERVIEW_CHECK && ended > o->last_check) {
        o->last_check = ended;
        copy(o->last_check_state, sizeof o->last_check_state, state);
    } else if (kind == OVERVIEW_RESTORE && strcmp(state, "succeeded") == 0 &&
               ended > o->restore_verified) {
        o->restore_verified = ended;
    } else if (kind == OVERVIEW_INFO && o->size < 0) {
        o->size = json_get_int(entry, "size", -1);
    }
}

/* ---- showing ---- */

static void time_member(struct jsonw *w, const char *key, double t)
{
    jsonw_key(w, key);
    if (t > 0)
        jsonw_seconds(w, t);
    else
        jsonw_null(w);
}

static void text_member(struct jsonw *w, const char *key, const char *s)
{
    jsonw_kstr(w, key, s[0] ? s : NULL);
}

/* borg writes local times without a zone; archives are read back with UTC as the zone. */
static double archive_time(const char *start)
{
    struct tm tm = {0};
    return strptime(start, "%Y-%m-%dT%H:%M:%S", &tm) ? (double)timegm(&tm) : 0;
}

static void archive_member(const struct overview *o, struct jsonw *w)
{
    static const char *const sizes[] = {"nfiles", "original_size", "deduplicated_size"};
    jsonw_key(w, "last_archive");
    if (!o->archive) {
        jsonw_null(w);
        return;
    }
    jsonw_begin_object(w);
    jsonw_kstr(w, "name", json_get_str(o->archive, "name", NULL));
    jsonw_kstr(w, "id", json_get_str(o->archive, "id", NULL));
    time_member(w, "time", archive_time(json_get_str(o->archive, "start", "")));
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (json_is_integer(json_object_get(o->archive, sizes[i])))
            jsonw_kint(w, sizes[i], json_get_int(o->archive, sizes[i], 0));
    jsonw_end_object(w);
}

void overview_write(const struct overview *o, struct jsonw *w)
{
    archive_member(o, w);
    time_member(w, "last_success", o->last_success);
    time_member(w, "last_attempt", o->last_attempt);
    text_member(w, "last_state", o->last_state);
    text_member(w, "last_verdict", o->last_word);
    text_member(w, "last_job_id", o->last_job);
    time_member(w, "last_check", o->last_check);
    text_member(w, "last_check_state", o->last_check_state);
    time_member(w, "last_restore_verified", o->restore_verified);
    jsonw_key(w, "size");
    if (o->size >= 0)
        jsonw_int(w, o->size);
    else
        jsonw_null(w);
}
