#include "backup/repo/resolve_cache.h"

#include "base/mem.h"
#include "limits.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

struct place {
    struct resolve_key key; /* file NULL: free */
    struct resolved *res;
    uint64_t born, used;
};

struct resolve_cache {
    struct place places[RESOLVE_CACHE];
};

bool resolve_key_make(struct resolve_key *key, const struct borgmatic_tools *tools,
                      const char *file, struct err *e)
{
    struct stat st;
    *key = (struct resolve_key){0};
    if (stat(file, &st) != 0)
        return err_set(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_INVALID_CONFIG,
                       "the configuration file cannot be read: %s", strerror(errno));
    if (!S_ISREG(st.st_mode))
        return err_set(e, ERR_INVALID_CONFIG, "the configuration is not a regular file");
    key->file = mem_strdup(file);
    key->dev = st.st_dev;
    key->ino = st.st_ino;
    key->size = st.st_size;
    key->mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    key->borgmatic = tools->borgmatic_version;
    key->borg = tools->borg_version;
    return key->file || err_set(e, ERR_NO_MEMORY, "no memory for a configuration's name");
}

static bool same_version(struct borgmatic_version a, struct borgmatic_version b)
{
    return borgmatic_version_cmp(a, b.major, b.minor, b.patch) == 0;
}

bool resolve_key_equal(const struct resolve_key *a, const struct resolve_key *b)
{
    return a->file && b->file && strcmp(a->file, b->file) == 0 && a->dev == b->dev &&
           a->ino == b->ino && a->size == b->size && a->mtime_ns == b->mtime_ns &&
           same_version(a->borgmatic, b->borgmatic) && same_version(a->borg, b->borg);
}

void resolve_key_done(struct resolve_key *key)
{
    mem_free(key->file);
    *key = (struct resolve_key){0};
}

static void empty(struct place *p)
{
    resolve_key_done(&p->key);
    resolved_unref(p->res);
    *p = (struct place){0};
}

struct resolve_cache *resolve_cache_new(void)
{
    return mem_zalloc(sizeof(struct resolve_cache));
}

void resolve_cache_free(struct resolve_cache *c)
{
    for (size_t i = 0; c && i < RESOLVE_CACHE; i++)
        empty(&c->places[i]);
    mem_free(c);
}

struct resolved *resolve_cache_get(struct resolve_cache *c, const struct resolve_key *key,
                                   uint64_t now)
{
    for (size_t i = 0; i < RESOLVE_CACHE; i++) {
        struct place *p = &c->places[i];
        if (!resolve_key_equal(&p->key, key))
            continue;
        if (now - p->born > RESOLVE_AGE_MS) { /* an included file may have changed */
            empty(p);
            return NULL;
        }
        p->used = now;
        return resolved_ref(p->res);
    }
    return NULL;
}

void resolve_cache_put(struct resolve_cache *c, const struct resolve_key *key, struct resolved *res,
                       uint64_t now)
{
    struct place *oldest = &c->places[0];
    for (size_t i = 0; i < RESOLVE_CACHE; i++) {
        struct place *p = &c->places[i];
        if (p->key.file && strcmp(p->key.file, key->file) == 0) {
            oldest = p;
            break;
        }
        if (oldest->key.file && (!p->key.file || p->used < oldest->used))
            oldest = p;
    }
    struct resolve_key copy = *key;
    copy.file = mem_strdup(key->file);
    if (!copy.file)
        return;
    empty(oldest);
    *oldest = (struct place){.key = copy, .res = resolved_ref(res), .born = now, .used = now};
}
