#include "http/addr.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { V4_AT = 12, V6_PREFIX = 8 };

void http_addrs_init(struct http_addrs *t)
{
    *t = (struct http_addrs){0};
    randombytes_buf(t->seed, sizeof t->seed);
}

static bool as_v4(const struct sockaddr *sa, struct in_addr *v4)
{
    if (sa->sa_family == AF_INET) {
        *v4 = ((const struct sockaddr_in *)(const void *)sa)->sin_addr;
        return true;
    }
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)sa;
    if (sa->sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
        return false;
    memcpy(v4, &v6->sin6_addr.s6_addr[V4_AT], sizeof *v4);
    return true;
}

/* 16 bytes: IPv4 in the mapped form, IPv6 its first half, unix all ones. */
static void make_key(const struct sockaddr *sa, unsigned char key[16])
{
    struct in_addr v4;
    memset(key, sa ? 0 : 0xff, 16);
    if (!sa)
        return;
    if (as_v4(sa, &v4)) {
        key[10] = key[11] = 0xff;
        memcpy(key + V4_AT, &v4, sizeof v4);
    } else if (sa->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)sa;
        memcpy(key, v6->sin6_addr.s6_addr, V6_PREFIX);
    }
}

static struct http_addr **bucket_of(struct http_addrs *t, const unsigned char key[16])
{
    uint64_t hash;
    static_assert(sizeof hash == crypto_shorthash_BYTES, "the hash is 64 bits");
    crypto_shorthash((unsigned char *)&hash, key, 16, t->seed);
    return &t->bucket[hash % HTTP_ADDR_BUCKETS];
}

struct http_addr *http_addr_get(struct http_addrs *t, const struct sockaddr *sa)
{
    unsigned char key[16];
    make_key(sa, key);
    struct http_addr **bucket = bucket_of(t, key);
    struct http_addr *a = *bucket;
    while (a && memcmp(a->key, key, sizeof key) != 0)
        a = a->next;
    if (!a) {
        if (!(a = mem_zalloc(sizeof *a)))
            return NULL;
        memcpy(a->key, key, sizeof key);
        http_link_init(&a->half);
        a->next = *bucket;
        *bucket = a;
    }
    a->conns++;
    return a;
}

void http_addr_put(struct http_addrs *t, struct http_addr *a)
{
    assert(a->conns > 0);
    if (--a->conns > 0)
        return;
    struct http_addr **at = bucket_of(t, a->key);
    while (*at != a)
        at = &(*at)->next;
    *at = a->next;
    mem_free(a);
}

void http_addr_text(const struct sockaddr *sa, char *text, size_t n)
{
    struct in_addr v4;
    const char *ok = NULL;
    if (!sa)
        (void)snprintf(text, n, "unix");
    else if (as_v4(sa, &v4))
        ok = inet_ntop(AF_INET, &v4, text, (socklen_t)n);
    else
        ok = inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, text,
                       (socklen_t)n);
    if (sa && !ok)
        (void)snprintf(text, n, "unknown");
}
