/* Secrets of the files that a configuration includes. */
#include "backup/configs/config_files.h"
#include "backup/configs/config_mask_internal.h"
#include "base/mem.h"

#include <string.h>

enum { INCLUDES = 16, INCLUDE_DEPTH = 4 };

struct including {
    struct config_mask *into;
    const char *dir;
    size_t files, depth;
};

static void take_file(struct including *g, const char *name);

static void take_all(struct including *g, const struct yaml_node *n, bool included)
{
    included = included || (n->tag && strcmp(n->tag, "!include") == 0);
    for (const struct yaml_node *k = n->first; k; k = k->next)
        take_all(g, k, included);
    if (included && n->kind == YAML_SCALAR)
        take_file(g, n->text);
}

static void take_file(struct including *g, const char *name)
{
    struct config_file *f = mem_zalloc(sizeof *f);
    struct buf text;
    struct err e = {0};
    struct config_mask *m = NULL;
    AUTO_FREE char *path = name[0] == '/' ? mem_strdup(name) : mem_printf("%s/%s", g->dir, name);
    buf_init(&text, LIMIT_YAML);
    if (f && path && g->files++ < INCLUDES && g->depth < INCLUDE_DEPTH &&
        config_files_read_path(path, f, &text, &e))
        m = config_mask_new(buf_str(&text), text.n, &e);
    for (size_t i = 0; m && i < m->secret_count; i++)
        config_mask_learn(g->into, m->secrets[i]);
    g->depth++;
    if (m && config_mask_root(m))
        take_all(g, config_mask_root(m), false);
    g->depth--;
    config_mask_free(m);
    buf_wipe(&text);
    mem_free(f);
}

void config_mask_includes(struct config_mask *m, const char *dir)
{
    struct including g = {.into = m, .dir = dir};
    if (config_mask_root(m))
        take_all(&g, config_mask_root(m), false);
}
