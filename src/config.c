#include "config.h"

#include "base/mem.h"
#include "base/nearest.h"
#include "config_table.h"
#include "config_value.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct loading {
    struct config *c;
    char **env;
    bool strict;
    struct buf *faults, *notices;
};

__attribute__((format(printf, 2, 3))) static void line(struct buf *b, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    (void)buf_printf(b, "%s\n", text);
}

/* The value of a variable, or NULL when it does not exist. */
static char *env_raw(char **env, const char *name)
{
    size_t n = strlen(name);
    for (; env && *env; env++)
        if (strncmp(*env, name, n) == 0 && (*env)[n] == '=')
            return *env + n + 1;
    return NULL;
}

/* The same, empty being unset. */
static char *env_get(char **env, const char *name)
{
    char *v = env_raw(env, name);
    return v && *v ? v : NULL;
}

static const char *alias_of(const char *name)
{
    for (size_t i = 0; i < config_alias_count; i++)
        if (strcmp(config_aliases[i].means, name) == 0)
            return config_aliases[i].name;
    return NULL;
}

/* The text given for a setting, by its own name or by an alias; NULL when unset. */
static const char *given(const struct loading *l, const char *name)
{
    const char *own = env_get(l->env, name);
    const char *alias = alias_of(name);
    const char *other = alias ? env_get(l->env, alias) : NULL;
    if (own && other && strcmp(own, other) != 0)
        line(l->notices, "%s is set as well as %s and differs; %s counts", alias, name, name);
    else if (!own && other)
        line(l->notices, "%s is read as %s, its name here", alias, name);
    return own ? own : other;
}

static void load_plain(struct loading *l, const struct setting *row)
{
    struct err e = {0};
    const char *text = given(l, row->name);
    if (text && !config_value_set(l->c, row, text, &e))
        line(l->faults, "%s: %s", row->name, e.msg);
    /* The default also stands in for a bad value, so that every member has one. */
    if ((!text || e.code != ERR_NONE) && !config_value_set(l->c, row, row->fallback, &e))
        line(l->faults, "%s: %s", row->name, e.msg);
}

static struct secret **token_at(struct config *c, const struct setting *row)
{
    return (struct secret **)(void *)((char *)c + row->offset);
}

static void file_name(const struct setting *row, char *out, size_t size)
{
    (void)snprintf(out, size, "%s_FILE", row->name);
}

/* The tokens of the other mode are left unread: an example file may still hold placeholders. */
static bool token_used(const struct config *c, const struct setting *row, bool *required)
{
    bool read = strcmp(row->name, "API_READ_TOKEN") == 0;
    bool ordinary = strcmp(row->name, "API_TOKEN") == 0;
    *required = read || ordinary != c->secure_mode;
    return *required;
}

static void load_token(struct loading *l, const struct setting *row)
{
    char name[64];
    file_name(row, name, sizeof name);
    const char *value = env_get(l->env, row->name), *file = env_get(l->env, name);
    bool required;
    if (!token_used(l->c, row, &required)) {
        if (value || file)
            line(l->notices, "%s has no effect while SECURE_MODE is %s", row->name,
                 l->c->secure_mode ? "on" : "off");
        return;
    }
    struct err e = {0};
    if (value && file)
        line(l->faults, "%s and %s are both set; keep one", row->name, name);
    else if (!value && !file)
        line(l->faults, "%s is missing; set it or %s, made with: openssl rand -hex 32", row->name,
             name);
    else if (!(*token_at(l->c, row) = config_token(value, file, &e)))
        line(l->faults, "%s %s", file ? name : row->name, e.msg);
}

static void check_equal_tokens(struct loading *l)
{
    for (size_t i = 0; i < config_table_rows; i++) {
        for (size_t k = i + 1; k < config_table_rows; k++) {
            const struct setting *a = &config_table[i], *b = &config_table[k];
            if (a->type != SETTING_TOKEN || b->type != SETTING_TOKEN || !*token_at(l->c, a))
                continue;
            if (secret_equal(*token_at(l->c, a), *token_at(l->c, b)))
                line(l->faults,
                     "%s and %s are equal, so that who may read may also write; give each its own, "
                     "made with: openssl rand -hex 32",
                     a->name, b->name);
        }
    }
}

/* ---- names nobody knows ---- */

static bool is_name(const char *entry, size_t n, const char *name)
{
    return strlen(name) == n && strncmp(entry, name, n) == 0;
}

