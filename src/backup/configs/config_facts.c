#include "backup/configs/config_facts.h"

#include "backup/configs/config_mask.h"

#include <string.h>

struct yaml_node *config_fact(struct yaml_node *root, const char *section, const char *name)
{
    struct yaml_node *old = yaml_get(yaml_get(root, section), name);
    return old ? old : yaml_get(root, name);
}

static bool add(json_t *out, const char *s, size_t n)
{
    return json_array_append_new(out, json_stringn(s, n)) == 0;
}

/* borg takes 'R' and the path with any white space between; "R sh:…" has a style's name, as any. */
static bool add_root(json_t *out, const struct yaml_node *n)
{
    size_t len;
    const char *shown = config_mask_shown(n, &len);
    const char *s = shown ? shown : n->text;
    s += strspn(s, " \t");
    if (*s != 'R' || (s[1] != ' ' && s[1] != '\t'))
        return true;
    s += 1 + strspn(s + 1, " \t");
    return *s == '\0' || add(out, s, strlen(s));
}

static bool each(struct yaml_node *list, json_t *out,
                 bool (*take)(json_t *out, const struct yaml_node *n))
{
    bool ok = true;
    if (list && list->kind == YAML_SCALAR)
        return list->type == YAML_NULL || take(out, list);
    for (struct yaml_node *k = list && list->kind == YAML_LIST ? list->first : NULL; ok && k;
         k = k->next) {
        const struct yaml_node *one = yaml_real(k);
        ok = one->kind != YAML_SCALAR || one->type == YAML_NULL || take(out, one);
    }
    return ok;
}

static bool add_text(json_t *out, const struct yaml_node *n)
{
    size_t len;
    const char *shown = config_mask_shown(n, &len);
    return shown ? add(out, shown, len) : add(out, n->text, n->len);
}

json_t *config_facts_sources(struct yaml_node *root)
{
    json_t *out = json_array();
    if (out && each(config_fact(root, "location", "source_directories"), out, add_text) &&
        each(config_fact(root, "location", "patterns"), out, add_root))
        return out;
    json_decref(out);
    return NULL;
}

const char *config_facts_name_format(struct yaml_node *root)
{
    const struct yaml_node *n = config_fact(root, "storage", "archive_name_format");
    size_t len;
    if (!n || n->kind != YAML_SCALAR || n->type == YAML_NULL)
        return NULL;
    const char *shown = config_mask_shown(n, &len);
    return shown ? shown : n->text;
}
