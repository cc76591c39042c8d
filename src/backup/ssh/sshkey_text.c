#include "backup/ssh/sshkey_text.h"

#include "base/mem.h"

#include <sodium.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static const char magic[] = "openssh-key-v1"; /* its NUL belongs to it */
static const char openssh_head[] = "-----BEGIN OPENSSH PRIVATE KEY-----";
static const char pem_head[] = "-----BEGIN ";

/* ---- the wire format: strings with a length of four bytes before them ---- */

struct wire {
    const unsigned char *p;
    size_t n;
};

static bool take_u32(struct wire *w, uint32_t *v)
{
    if (w->n < 4)
        return false;
    *v = (uint32_t)w->p[0] << 24 | (uint32_t)w->p[1] << 16 | (uint32_t)w->p[2] << 8 | w->p[3];
    w->p += 4;
    w->n -= 4;
    return true;
}

static bool take_string(struct wire *w, struct wire *s)
{
    uint32_t n;
    if (!take_u32(w, &n) || n > w->n)
        return false;
    *s = (struct wire){.p = w->p, .n = n};
    w->p += n;
    w->n -= n;
    return true;
}

static bool is(const struct wire *s, const char *word)
{
    return s->n == strlen(word) && memcmp(s->p, word, s->n) == 0;
}

static unsigned bits_of_number(struct wire s)
{
    while (s.n > 0 && s.p[0] == 0) {
        s.p++;
        s.n--;
    }
    unsigned bits = (unsigned)s.n * 8;
    for (unsigned char top = s.n ? s.p[0] : 0x80; !(top & 0x80); top = (unsigned char)(top << 1))
        bits--;
    return bits;
}

static unsigned bits_of(const char *type, struct wire rest)
{
    struct wire first, second;
    if (strcmp(type, "ssh-rsa") == 0) /* exponent, then the number that counts */
        return take_string(&rest, &first) && take_string(&rest, &second) ? bits_of_number(second)
                                                                         : 0;
    if (strcmp(type, "ssh-dss") == 0)
        return take_string(&rest, &first) ? bits_of_number(first) : 0;
    if (strstr(type, "ed25519") || strstr(type, "nistp256"))
        return 256;
    if (strstr(type, "nistp384"))
        return 384;
    return strstr(type, "nistp521") ? 521 : 0;
}

static void fingerprint(struct sshkey_public *k)
{
    unsigned char hash[crypto_hash_sha256_BYTES];
    char text[sodium_base64_ENCODED_LEN(sizeof hash, sodium_base64_VARIANT_ORIGINAL_NO_PADDING)];
    (void)crypto_hash_sha256(hash, k->blob, k->blob_len);
    (void)sodium_bin2base64(text, sizeof text, hash, sizeof hash,
                            sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
    (void)snprintf(k->fingerprint, sizeof k->fingerprint, "SHA256:%s", text);
}

/* From the blob: type, size, fingerprint. */
static bool look_into(struct sshkey_public *k)
{
    struct wire all = {.p = k->blob, .n = k->blob_len}, type;
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-@.";
    if (!take_string(&all, &type) || type.n == 0 || type.n >= sizeof k->type || all.n == 0)
        return false;
    memcpy(k->type, type.p, type.n);
    k->type[type.n] = '\0';
    if (strspn(k->type, allowed) != type.n)
        return false;
    k->bits = bits_of(k->type, all);
    fingerprint(k);
    return true;
}

/* ---- public lines ---- */

static size_t word(const char *p, size_t n)
{
    size_t k = 0;
    while (k < n && p[k] != ' ' && p[k] != '\t')
        k++;
    return k;
}

static size_t blanks(const char *p, size_t n)
{
    size_t k = 0;
    while (k < n && (p[k] == ' ' || p[k] == '\t'))
        k++;
    return k;
}

static bool take_comment(struct sshkey_public *k, const char *p, size_t n)
{
    while (n > 0 && strchr(" \t\r", p[n - 1]))
        n--;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)p[i] < 0x20 || p[i] == 0x7f)
            return false;
    if (n >= sizeof k->comment)
        n = sizeof k->comment - 1;
    if (n)
        memcpy(k->comment, p, n);
    k->comment[n] = '\0';
    return true;
}