static bool known_name(const char *entry, size_t n)
{
    char file[64];
    for (size_t i = 0; i < config_table_rows; i++) {
        if (is_name(entry, n, config_table[i].name))
            return true;
        file_name(&config_table[i], file, sizeof file);
        if (config_table[i].type == SETTING_TOKEN && is_name(entry, n, file))
            return true;
    }
    for (size_t i = 0; i < config_alias_count; i++)
        if (is_name(entry, n, config_aliases[i].name))
            return true;
    for (const char *const *p = config_without_effect; *p; p++)
        if (is_name(entry, n, *p))
            return true;
    return false;
}

static const char *nearest_setting(const char *name)
{
    const char *best = NULL;
    size_t least = 4; /* further away is another word */
    for (size_t i = 0; i < config_table_rows; i++) {
        size_t d = nearest_distance(name, config_table[i].name);
        if (d < least) {
            least = d;
            best = config_table[i].name;
        }
    }
    return best;
}

static void check_unknown(struct loading *l)
{
    static const char *const ours[] = {"API_", "AIO_", "APP_", "ENABLE_"};
    for (char **p = l->env; p && *p; p++) {
        size_t n = strcspn(*p, "=");
        bool prefixed = false;
        for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
            prefixed = prefixed || strncmp(*p, ours[i], strlen(ours[i])) == 0;
        if (!prefixed || known_name(*p, n))
            continue;
        char name[80];
        (void)snprintf(name, sizeof name, "%.*s", (int)(n < 79 ? n : 79), *p);
        const char *near = nearest_setting(name);
        line(l->strict ? l->faults : l->notices, "%s is no setting%s%s%s", name,
             near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
    }
}

static void check_without_effect(struct loading *l)
{
    char list[256] = "";
    size_t n = 0;
    for (const char *const *p = config_without_effect; *p; p++)
        if (env_get(l->env, *p) && n < sizeof list)
            n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", n ? ", " : "", *p);
    if (n)
        line(l->notices, "accepted and without effect here: %s", list);
}

/* ---- what is allowed and yet worth a word ---- */

static void check_notices(struct loading *l)
{
    const struct config *c = l->c;
    if (strncmp(c->api_bind, "127.", 4) != 0 && strcmp(c->api_bind, "::1") != 0)
        line(l->notices,
             "API_BIND=%s listens beyond this machine, and without TLS: keep it in a private "
             "network or behind a proxy",
             c->api_bind);
    if (!c->from_header_set && !c->secure_mode)
        line(l->notices, "APP_FROM_HEADER is unset: requests need the header X-From-NodeRed: %s",
             c->from_header);
    if (*c->tz && *c->tz != '/' && *c->tz != ':' && !strpbrk(c->tz, "0123456789,")) {
        char path[256];
        (void)snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", c->tz);
        if (access(path, R_OK) != 0)
            line(l->notices, "TZ=%s is no time zone known here: times will be UTC", c->tz);
    }
}

static void wipe_environment(char **env)
{
    for (size_t i = 0; i < config_table_rows; i++) {
        char *v = config_table[i].type == SETTING_TOKEN ? env_raw(env, config_table[i].name) : NULL;
        if (v)
            sodium_memzero(v, strlen(v));
    }
}

bool config_load(struct config *c, char **env, bool strict, struct buf *faults, struct buf *notices)
{
    *c = (struct config){0};
    struct loading l = {c, env, strict, faults, notices};
    size_t before = faults->n;
    for (size_t i = 0; i < config_table_rows; i++)
        if (config_table[i].type != SETTING_TOKEN)
            load_plain(&l, &config_table[i]);
    for (size_t i = 0; i < config_table_rows; i++) /* after SECURE_MODE is known */
        if (config_table[i].type == SETTING_TOKEN)
            load_token(&l, &config_table[i]);
    c->from_header_set = env_get(env, "APP_FROM_HEADER") != NULL;
    c->aio_master_set = env_raw(env, "AIO_MASTER") || env_raw(env, "AIO_MASTER_CONTAINER");
    check_equal_tokens(&l);
    check_unknown(&l);
    check_without_effect(&l);
    if (faults->n == before) /* each member has its value */
        check_notices(&l);
    wipe_environment(env);
    return faults->n == before && !faults->failed;
}

void config_done(struct config *c)
{
    for (size_t i = 0; i < config_table_rows; i++) {
        const struct setting *row = &config_table[i];
        switch (row->type) {
        case SETTING_STRING:
        case SETTING_PATH:
        case SETTING_ADDRESS:
        case SETTING_URL:
        case SETTING_NAMES:
            mem_freep((char *)c + row->offset);
            break;
        case SETTING_TOKEN:
            secret_freep(token_at(c, row));
            break;
        case SETTING_LEVEL:
        case SETTING_INT:
        case SETTING_FACTOR:
        case SETTING_BOOL:
        case SETTING_FLAG:
            break;
        }
    }
}
