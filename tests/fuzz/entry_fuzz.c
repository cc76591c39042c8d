/* A listing of borg on any bytes, in two pieces: whatever is taken for an entry has a path without
 * NUL and sound fields; the tree takes it, its page is bounded, and what it writes is JSON. */
#include "api/query.h"
#include "backup/archives/archive_path.h"
#include "backup/archives/entry.h"
#include "backup/archives/tree.h"
#include "base/mem.h"
#include "limits.h"

#include "fuzz.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void each(void *arg, const struct entry *e)
{
    struct err err;
    must(e->path[0] && e->mode <= 07777 && e->mtime[0]);
    must(!e->sha256[0] || strlen(e->sha256) == 64);
    (void)entry_mtime_us(e);
    must(e->user && e->group && e->target && entry_type_word(e->type));
    mem_free(archive_path_clean(e->path, "path", &err));
    struct buf b;
    buf_init(&b, 4 * (size_t)LIMIT_ENTRY_LINE);
    archive_path_encode(&b, e->path);
    struct arena a;
    arena_init(&a, 4 * (size_t)LIMIT_ENTRY_LINE);
    const char *back = query_decode_bytes(&a, buf_str(&b), b.n, false, &err);
    must(back && strcmp(back, e->path) == 0);
    arena_done(&a);
    buf_done(&b);
    tree_add(arg, e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 2)
        return 0;
    const struct tree_page page = {
        .path = data[0] & 1 ? "a" : "", .depth = 1 + data[0] % 4, .limit = 1 + data[1] % 8};
    struct tree *t = tree_new(&page);
    struct entry_lines l;
    must(t != NULL);
    const char *text = (const char *)data + 2;
    size_t half = (n - 2) / 2;
    entry_lines_init(&l, each, t);
    entry_lines_feed(&l, text, half);
    entry_lines_feed(&l, text + half, n - 2 - half);
    entry_lines_done(&l);
    must(tree_count(t) <= page.limit);
    struct buf b;
    struct jsonw w;
    buf_init(&b, LIMIT_REPLY);
    jsonw_init(&w, &b);
    jsonw_begin_object(&w);
    tree_write(t, &w);
    jsonw_end_object(&w);
    json_t *o = json_loads(buf_str(&b), 0, NULL);
    must(o != NULL);
    json_decref(o);
    buf_done(&b);
    tree_free(t);
    return 0;
}