bool sshkey_public_parse(const char *line, size_t n, struct sshkey_public *out)
{
    *out = (struct sshkey_public){0};
    size_t type = word(line, n);
    size_t at = type + blanks(line + type, n - type);
    size_t key = word(line + at, n - at);
    if (key > 0 && line[at + key - 1] == '\r')
        key--;
    if (type == 0 || key == 0 ||
        sodium_base642bin(out->blob, sizeof out->blob, line + at, key, NULL, &out->blob_len, NULL,
                          sodium_base64_VARIANT_ORIGINAL) != 0 ||
        !look_into(out) || strlen(out->type) != type || memcmp(out->type, line, type) != 0)
        return false;
    at += key;
    return take_comment(out, line + at + blanks(line + at, n - at),
                        n - at - blanks(line + at, n - at));
}

bool sshkey_public_write(const struct sshkey_public *key, char *out, size_t size)
{
    size_t need = sodium_base64_encoded_len(key->blob_len, sodium_base64_VARIANT_ORIGINAL);
    size_t type = strlen(key->type);
    if (type + 1 + need > size)
        return false;
    memcpy(out, key->type, type);
    out[type] = ' ';
    (void)sodium_bin2base64(out + type + 1, size - type - 1, key->blob, key->blob_len,
                            sodium_base64_VARIANT_ORIGINAL);
    return true;
}

bool sshkey_same(const struct sshkey_public *a, const struct sshkey_public *b)
{
    return a->blob_len > 0 && a->blob_len == b->blob_len &&
           memcmp(a->blob, b->blob, a->blob_len) == 0;
}

/* ---- private files ---- */

/* The inside of OpenSSH's format up to the public key, which stands before what is secret. */
static bool read_openssh(struct wire w, struct sshkey_private *out)
{
    struct wire cipher, kdf, options, pub;
    uint32_t keys;
    if (w.n < sizeof magic || memcmp(w.p, magic, sizeof magic) != 0)
        return false;
    w.p += sizeof magic;
    w.n -= sizeof magic;
    if (!take_string(&w, &cipher) || !take_string(&w, &kdf) || !take_string(&w, &options) ||
        !take_u32(&w, &keys) || keys != 1 || !take_string(&w, &pub) || pub.n > sizeof out->pub.blob)
        return false;
    out->encrypted = !is(&cipher, "none");
    memcpy(out->pub.blob, pub.p, pub.n);
    out->pub.blob_len = pub.n;
    return look_into(&out->pub);
}

static bool parse_openssh(const char *text, size_t n, struct sshkey_private *out)
{
    size_t len = 0;
    const char *end = memchr(text, '-', n);
    if (!end)
        return false;
    unsigned char *bin = mem_alloc(n);
    if (!bin)
        return false;
    bool ok = sodium_base642bin(bin, n, text, (size_t)(end - text), "\r\n \t", &len, NULL,
                                sodium_base64_VARIANT_ORIGINAL) == 0 &&
              read_openssh((struct wire){.p = bin, .n = len}, out);
    sodium_memzero(bin, n);
    mem_free(bin);
    return ok;
}

static bool has(const char *text, size_t n, const char *needle)
{
    return memmem(text, n, needle, strlen(needle)) != NULL;
}

bool sshkey_private_parse(const char *text, size_t n, struct sshkey_private *out)
{
    size_t head = sizeof openssh_head - 1;
    *out = (struct sshkey_private){0};
    if (n > SSHKEY_FILE)
        return false;
    if (n > head && memcmp(text, openssh_head, head) == 0)
        return parse_openssh(text + head, n - head, out);
    size_t first = 0;
    while (first < n && text[first] != '\n')
        first++;
    if (n < sizeof pem_head || memcmp(text, pem_head, sizeof pem_head - 1) != 0 ||
        !has(text, first, "PRIVATE KEY-----"))
        return false;
    out->encrypted = has(text, first, "ENCRYPTED") || has(text, n, "\nProc-Type: 4,ENCRYPTED");
    return true;
}
