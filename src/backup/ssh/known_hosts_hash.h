/* known_hosts_hash: HMAC-SHA1, by which ssh hides the names in known_hosts ("|1|salt|hash"). It is
 * there to read files that ssh wrote, for nothing else. Pure. */
#ifndef BACKUP_SSH_KNOWN_HOSTS_HASH_H
#define BACKUP_SSH_KNOWN_HOSTS_HASH_H

#include <stddef.h>

enum { HOST_HASH_BYTES = 20, HOST_HASH_KEY_MAX = 64, HOST_HASH_TEXT_MAX = 512 };

/* `key` of at most HOST_HASH_KEY_MAX bytes, `text` of at most HOST_HASH_TEXT_MAX. */
void host_hash(const unsigned char *key, size_t key_len, const char *text, size_t n,
               unsigned char out[HOST_HASH_BYTES]);

#endif
