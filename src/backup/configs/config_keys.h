/* config_keys: what each of borgmatic's options is to us: data, or a way to run something; and how
 * much of its value may be shown. All versions' options in one table, each with its reason; what is
 * not in it is treated as code and not shown. Pure. */
#ifndef BACKUP_CONFIGS_CONFIG_KEYS_H
#define BACKUP_CONFIGS_CONFIG_KEYS_H

#include <stdbool.h>
#include <stddef.h>

enum config_value {
    CONFIG_CODE,     /* runs programs, reaches command lines or other files, or is not known */
    CONFIG_PLAIN,    /* a scalar, or a list of scalars; none begins with '-' */
    CONFIG_PATTERNS, /* the same, but lines of a pattern file: '-' excludes there */
    CONFIG_REPOSITORIES,
    CONFIG_CHECKS,
    CONFIG_MEMBERS, /* a map or a list of maps of the plain values named in `members` */
};

enum config_show {
    CONFIG_SHOW,         /* all but passwords in URLs */
    CONFIG_SHOW_NOTHING, /* passphrases and the like */
    CONFIG_SHOW_COMMAND, /* the program, not its arguments */
    CONFIG_SHOW_NAMES,   /* below it, only what is named harmlessly (hostname, port, states, …) */
};

struct config_key {
    const char *name;
    enum config_value value;
    enum config_show show;
    const char *why;     /* why it is code; for data what it does */
    const char *members; /* " name name " of CONFIG_REPOSITORIES, _CHECKS, _MEMBERS */
};

/* NULL when the option is not known. */
const struct config_key *config_key(const char *name);
extern const struct config_key config_keys[]; /* ended by a NULL name */
/* The sections of borgmatic before 1.8 ("location", …). */
bool config_section(const char *name);
bool config_member(const struct config_key *key, const char *name);
/* A name that, wherever it stands, says that its value is secret ("password", "api_key", …). */
bool config_secret_name(const char *name, size_t n);
/* A name below CONFIG_SHOW_NAMES whose value may be shown. */
bool config_harmless_name(const char *name);

#endif
