#include "api/auth_fail.h"

#include <arpa/inet.h>
#include <sodium.h>
#include <string.h>

void auth_fail_init(struct auth_fail *f)
{
    memset(f, 0, sizeof *f);
    randombytes_buf(f->key, sizeof f->key);
}

static uint64_t hash(const struct auth_fail *f, const char *address)
{
    unsigned char out[crypto_shorthash_BYTES];
    struct in6_addr v6;
    uint64_t h;
    if (inet_pton(AF_INET6, address, &v6) == 1)
        (void)crypto_shorthash(out, (const unsigned char *)&v6, 8, f->key);
    else
        (void)crypto_shorthash(out, (const unsigned char *)address, strlen(address), f->key);
    memcpy(&h, out, sizeof h);
    return h ? h : 1;
}

unsigned auth_fail_add(struct auth_fail *f, const char *address, uint64_t now_ms)
{
    uint64_t h = hash(f, address);
    struct auth_fail_place *set =
        f->places + h % (AUTH_FAIL_TABLE / AUTH_FAIL_WAYS) * AUTH_FAIL_WAYS;
    struct auth_fail_place *p = set;
    for (size_t i = 0; i < AUTH_FAIL_WAYS; i++) {
        if (set[i].address == h) {
            p = &set[i];
            break;
        }
        if (set[i].since_ms < p->since_ms)
            p = &set[i];
    }
    if (p->address != h || now_ms - p->since_ms >= AUTH_FAIL_WINDOW_S * 1000)
        *p = (struct auth_fail_place){h, now_ms, 0};
    if (p->count < AUTH_FAIL_MAX) {
        p->count++;
        return 0;
    }
    return (unsigned)((p->since_ms + AUTH_FAIL_WINDOW_S * 1000 - now_ms + 999) / 1000);
}
