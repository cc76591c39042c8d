#include "backup/ssh/known_hosts_hash.h"

#include <stdint.h>
#include <string.h>

enum { BLOCK = 64, ROUNDS = 80, PADDED = BLOCK + HOST_HASH_TEXT_MAX + 2 * BLOCK };

static uint32_t rotate(uint32_t v, unsigned n)
{
    return v << n | v >> (32 - n);
}

static void take_block(uint32_t h[5], const unsigned char *p)
{
    uint32_t w[ROUNDS], s[5];
    for (size_t i = 0; i < 16; i++)
        w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 |
               (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
    for (size_t i = 16; i < ROUNDS; i++)
        w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    memcpy(s, h, sizeof s);
    for (size_t i = 0; i < ROUNDS; i++) {
        static const uint32_t k[] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
        uint32_t parity = s[1] ^ s[2] ^ s[3];
        uint32_t choice = (s[1] & s[2]) | (~s[1] & s[3]);
        uint32_t majority = (s[1] & s[2]) | (s[1] & s[3]) | (s[2] & s[3]);
        uint32_t f = i < 20 ? choice : i >= 40 && i < 60 ? majority : parity;
        uint32_t next = rotate(s[0], 5) + f + s[4] + k[i / 20] + w[i];
        s[4] = s[3];
        s[3] = s[2];
        s[2] = rotate(s[1], 30);
        s[1] = s[0];
        s[0] = next;
    }
    for (size_t i = 0; i < 5; i++)
        h[i] += s[i];
}

static void sha1(const unsigned char *p, size_t n, unsigned char out[HOST_HASH_BYTES])
{
    unsigned char padded[PADDED] = {0};
    uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    size_t whole = (n + 8) / BLOCK * BLOCK + BLOCK;
    memcpy(padded, p, n);
    padded[n] = 0x80;
    for (size_t i = 0; i < 8; i++)
        padded[whole - 1 - i] = (unsigned char)((uint64_t)n * 8 >> (8 * i));
    for (size_t at = 0; at < whole; at += BLOCK)
        take_block(h, padded + at);
    for (size_t i = 0; i < HOST_HASH_BYTES; i++)
        out[i] = (unsigned char)(h[i / 4] >> (24 - 8 * (i % 4)));
}

void host_hash(const unsigned char *key, size_t key_len, const char *text, size_t n,
               unsigned char out[HOST_HASH_BYTES])
{
    unsigned char inner[BLOCK + HOST_HASH_TEXT_MAX] = {0}, outer[BLOCK + HOST_HASH_BYTES] = {0};
    memcpy(inner, key, key_len);
    memcpy(outer, key, key_len);
    for (size_t i = 0; i < BLOCK; i++) {
        inner[i] ^= 0x36;
        outer[i] ^= 0x5c;
    }
    memcpy(inner + BLOCK, text, n);
    sha1(inner, BLOCK + n, outer + BLOCK);
    sha1(outer, sizeof outer, out);
}
