/* Shared by config_mask.c (which values), config_mask_text.c (the text around them) and
 * config_merge.c (masks that are sent back). */
#ifndef BACKUP_CONFIGS_CONFIG_MASK_INTERNAL_H
#define BACKUP_CONFIGS_CONFIG_MASK_INTERNAL_H

#include "backup/configs/config_mask.h"
#include "limits.h"

struct redact;

struct config_shown {
    size_t len;
    char text[];
};

struct config_mask {
    struct buf text;
    struct yaml *yaml; /* a scalar's `user`: its config_shown */
    struct redact *redact;
    struct secret *secrets[LIMIT_YAML_MASKS + 1];
    size_t secret_count;
    const struct yaml_node *bare; /* the first secret that is no text */
    bool failed;                  /* memory */
    bool full;                    /* more secrets than are looked for elsewhere */
};

/* One more secret (copied) to be masked wherever it stands. */
void config_mask_learn(struct config_mask *m, const struct secret *s);
/* A word that is long, of letters and digits: an id or a token. */
bool config_looks_secret(const char *s, size_t n);
/* Appends the text with passwords in URLs masked; each is told. False when there is none. */
bool config_hide_passwords(const char *s, size_t n, struct buf *out,
                           void (*found)(struct config_mask *m, const char *bytes, size_t len),
                           struct config_mask *m);
/* Writes `text` with other words for some of its scalars: `instead` appends them and is true. */
bool config_rewrite(const struct buf *text, const struct yaml_node *root,
                    bool (*instead)(const struct yaml_node *n, struct buf *out, void *arg),
                    void (*between)(const char *s, size_t n, bool line_start, struct buf *out,
                                    void *arg),
                    void *arg, struct buf *out);

#endif
