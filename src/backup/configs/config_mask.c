#include "backup/configs/config_mask.h"

#include "backup/configs/config_keys.h"
#include "backup/configs/config_mask_internal.h"
#include "base/mem.h"
#include "jobs/redact.h"
#include "limits.h"

#include <string.h>

enum { TAIL_MIN = 12 }; /* arguments of a command that are as short may be ordinary words */

/* ---- one scalar ---- */

static void show(struct config_mask *m, struct yaml_node *n, const char *text, size_t len)
{
    struct config_shown *s = yaml_doc_alloc(m->yaml, sizeof *s + len + 1);
    if (!s) {
        m->failed = true;
        return;
    }
    memcpy(s->text, text, len);
    s->len = len;
    n->user = s;
}

static void keep(struct config_mask *m, struct secret *s)
{
    for (size_t i = 0; s && i < m->secret_count; i++)
        if (secret_equal(m->secrets[i], s)) {
            secret_free(s);
            return;
        }
    if (s && m->secret_count < LIMIT_YAML_MASKS && redact_add(m->redact, s, false)) {
        m->secrets[m->secret_count++] = s;
        return;
    }
    secret_free(s);
    m->full = true;
}

void config_mask_learn(struct config_mask *m, const struct secret *s)
{
    keep(m, secret_dup(s));
}

static void learn(struct config_mask *m, const char *bytes, size_t n)
{
    if (n >= SECRET_MIN && n <= LIMIT_SECRET)
        keep(m, secret_new(bytes, n));
}

static bool is_blank(const struct yaml_node *n)
{
    return n->type == YAML_NULL || n->len == 0;
}

/* `sure`: it is a secret; else it may be an ordinary word, which is not to be masked everywhere. */
static void hide(struct config_mask *m, struct yaml_node *n, bool sure)
{
    if (is_blank(n) || n->user)
        return;
    show(m, n, "***", 3);
    if (sure || config_looks_secret(n->text, n->len) || strstr(n->text, "://"))
        learn(m, n->text, n->len);
}

