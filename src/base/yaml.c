#include "base/yaml.h"

#include "base/arena.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "limits.h"

#include <string.h>
#include <yaml.h>

struct anchor {
    struct anchor *next;
    const char *name;
    struct yaml_node *node;
};

struct yaml {
    struct arena arena;
    struct yaml_node *root;
    struct anchor *anchors; /* latest first: a name may be given again */
    size_t nodes;
};

/* The course of one parse. */
struct reading {
    struct yaml *y;
    yaml_parser_t parser;
    const char *text;
    size_t n;
    size_t at_char, at_byte; /* libyaml counts characters, we bytes */
    struct {
        struct yaml_node *node, *last;
    } open[LIMIT_YAML_DEPTH];
    size_t depth;
    size_t documents;
    struct err *e;
};

/* ---- places in the text ---- */

static size_t byte_of(struct reading *r, size_t index)
{
    if (index < r->at_char)
        r->at_char = r->at_byte = 0;
    while (r->at_char < index && r->at_byte < r->n) {
        size_t k = utf8_char((const unsigned char *)r->text + r->at_byte, r->n - r->at_byte);
        r->at_byte += k ? k : 1;
        r->at_char++;
    }
    return r->at_byte;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Past a tag and an anchor, and the space and comments after each. */
static size_t past_properties(const struct reading *r, size_t at, size_t end)
{
    while (at < end && (r->text[at] == '&' || r->text[at] == '!')) {
        while (at < end && !is_space(r->text[at]))
            at++;
        while (at < end && (is_space(r->text[at]) || r->text[at] == '#')) {
            bool comment = r->text[at] == '#';
            while (comment && at < end && r->text[at] != '\n')
                at++;
            at += at < end;
        }
    }
    return at;
}

/* ---- faults ---- */

static bool at_line(struct reading *r, const yaml_mark_t *m, const char *what)
{
    return err_set(r->e, ERR_INVALID_CONFIG, "not valid yaml at line %zu, column %zu: %s",
                   m->line + 1, m->column + 1, what);
}

/* libyaml's own words quote nothing of the text. */
static bool parser_fault(struct reading *r)
{
    const yaml_parser_t *p = &r->parser;
    if (p->error == YAML_MEMORY_ERROR)
        return err_set(r->e, ERR_NO_MEMORY, "no memory to read the yaml");
    return at_line(r, &p->problem_mark, p->problem ? p->problem : "unreadable");
}

static bool no_memory(struct reading *r)
{
    return err_set(r->e, ERR_NO_MEMORY, "no memory to read the yaml");
}

/* ---- the tree ---- */

static struct yaml_node *new_node(struct reading *r, enum yaml_kind kind, const yaml_event_t *ev)
{
    struct yaml_node *n = r->y->nodes < LIMIT_YAML_NODES ? yaml_doc_alloc(r->y, sizeof *n) : NULL;
    if (!n) {
        (void)at_line(r, &ev->start_mark, "too many values");
        return NULL;
    }
    r->y->nodes++;
    n->kind = kind;
    n->seen = 1;
    n->start = byte_of(r, ev->start_mark.index);
    n->end = byte_of(r, ev->end_mark.index);
    n->line = (unsigned)ev->start_mark.line + 1;
    return n;
}

static bool name_it(struct reading *r, struct yaml_node *n, const yaml_char_t *anchor)
{
    if (!anchor)
        return true;
    const char *name = (const char *)anchor;
    struct anchor *a = yaml_doc_alloc(r->y, sizeof *a);
    if (!a || !(a->name = arena_strndup(&r->y->arena, name, strlen(name))))
        return no_memory(r);
    a->node = n;
    a->next = r->y->anchors;
    r->y->anchors = a;
    return true;
}

static bool tag_it(struct reading *r, struct yaml_node *n, const yaml_char_t *tag)
{
    const char *t = (const char *)tag;
    if (t && !(n->tag = arena_strndup(&r->y->arena, t, strlen(t))))
        return no_memory(r);
    return true;
}

/* Adds the values below an ended or single node to those of the one it stands in. */
static bool count(struct reading *r, const struct yaml_node *n, const yaml_event_t *ev)
{
    if (n->seen > LIMIT_YAML_SEEN)
        return at_line(r, &ev->start_mark, "too many values once its aliases are written out");
    if (r->depth)
        r->open[r->depth - 1].node->seen += n->seen;
    return true;
}

static void attach(struct reading *r, struct yaml_node *n)
{
    if (!r->depth) {
        r->y->root = n;
        return;
    }
    struct yaml_node *in = r->open[r->depth - 1].node;
    if (in->first)
        r->open[r->depth - 1].last->next = n;
    else
        in->first = n;
    r->open[r->depth - 1].last = n;
}

static bool take_scalar(struct reading *r, const yaml_event_t *ev)
{
    struct yaml_node *n = new_node(r, YAML_SCALAR, ev);
    if (!n)
        return false;
    const yaml_scalar_style_t style = ev->data.scalar.style;
    n->plain = style == YAML_PLAIN_SCALAR_STYLE;
    n->block = style == YAML_LITERAL_SCALAR_STYLE || style == YAML_FOLDED_SCALAR_STYLE;
    n->len = ev->data.scalar.length;
    char *text = yaml_doc_alloc(r->y, n->len + 1);
    if (!text)
        return no_memory(r);
    memcpy(text, ev->data.scalar.value, n->len);
    n->text = text;
    n->start = past_properties(r, n->start, n->end);
    n->type =
        n->plain && !ev->data.scalar.tag ? yaml_resolve(n->text, n->len, &n->i, &n->d) : YAML_TEXT;
    attach(r, n);
    return name_it(r, n, ev->data.scalar.anchor) && tag_it(r, n, ev->data.scalar.tag) &&
           count(r, n, ev);
}

static bool take_alias(struct reading *r, const yaml_event_t *ev)
{
    struct yaml_node *n = new_node(r, YAML_ALIAS, ev);
    const struct anchor *a = r->y->anchors;
    if (!n)
        return false;
    while (a && strcmp(a->name, (const char *)ev->data.alias.anchor) != 0)
        a = a->next;
    if (!a)
        return at_line(r, &ev->start_mark, "an alias of nothing");
    for (size_t i = 0; i < r->depth; i++)
        if (r->open[i].node == a->node)
            return at_line(r, &ev->start_mark, "a value that holds itself");
    n->target = a->node;
    n->seen = a->node->seen;
    attach(r, n);
    return count(r, n, ev);
}

static bool open_node(struct reading *r, enum yaml_kind kind, const yaml_event_t *ev,
                      const yaml_char_t *anchor, const yaml_char_t *tag)
{
    if (r->depth == LIMIT_YAML_DEPTH)
        return at_line(r, &ev->start_mark, "nested too deeply");
    struct yaml_node *n = new_node(r, kind, ev);
    if (!n || !name_it(r, n, anchor) || !tag_it(r, n, tag))
        return false;
    attach(r, n);
    r->open[r->depth].node = n;
    r->open[r->depth++].last = NULL;
    return true;
}

static bool close_node(struct reading *r, const yaml_event_t *ev)
{
    struct yaml_node *n = r->open[--r->depth].node;
    n->end = byte_of(r, ev->end_mark.index);
    return count(r, n, ev);
}

static bool take(struct reading *r, const yaml_event_t *ev)
{
    switch (ev->type) {
    case YAML_SCALAR_EVENT:
        return take_scalar(r, ev);
    case YAML_ALIAS_EVENT:
        return take_alias(r, ev);
    case YAML_SEQUENCE_START_EVENT:
        return open_node(r, YAML_LIST, ev, ev->data.sequence_start.anchor,
                         ev->data.sequence_start.tag);
    case YAML_MAPPING_START_EVENT:
        return open_node(r, YAML_MAP, ev, ev->data.mapping_start.anchor,
                         ev->data.mapping_start.tag);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return close_node(r, ev);
    case YAML_DOCUMENT_START_EVENT:
        return r->documents++ == 0 || at_line(r, &ev->start_mark, "a second document");
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        break;
    }
    return true;
}

static bool read_all(struct reading *r)
{
    for (;;) {
        yaml_event_t ev;
        if (!yaml_parser_parse(&r->parser, &ev))
            return parser_fault(r);
        bool over = ev.type == YAML_STREAM_END_EVENT;
        bool ok = take(r, &ev);
        yaml_event_delete(&ev);
        if (!ok || over)
            return ok;
    }
}

struct yaml *yaml_doc_parse(const char *text, size_t n, struct err *e)
{
    struct reading r = {.text = text, .n = n, .e = e};
    if (n > LIMIT_YAML || !utf8_valid(text, n)) {
        (void)err_set(e, ERR_INVALID_CONFIG, n > LIMIT_YAML ? "longer than %d bytes" : "not utf-8",
                      LIMIT_YAML);
        return NULL;
    }
    r.y = mem_zalloc(sizeof *r.y);
    if (!r.y || !yaml_parser_initialize(&r.parser)) {
        mem_free(r.y);
        (void)no_memory(&r);
        return NULL;
    }
    arena_init(&r.y->arena, LIMIT_YAML_ARENA);
    /* Never guessed: a text that is UTF-16 for one reader is another text for the next. */
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, n);
    bool ok = read_all(&r);
    yaml_parser_delete(&r.parser);
    if (ok)
        return r.y;
    yaml_doc_free(r.y);
    return NULL;
}

void yaml_doc_free(struct yaml *y)
{
    if (!y)
        return;
    arena_done(&y->arena);
    mem_free(y);
}

struct yaml_node *yaml_doc_root(const struct yaml *y)
{
    return y->root;
}

void *yaml_doc_alloc(struct yaml *y, size_t n)
{
    return arena_alloc(&y->arena, n);
}

struct yaml_node *yaml_real(struct yaml_node *n)
{
    return n && n->kind == YAML_ALIAS ? n->target : n;
}

struct yaml_node *yaml_get(struct yaml_node *map, const char *key)
{
    struct yaml_node *found = NULL;
    map = yaml_real(map);
    if (!map || map->kind != YAML_MAP)
        return NULL;
    for (struct yaml_node *k = map->first; k && k->next; k = k->next->next) {
        const struct yaml_node *name = yaml_real(k);
        if (name->kind == YAML_SCALAR && strcmp(name->text, key) == 0)
            found = yaml_real(k->next);
    }
    return found;
}
