/* config_table: the settings as a table, each row with all that parsing, --help and the settings
 * page say about it. For config.c and its tests. Constant data; any thread. */
#ifndef CONFIG_TABLE_H
#define CONFIG_TABLE_H

#include <stdbool.h>
#include <stddef.h>

enum setting_type {
    SETTING_STRING,
    SETTING_PATH,    /* absolute */
    SETTING_ADDRESS, /* numeric IPv4 or IPv6 */
    SETTING_URL,     /* http:// or https:// */
    SETTING_NAMES,   /* names of environment variables, separated by commas */
    SETTING_LEVEL,
    SETTING_INT,
    SETTING_FACTOR, /* a number ≥ min */
    SETTING_BOOL,
    SETTING_FLAG, /* a bool whose default is: on in ordinary mode, off in secure mode */
    SETTING_TOKEN /* a secret; NAME_FILE may name a file with it instead */
};

struct setting {
    const char *name;
    enum setting_type type;
    size_t offset;        /* of the member in struct config */
    const char *fallback; /* the default as text, "" for none */
    int min, max;         /* of numbers */
    const char *group;    /* the heading it stands under; NULL: as the row before */
    const char *help;
};

extern const struct setting config_table[];
extern const size_t config_table_rows;

/* Names of the reference deployment's example files that mean one of ours. */
struct setting_alias {
    const char *name, *means;
};
extern const struct setting_alias config_aliases[];
extern const size_t config_alias_count;

/* Names that are accepted and change nothing here, NULL-terminated. */
extern const char *const config_without_effect[];

const struct setting *config_setting(const char *name); /* NULL: no such setting */
const char *config_type_words(enum setting_type t);     /* for the documentation */

#endif