/* The program's name is of use; an assignment or an address in its place may be a secret. */
static void hide_arguments(struct config_mask *m, struct yaml_node *n)
{
    size_t word =
        strspn(n->text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./+-");
    bool whole = word == n->len;
    if (is_blank(n) || n->user)
        return;
    if (whole && !config_looks_secret(n->text, n->len))
        return;
    if (word == 0 || n->text[word] != ' ' || config_looks_secret(n->text, word)) {
        hide(m, n, true);
        return;
    }
    struct buf b;
    buf_init(&b, LIMIT_YAML);
    (void)buf_append(&b, n->text, word);
    (void)buf_puts(&b, " ***");
    show(m, n, buf_str(&b), b.n);
    if (n->len - word > TAIL_MIN)
        learn(m, n->text + word + 1, n->len - word - 1);
    buf_done(&b);
}

/* "ssh://user:password@host" → "ssh://user:***@host" */
static void hide_passwords(struct config_mask *m, struct yaml_node *n)
{
    struct buf b;
    buf_init(&b, 2 * LIMIT_YAML);
    if (is_blank(n) || n->user)
        return;
    if (config_hide_passwords(n->text, n->len, &b, learn, m))
        show(m, n, buf_str(&b), b.n);
    buf_wipe(&b);
}

/* ---- the walk ---- */

static void mark(struct config_mask *m, struct yaml_node *n, enum config_show how);

static void mark_scalar(struct config_mask *m, struct yaml_node *n, enum config_show how)
{
    if (n->tag && strcmp(n->tag, "!include") == 0)
        return; /* the name of a file */
    if (how == CONFIG_SHOW_NOTHING) {
        if (n->type != YAML_TEXT && n->type != YAML_NULL && !m->bare)
            m->bare = n;
        hide(m, n, true);
    } else if (how == CONFIG_SHOW_COMMAND) {
        hide_arguments(m, n);
    } else if (how == CONFIG_SHOW_NAMES) {
        if (n->type != YAML_BOOL)
            hide(m, n, false);
    } else {
        hide_passwords(m, n);
    }
}

static bool is_command(const char *name)
{
    size_t n = strlen(name);
    return strcmp(name, "run") == 0 || (n > 8 && strcmp(name + n - 8, "_command") == 0);
}

/* How a member of a map is shown, from its name and what the map is. */
static enum config_show member_show(const char *name, enum config_show how)
{
    if (how == CONFIG_SHOW_NOTHING || config_secret_name(name, strlen(name)))
        return CONFIG_SHOW_NOTHING;
    if (how == CONFIG_SHOW_NAMES && is_command(name))
        return CONFIG_SHOW_COMMAND;
    if (how == CONFIG_SHOW_NAMES && config_harmless_name(name))
        return CONFIG_SHOW;
    return how;
}

static void mark_map(struct config_mask *m, struct yaml_node *n, enum config_show how)
{
    for (struct yaml_node *k = n->first; k && k->next; k = k->next->next) {
        const struct yaml_node *name = yaml_real(k);
        mark(m, k->next, name->kind == YAML_SCALAR ? member_show(name->text, how) : how);
    }
}

static void mark(struct config_mask *m, struct yaml_node *n, enum config_show how)
{
    n = yaml_real(n);
    if (n->kind == YAML_SCALAR) {
        mark_scalar(m, n, how);
    } else if (n->kind == YAML_MAP) {
        /* What is shown plainly as a name is no promise for what a map holds. */
        mark_map(m, n, how == CONFIG_SHOW_COMMAND ? CONFIG_SHOW_NAMES : how);
    } else {
        for (struct yaml_node *k = n->first; k; k = k->next)
            mark(m, k, how);
    }
}

static enum config_show option_show(const char *name)
{
    const struct config_key *key = config_key(name);
    return key ? key->show : CONFIG_SHOW_NAMES;
}

static void mark_options(struct config_mask *m, struct yaml_node *map, bool sections)
{
    for (struct yaml_node *k = map->first; k && k->next; k = k->next->next) {
        const struct yaml_node *name = yaml_real(k);
        struct yaml_node *value = yaml_real(k->next);
        bool section = sections && name->kind == YAML_SCALAR &&
                       (config_section(name->text) || strcmp(name->text, "<<") == 0);
        if (section && value->kind == YAML_MAP)
            mark_options(m, value, strcmp(name->text, "<<") == 0);
        else if (section && value->kind == YAML_SCALAR)
            mark(m, value, value->tag ? CONFIG_SHOW : CONFIG_SHOW_NOTHING);
        else
            mark(m, value,
                 name->kind == YAML_SCALAR ? option_show(name->text) : CONFIG_SHOW_NOTHING);
    }
}

/* A secret that stands elsewhere as well, in part or through an alias. */
static void mark_repeated(struct config_mask *m, struct yaml_node *n)
{
    struct buf b;
    for (struct yaml_node *k = n->first; k; k = k->next)
        mark_repeated(m, k);
    if (n->kind != YAML_SCALAR || n->user || redact_empty(m->redact))
        return;
    buf_init(&b, 4 * LIMIT_YAML);
    if (redact_apply(m->redact, n->text, n->len, &b) > 0)
        show(m, n, buf_str(&b), b.n);
    buf_wipe(&b);
}

/* ---- life ---- */

static bool read_it(struct config_mask *m, const char *text, size_t n, struct err *e)
{
    if (!m->redact || !buf_append(&m->text, text, n))
        return err_set(e, ERR_NO_MEMORY, "no memory to read the configuration");
    m->yaml = yaml_doc_parse(text, n, e);
    if (!m->yaml)
        return false;
    struct yaml_node *root = yaml_real(yaml_doc_root(m->yaml));
    if (!root)
        return true;
    if (root->kind == YAML_MAP)
        mark_options(m, root, true);
    else
        mark(m, root, CONFIG_SHOW_NOTHING);
    mark_repeated(m, root);
    return !m->failed || err_set(e, ERR_NO_MEMORY, "no memory to mask the configuration");
}

struct config_mask *config_mask_new(const char *text, size_t n, struct err *e)
{
    struct config_mask *m = mem_zalloc(sizeof *m);
    if (!m) {
        (void)err_set(e, ERR_NO_MEMORY, "no memory to read the configuration");
        return NULL;
    }
    buf_init(&m->text, LIMIT_YAML);
    m->redact = redact_new();
    if (n > LIMIT_YAML)
        (void)err_set(e, ERR_INVALID_CONFIG, "longer than %d bytes", LIMIT_YAML);
    else if (read_it(m, text, n, e))
        return m;
    config_mask_free(m);
    return NULL;
}

void config_mask_free(struct config_mask *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->secret_count; i++)
        secret_free(m->secrets[i]);
    redact_free(m->redact);
    yaml_doc_free(m->yaml);
    buf_wipe(&m->text);
    mem_free(m);
}

struct yaml_node *config_mask_root(const struct config_mask *m)
{
    return yaml_doc_root(m->yaml);
}

const char *config_mask_shown(const struct yaml_node *n, size_t *len)
{
    const struct config_shown *s = n->user;
    if (!s)
        return NULL;
    *len = s->len;
    return s->text;
}

json_t *config_mask_json(const struct config_mask *m)
{
    return yaml_to_json(yaml_doc_root(m->yaml), config_mask_shown);
}

const struct secret *const *config_mask_secrets(const struct config_mask *m)
{
    return (const struct secret *const *)m->secrets;
}

bool config_mask_sound(const struct config_mask *m, struct err *e)
{
    if (m->full)
        return err_set(e, ERR_BAD_REQUEST, "more than %d secrets", LIMIT_YAML_MASKS);
    return !m->bare ||
           err_set(e, ERR_BAD_REQUEST, "a secret must be text: put the value on line %u in quotes",
                   m->bare->line);
}
