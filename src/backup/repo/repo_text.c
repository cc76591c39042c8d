#include "backup/repo/repo_text.h"

#include "base/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

json_t *repo_text_label(void *arg, const struct resolved_repo *repo, json_t *answer,
                        struct buf *out)
{
    json_t *r = json_object_get(answer, "repository");
    if (json_is_object(r))
        (void)json_object_set_new(r, "label", json_string(resolved_repo_name(repo)));
    return answer;
}

/* As borg: powers of 1000, two decimals. */
static const char *size(int64_t bytes, char *text, size_t room)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    double v = (double)bytes;
    size_t i = 0;
    while (v >= 1000 && i + 1 < sizeof units / sizeof *units) {
        v /= 1000;
        i++;
    }
    (void)snprintf(text, room, i ? "%.2f %s" : "%.0f %s", v, units[i]);
    return text;
}

static void print_stats(const json_t *stats, struct buf *out)
{
    char all[32], packed[32], unique[32];
    if (!json_is_object(stats))
        return;
    (void)buf_printf(
        out,
        "------------------------------------------------------------------------------\n"
        "                       Original size      Compressed size    Deduplicated size\n"
        "All archives:   %20s %20s %20s\n"
        "                       Unique chunks         Total chunks\n"
        "Chunk index:    %20" PRId64 " %20" PRId64 "\n"
        "------------------------------------------------------------------------------\n",
        size(json_get_int(stats, "total_size", 0), all, sizeof all),
        size(json_get_int(stats, "total_csize", 0), packed, sizeof packed),
        size(json_get_int(stats, "unique_csize", 0), unique, sizeof unique),
        json_get_int(stats, "total_unique_chunks", 0), json_get_int(stats, "total_chunks", 0));
}

void repo_text(const json_t *answers, struct buf *out)
{
    size_t i;
    const json_t *one;
    json_array_foreach(answers, i, one)
    {
        const json_t *repo = json_object_get(one, "repository");
        const json_t *cache = json_object_get(one, "cache");
        const char *mode = json_get_str(json_object_get(one, "encryption"), "mode", "none");
        char location[1024];
        resolve_shown(json_get_str(repo, "location", ""), location, sizeof location);
        (void)buf_printf(out,
                         "%s: Displaying repository info\n"
                         "Repository ID: %s\nLocation: %s\nEncrypted: %s (%s)\n"
                         "Last modified: %s\n",
                         json_get_str(repo, "label", "repository"), json_get_str(repo, "id", ""),
                         location, strcmp(mode, "none") == 0 ? "No" : "Yes", mode,
                         json_get_str(repo, "last_modified", ""));
        if (json_get_str(cache, "path", NULL))
            (void)buf_printf(out, "Cache: %s\n", json_get_str(cache, "path", ""));
        if (json_get_str(one, "security_dir", NULL))
            (void)buf_printf(out, "Security dir: %s\n", json_get_str(one, "security_dir", ""));
        print_stats(json_object_get(cache, "stats"), out);
    }
}
