#include "backup/archives/archives_list.h"

#include "backup/archives/archive_read.h"
#include "backup/archives/borg_glob.h"
#include "base/json.h"
#include "base/mem.h"
#include "limits.h"

#include <inttypes.h>

/* Answers come as JSON objects; only the keys of borg's format are added to them. */
#define LIST_KEYS "{hostname}{username}{comment}"

struct filter {
    int64_t since;
};

/* Begun too early; what has no time is shown. */
static bool too_old(const json_t *archive, int64_t since)
{
    const char *start = json_get_str(archive, "start", NULL);
    int64_t t = start ? archive_read_time(start) : -1;
    return t >= 0 && t < since;
}

static json_t *keep(void *arg, const struct resolved_repo *repo, json_t *answer, struct buf *out)
{
    const struct filter *f = arg;
    json_t *archives = json_object_get(answer, "archives");
    for (size_t i = json_array_size(archives); f->since && i-- > 0;)
        if (too_old(json_array_get(archives, i), f->since))
            (void)json_array_remove(archives, i);
    (void)buf_printf(out, "\"archives\":%zu", json_array_size(archives));
    return answer;
}

void *archives_list_new(const struct archives_question *q)
{
    AUTO_FREE char *glob = borg_glob_archives(q->match);
    AUTO_FREE char *last = q->last ? mem_printf("--last=%" PRId64, q->last) : NULL;
    struct filter *f = mem_zalloc(sizeof *f);
    if (!glob || !f || (q->last && !last)) {
        mem_free(f);
        return NULL;
    }
    f->since = q->since;
    const char *verb[8] = {q->stats ? "info" : "list", "--json", glob};
    size_t n = 3;
    if (!q->stats) {
        verb[n++] = "--format";
        verb[n++] = LIST_KEYS;
    }
    verb[n++] = last;
    const struct collect_question question = {
        .verb = verb, .keep = keep, .arg = f, .free_arg = mem_free};
    return collect_new(&question);
}
