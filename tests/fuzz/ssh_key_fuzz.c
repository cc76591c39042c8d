/* Any bytes as a key file: what is taken as a public key is the same when it is written and read
 * again, and has a type and a fingerprint. */
#include "backup/ssh/sshkey_text.h"

#include "fuzz.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static void must(bool ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct sshkey_public key, again;
    static struct sshkey_private private;
    static char line[SSHKEY_LINE];
    if (sshkey_public_parse((const char *)data, n, &key)) {
        must(key.blob_len > 0 && key.type[0] && strlen(key.fingerprint) == 50);
        must(strlen(key.comment) < sizeof key.comment);
        must(sshkey_public_write(&key, line, sizeof line));
        must(sshkey_public_parse(line, strlen(line), &again) && sshkey_same(&key, &again));
    }
    if (sshkey_private_parse((const char *)data, n, &private) && private.pub.blob_len)
        must(private.pub.type[0] && private.pub.fingerprint[0]);
    return 0;
}
