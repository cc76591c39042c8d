/* config_files: the folder of configurations: what is in it, one file, what a state of it is
 * called.
 *
 * The calls block (files): worker threads only. Links are followed for reading, as borgmatic does;
 * what is no regular file, or longer than LIMIT_YAML, is a problem with a name, never a failure of
 * the others. */
#ifndef BACKUP_CONFIGS_CONFIG_FILES_H
#define BACKUP_CONFIGS_CONFIG_FILES_H

#include "base/buf.h"
#include "base/err.h"
#include "limits.h"

#include <linux/limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

enum { CONFIG_ETAG = 64 };

struct config_file {
    char path[PATH_MAX];    /* whole */
    char etag[CONFIG_ETAG]; /* with its quotes; changes with every replacement of the file */
    struct stat st;
    bool link; /* the name is a symbolic link */
};

struct config_entry {
    char name[256];              /* of the file */
    char label[LIMIT_LABEL + 1]; /* "" when no label stands for it */
    bool regular;
    int64_t size, mtime;
    char etag[CONFIG_ETAG];
    char problem[200]; /* or "" */
};

struct config_list {
    size_t count, left_out;
    struct config_entry entries[LIMIT_CONFIGS];
};

/* Sorted by name: every *.yaml and *.yml, also those that borgmatic would load and no label names.
 * False and ERR_UNAVAILABLE when the folder cannot be read. mem_free the list. */
struct config_list *config_files_list(const char *dir, struct err *e);
/* The file of a label with its text (appended, at most LIMIT_YAML). ERR_NOT_FOUND "Config <label>
 * not found", ERR_INVALID_CONFIG when it is too long, ERR_UNAVAILABLE. */
bool config_files_read(const char *dir, const char *label, struct config_file *f, struct buf *text,
                       struct err *e);
/* The text of a file by its path; `f` without path. Same errors. */
bool config_files_read_path(const char *path, struct config_file *f, struct buf *text,
                            struct err *e);
void config_files_etag(const struct stat *st, char out[CONFIG_ETAG]);
bool config_label_ok(const char *s); /* [A-Za-z0-9][A-Za-z0-9._-]{0,63} */

#endif
