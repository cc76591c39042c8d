/* config_mask: a configuration as it may be shown: no passphrase, no password, no token, no
 * argument of a command; "***" stands instead.
 *
 * As text, nothing else changes: comments, tags, order and spacing stay (a comment that looks like
 * a secret is masked too). As JSON, tagged values are {"!tag": value}. Which values are secret is
 * said by backup/configs/config_keys, by their names, and by the secrets themselves: one that also
 * stands elsewhere is masked there as well. Pure; any thread. */
#ifndef BACKUP_CONFIGS_CONFIG_MASK_H
#define BACKUP_CONFIGS_CONFIG_MASK_H

#include "base/buf.h"
#include "base/err.h"
#include "base/secret.h"
#include "base/yaml.h"

#include <jansson.h>
#include <stdbool.h>

struct config_mask;

/* Reads the text (copied). NULL and ERR_INVALID_CONFIG, ERR_NO_MEMORY. */
struct config_mask *config_mask_new(const char *text, size_t n, struct err *e);
void config_mask_free(struct config_mask *m); /* wipes; NULL is a no-op */
struct yaml_node *config_mask_root(const struct config_mask *m);
bool config_mask_text(const struct config_mask *m, struct buf *out);
json_t *config_mask_json(const struct config_mask *m); /* NULL: no memory */
/* What is shown of a scalar, as config_mask_json writes it; NULL: all of it. */
const char *config_mask_shown(const struct yaml_node *n, size_t *len);
/* Its secrets, for masking what programs say of it; NULL-terminated, borrowed. */
const struct secret *const *config_mask_secrets(const struct config_mask *m);
/* A secret that is no text (a passphrase 1234 without quotes) would be quoted by borgmatic when it
 * complains: ERR_BAD_REQUEST with its line. The same for more secrets than can be looked for. */
bool config_mask_sound(const struct config_mask *m, struct err *e);

/* Learns the secrets of the files that it includes (and those that they include) as well: borgmatic
 * may quote them too. `dir`: what relative names start from. Files that cannot be read have none.
 * Blocks: worker threads only. */
void config_mask_includes(struct config_mask *m, const char *dir);

/* `text` with each masked value that was sent back ("***") replaced by what `stored` (may be NULL)
 * has in its place: same path, in lists the same index or the element of the same name, label or
 * path, and only where exactly that mask had been shown. ERR_BAD_REQUEST when there is none. */
bool config_mask_merge(const char *text, size_t n, const struct config_mask *stored,
                       struct buf *out, struct err *e);

#endif
