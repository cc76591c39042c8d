/* sshkey_text: what the files of an ssh key say.
 *
 * Reads public key lines ("ssh-ed25519 AAAA… comment") and the outside of private keys: whether a
 * passphrase protects them and, in OpenSSH's own format, which public key they belong to. The bytes
 * are outside ones: whatever is not exactly a key is refused. Pure; any thread. */
#ifndef BACKUP_SSH_SSHKEY_TEXT_H
#define BACKUP_SSH_SSHKEY_TEXT_H

#include "limits.h"

#include <stdbool.h>
#include <stddef.h>

struct sshkey_public {
    unsigned char blob[SSHKEY_BLOB];      /* the key as ssh sends it */
    size_t blob_len;                      /* 0: not known */
    char type[SSHKEY_TYPE];               /* "ssh-ed25519" */
    unsigned bits;                        /* 0: not known */
    char fingerprint[SSHKEY_FINGERPRINT]; /* "SHA256:…", as ssh-keygen -l shows it */
    char comment[SSHKEY_COMMENT];         /* cut to size; "" when there is none */
};

/* One line, without its end: "TYPE BASE64[ COMMENT]". Options before the type are not taken. */
bool sshkey_public_parse(const char *line, size_t n, struct sshkey_public *out);

/* "TYPE BASE64", without the comment; false when it does not fit. */
bool sshkey_public_write(const struct sshkey_public *key, char *out, size_t size);

bool sshkey_same(const struct sshkey_public *a, const struct sshkey_public *b);

struct sshkey_private {
    bool encrypted;
    struct sshkey_public pub; /* blob_len 0 where the format keeps it to itself (PEM) */
};

/* The text of a private key file. False when it is none. The caller wipes its text. */
bool sshkey_private_parse(const char *text, size_t n, struct sshkey_private *out);

#endif
