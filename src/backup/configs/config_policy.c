#include "backup/configs/config_policy.h"

#include "backup/configs/config_keys.h"

#include <stdio.h>
#include <string.h>

struct look {
    bool code;          /* allowed */
    const char *key;    /* the option that is looked at */
    const char *member; /* … and what inside it, or NULL */
    struct err *e;
};

/* ---- what is said ---- */

static bool refuse(const struct look *l, enum err_code code, const char *why)
{
    char field[64];
    (void)snprintf(field, sizeof field, "%.40s%s%.22s", l->key, l->member ? "." : "",
                   l->member ? l->member : "");
    if (code == ERR_DISABLED)
        return err_field(l->e, code, field, "\"%s\": %s; only ENABLE_CONFIG_CODE=true allows it",
                         field, why);
    return err_field(l->e, code, field, "\"%s\" %s", field, why);
}

static bool needs_code(const struct look *l, const char *why)
{
    return l->code || refuse(l, ERR_DISABLED, why);
}

/* ---- anything, anywhere ---- */

/* Tags include files, "${" reads the environment, "{credential" runs programs. */
static bool text_quiet(const struct look *l, const struct yaml_node *n)
{
    if (n->tag)
        return needs_code(l, "tags are not taken");
    if (n->kind != YAML_SCALAR)
        return true;
    if (memchr(n->text, '\0', n->len))
        return refuse(l, ERR_BAD_REQUEST, "must not hold a NUL byte");
    if (strstr(n->text, "${"))
        return needs_code(l, "${...} is not taken");
    return !strstr(n->text, "{credential") || needs_code(l, "{credential ...} is not taken");
}

static bool all_quiet(const struct look *l, struct yaml_node *n)
{
    n = yaml_real(n);
    if (!text_quiet(l, n))
        return false;
    for (struct yaml_node *k = n->first; k; k = k->next)
        if (!all_quiet(l, k))
            return false;
    return true;
}

/* ---- values ---- */

static bool plain(const struct look *l, struct yaml_node *n, bool dash)
{
    n = yaml_real(n);
    if (n->kind != YAML_SCALAR)
        return needs_code(l, "a nested value stands where none is known");
    if (!dash && n->text[0] == '-' && n->type == YAML_TEXT)
        return refuse(l, ERR_BAD_REQUEST,
                      "must not begin with '-': borg would take it for an option");
    return true;
}

static bool plain_or_list(const struct look *l, struct yaml_node *n, bool dash)
{
    n = yaml_real(n);
    if (n->kind != YAML_LIST)
        return plain(l, n, dash);
    for (struct yaml_node *k = n->first; k; k = k->next)
        if (!plain(l, k, dash))
            return false;
    return true;
}

bool config_location_ok(const char *s)
{
    const char *scheme = strstr(s, "://");
    const char *host = scheme ? scheme + 3 : s;
    size_t n = strcspn(host, "/");
    if (*s == '-' || *host == '-')
        return false;
    for (size_t i = 0; i < n; i++)
        if (host[i] == '@' && host[i + 1] == '-')
            return false;
    return true;
}

static bool location(const struct look *l, struct yaml_node *n)
{
    n = yaml_real(n);
    if (n->kind != YAML_SCALAR)
        return needs_code(l, "a nested value stands where none is known");
    if (!config_location_ok(n->text))
        return refuse(l, ERR_BAD_REQUEST,
                      "must be a path or an address whose host and user do not begin with '-'");
    return strncmp(n->text, "rclone:", 7) != 0 ||
           needs_code(l, "rclone's addresses can name programs");
}

/* A map whose members are all named in the key's row. */
static bool members(struct look *l, const struct config_key *key, struct yaml_node *n)
{
    bool ok = true;
    for (struct yaml_node *k = n->first; ok && k && k->next; k = k->next->next) {
        const struct yaml_node *name = yaml_real(k);
        l->member = name->kind == YAML_SCALAR ? name->text : "?";
        if (!config_member(key, l->member))
            ok = needs_code(l, "not known as data");
        else if (key->value == CONFIG_REPOSITORIES && strcmp(l->member, "path") == 0)
            ok = location(l, k->next);
        else
            ok = plain_or_list(l, k->next, false);
    }
    l->member = NULL;
    return ok;
}

static bool element(struct look *l, const struct config_key *key, struct yaml_node *n)
{
    n = yaml_real(n);
    if (n->kind == YAML_MAP)
        return members(l, key, n);
    return key->value == CONFIG_REPOSITORIES ? location(l, n) : plain(l, n, false);
}

static bool elements(struct look *l, const struct config_key *key, struct yaml_node *n)
{
    n = yaml_real(n);
    if (n->kind != YAML_LIST)
        return element(l, key, n);
    for (struct yaml_node *k = n->first; k; k = k->next)
        if (!element(l, key, k))
            return false;
    return true;
}

/* ---- options ---- */

static bool option(struct look *l, struct yaml_node *value)
{
    const struct config_key *key = config_key(l->key);
    if (!all_quiet(l, value))
        return false;
    if (!key)
        return needs_code(l, "not known as data");
    switch (key->value) {
    case CONFIG_CODE:
        return needs_code(l, key->why);
    case CONFIG_PLAIN:
        return plain_or_list(l, value, false);
    case CONFIG_PATTERNS:
        return plain_or_list(l, value, true);
    case CONFIG_REPOSITORIES:
    case CONFIG_CHECKS:
    case CONFIG_MEMBERS:
        return elements(l, key, value);
    }
    return false;
}

static bool options(struct look *l, struct yaml_node *map, bool sections);

static bool pair(struct look *l, struct yaml_node *name, struct yaml_node *value, bool sections)
{
    name = yaml_real(name);
    value = yaml_real(value);
    if (name->kind != YAML_SCALAR)
        return err_set(l->e, ERR_BAD_REQUEST, "a key of the configuration is no text (line %u)",
                       name->line);
    l->key = name->text;
    l->member = NULL;
    if (!text_quiet(l, name))
        return false;
    if (!sections || !config_section(l->key))
        return option(l, value);
    if (!text_quiet(l, value))
        return false;
    if (value->kind == YAML_MAP)
        return options(l, value, false);
    return value->tag || (value->kind == YAML_SCALAR && value->type == YAML_NULL) ||
           refuse(l, ERR_BAD_REQUEST, "must be a section with options");
}

static bool options(struct look *l, struct yaml_node *map, bool sections)
{
    for (struct yaml_node *k = map->first; k && k->next; k = k->next->next)
        if (!pair(l, k, k->next, sections))
            return false;
    return true;
}

bool config_text_ok(const char *text, size_t n, struct err *e)
{
    static const char *const odd[] = {"\xC2\x85", "\xE2\x80\xA8", "\xE2\x80\xA9", "\xEF\xBB\xBF"};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        if (memmem(text, n, odd[i], strlen(odd[i])))
            return err_set(e, ERR_BAD_REQUEST,
                           "must not hold a byte order mark or U+0085, U+2028, U+2029 unescaped");
    return true;
}

bool config_policy(struct yaml_node *root, bool code, struct err *e)
{
    struct look l = {.code = code, .key = "", .e = e};
    root = yaml_real(root);
    if (!root || root->kind != YAML_MAP || !root->first)
        return err_set(e, ERR_BAD_REQUEST, "a configuration is a map of options, and not empty");
    return text_quiet(&l, root) && options(&l, root, true);
}
