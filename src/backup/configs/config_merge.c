/* Masked values that are sent back keep what was stored. */
#include "backup/configs/config_mask_internal.h"

#include <string.h>

struct merging {
    bool failed;
    const char *key; /* nearest name above */
    unsigned line;
};

static bool is_mask(const struct yaml_node *n)
{
    return n->kind == YAML_SCALAR && (strcmp(n->text, "***") == 0 || strstr(n->text, ":***@") ||
                                      (n->len > 4 && strcmp(n->text + n->len - 4, " ***") == 0));
}

/* True when exactly `n` was shown for the stored value. */
static bool was_shown(const struct yaml_node *n, struct yaml_node *stored)
{
    size_t len;
    stored = yaml_real(stored);
    const char *shown =
        stored && stored->kind == YAML_SCALAR ? config_mask_shown(stored, &len) : NULL;
    return shown && len == n->len && memcmp(shown, n->text, len) == 0;
}

static const char *shown_of(struct yaml_node *n)
{
    size_t len;
    n = yaml_real(n);
    if (!n || n->kind != YAML_SCALAR)
        return NULL;
    const char *shown = config_mask_shown(n, &len);
    return shown ? shown : n->text;
}

/* The same element of a list although its place changed: equal names, at least one. */
static bool same_element(struct yaml_node *n, struct yaml_node *stored)
{
    static const char *const names[] = {"name", "hostname", "label", "path", "before", "after"};
    size_t equal = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct yaml_node *given = yaml_get(n, names[i]);
        const char *other = shown_of(yaml_get(stored, names[i]));
        if (!given && !other)
            continue;
        if (!given || !other || given->kind != YAML_SCALAR || strcmp(given->text, other) != 0)
            return false;
        equal++;
    }
    return equal > 0;
}

static struct yaml_node *at(struct yaml_node *list, size_t index)
{
    struct yaml_node *k = list ? list->first : NULL;
    while (k && index-- > 0)
        k = k->next;
    return yaml_real(k);
}

static struct yaml_node *find_element(struct yaml_node *n, struct yaml_node *list, size_t index)
{
    struct yaml_node *there = at(list, index);
    bool scalar = n->kind == YAML_SCALAR;
    if (!list || (there && (scalar ? was_shown(n, there) : same_element(n, there))))
        return there;
    for (struct yaml_node *k = list->first; k; k = k->next)
        if (scalar ? was_shown(n, k) : same_element(n, yaml_real(k)))
            return yaml_real(k);
    /* Named otherwise than all: a new one; without names the place alone says which. */
    return there && n->kind == YAML_MAP && !yaml_get(n, "name") && !yaml_get(n, "label") &&
                   !yaml_get(n, "path")
               ? there
               : NULL;
}

static void merge(struct merging *g, struct yaml_node *n, struct yaml_node *stored)
{
    n = yaml_real(n);
    if (n->kind == YAML_SCALAR) {
        if (was_shown(n, stored))
            n->user = yaml_real(stored);
        else if (is_mask(n) && !n->user && !g->failed) {
            g->failed = true;
            g->line = n->line;
        }
        return;
    }
    bool list = n->kind == YAML_LIST;
    struct yaml_node *other = stored && stored->kind == n->kind ? stored : NULL;
    size_t index = 0;
    for (struct yaml_node *k = n->first; list && k; k = k->next)
        merge(g, k, find_element(yaml_real(k), other, index++));
    for (struct yaml_node *k = n->first; !list && k && k->next; k = k->next->next) {
        const struct yaml_node *name = yaml_real(k);
        merge(g, k->next, yaml_get(other, name->kind == YAML_SCALAR ? name->text : ""));
    }
}

struct kept {
    const struct buf *stored;
};

static bool stored_value(const struct yaml_node *n, struct buf *out, void *arg)
{
    const struct kept *kept = arg;
    const struct yaml_node *s = n->user;
    if (!s)
        return false;
    if (s->type == YAML_TEXT)
        yaml_quote(s->text, s->len, out);
    else /* a number stays one */
        (void)buf_append(out, kept->stored->p + s->start, s->end - s->start);
    return true;
}

bool config_mask_merge(const char *text, size_t n, const struct config_mask *stored,
                       struct buf *out, struct err *e)
{
    struct merging g = {0};
    struct yaml *y = yaml_doc_parse(text, n, e);
    if (!y)
        return false;
    struct yaml_node *root = yaml_doc_root(y);
    if (root)
        merge(&g, root, stored ? yaml_real(yaml_doc_root(stored->yaml)) : NULL);
    struct buf whole = {.p = (char *)(uintptr_t)text, .n = n};
    struct kept kept = {.stored = stored ? &stored->text : NULL};
    bool ok = g.failed ? err_set(e, ERR_BAD_REQUEST,
                                 "line %u holds a masked value (***), and no stored one belongs "
                                 "there: send the value itself",
                                 g.line)
                       : config_rewrite(&whole, root, stored_value, NULL, &kept, out) ||
                             err_set(e, ERR_BAD_REQUEST, "longer than %d bytes", LIMIT_YAML);
    yaml_doc_free(y);
    return ok;
}
