/* yaml: reading YAML, bounded. A thin layer over libyaml that keeps what a configuration's readers
 * need: tags, aliases and where in the text each value stands.
 *
 * One document of at most LIMIT_YAML bytes of UTF-8, LIMIT_YAML_DEPTH deep, LIMIT_YAML_NODES values
 * (LIMIT_YAML_SEEN with its aliases written out, so that a few lines cannot stand for millions).
 * The names are yaml_doc_* because libyaml has a yaml_free of its own, which ours would replace.
 * Plain scalars mean what PyYAML's safe loader takes them for (YAML 1.1), but dates and "1:30.5"
 * stay text. Pure; any thread. */
#ifndef BASE_YAML_H
#define BASE_YAML_H

#include "base/buf.h"
#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct yaml;

enum yaml_kind { YAML_SCALAR, YAML_LIST, YAML_MAP, YAML_ALIAS };
enum yaml_type { YAML_NULL, YAML_BOOL, YAML_INT, YAML_FLOAT, YAML_TEXT };

struct yaml_node {
    enum yaml_kind kind;
    enum yaml_type type; /* of a scalar */
    bool plain;          /* a scalar without quotes */
    bool block;          /* a scalar written as | or > */
    const char *tag;     /* as written, or NULL: none. "!include" */
    const char *text;    /* of a scalar, NUL-terminated; may hold NUL bytes */
    size_t len;
    int64_t i;                      /* YAML_INT, YAML_BOOL */
    double d;                       /* YAML_FLOAT */
    size_t start, end;              /* bytes of the text it stands in, without tag and anchor */
    unsigned line;                  /* from 1 */
    size_t seen;                    /* values below it and itself, aliases written out */
    struct yaml_node *first, *next; /* children; of a map: key, value, key, value, … */
    struct yaml_node *target;       /* of an alias: never an alias itself */
    void *user;                     /* the reader's own; starts NULL */
};

/* NULL and ERR_INVALID_CONFIG with line and column (the text is never quoted), or ERR_NO_MEMORY.
 * The text is copied where needed. Wiped and freed by yaml_doc_free. */
struct yaml *yaml_doc_parse(const char *text, size_t n, struct err *e);
void yaml_doc_free(struct yaml *y); /* NULL is a no-op */
/* NULL when the document is empty. */
struct yaml_node *yaml_doc_root(const struct yaml *y);
/* The node itself, or what an alias stands for; NULL stays NULL. */
struct yaml_node *yaml_real(struct yaml_node *n);
/* Value of a key of a map (the last one, as PyYAML), not looked for behind "<<"; or NULL. Any `map`
 * may be given, also NULL. */
struct yaml_node *yaml_get(struct yaml_node *map, const char *key);
/* Memory that lives as long as the document, zeroed; NULL when there is none. */
void *yaml_doc_alloc(struct yaml *y, size_t n);

/* What a plain scalar means (yaml_scalar.c). */
enum yaml_type yaml_resolve(const char *s, size_t n, int64_t *i, double *d);

/* As JSON. `shown` says what stands for a scalar, or NULL: its own value; the node's `user` is free
 * for it. A tagged value becomes {"!tag": value}. Keys that are no text are written as text; "<<"
 * is kept as a key. NULL when memory is gone. */
json_t *yaml_to_json(struct yaml_node *n,
                     const char *(*shown)(const struct yaml_node *n, size_t *len));
/* JSON as YAML text, appended: block style, text always in double quotes, {"!tag": value} as the
 * tag. False when a tag's name is unsound or `out` is full. */
bool yaml_from_json(const json_t *v, struct buf *out);
/* Text as a double-quoted scalar that means the same in every place of every YAML text. */
void yaml_quote(const char *s, size_t n, struct buf *out);

#endif
