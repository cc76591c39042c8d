#include "backup/archives/archive_path.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "limits.h"

#include <stddef.h>
#include <string.h>

static bool part_is(const char *s, size_t n, const char *word)
{
    return strlen(word) == n && memcmp(s, word, n) == 0;
}

char *archive_path_clean(const char *bytes, const char *field, struct err *e)
{
    size_t to = 0, all = strlen(bytes);
    if (all > ARCHIVE_PATH_MAX) {
        (void)err_field(e, ERR_BAD_REQUEST, field, "must be at most %d bytes long",
                        ARCHIVE_PATH_MAX);
        return NULL;
    }
    char *out = mem_alloc(all + 1);
    if (!out) {
        (void)err_set(e, ERR_NO_MEMORY, "no memory for a path");
        return NULL;
    }
    for (const char *s = bytes; *s;) {
        size_t n = strcspn(s, "/");
        if (part_is(s, n, "..")) {
            (void)err_field(e, ERR_BAD_REQUEST, field, "must not hold a part \"..\"");
            mem_free(out);
            return NULL;
        }
        if (n && !part_is(s, n, ".")) {
            if (to)
                out[to++] = '/';
            memcpy(out + to, s, n);
            to += n;
        }
        s += n + (s[n] == '/');
    }
    out[to] = '\0';
    return out;
}

void archive_path_encode(struct buf *out, const char *bytes)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";
    for (; *bytes; bytes++) {
        if (strchr(plain, *bytes))
            (void)buf_putc(out, *bytes);
        else
            (void)buf_printf(out, "%%%02X", (unsigned char)*bytes);
    }
}

void archive_path_write_encoded(struct jsonw *w, const char *key, const char *bytes)
{
    struct buf b;
    buf_init(&b, 3 * (size_t)LIMIT_ENTRY_LINE);
    archive_path_encode(&b, bytes);
    jsonw_kstr(w, key, b.failed ? NULL : buf_str(&b));
    buf_done(&b);
}

void archive_path_write(struct jsonw *w, const char *bytes)
{
    jsonw_kstr(w, "path", bytes);
    if (utf8_valid(bytes, strlen(bytes)))
        return;
    jsonw_kbool(w, "lossy", true);
    archive_path_write_encoded(w, "path_encoded", bytes);
}

static int weight(char c)
{
    return c == '\0' ? 0 : c == '/' ? 1 : (unsigned char)c + 2;
}

int archive_path_compare(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return weight(*a) - weight(*b);
}

char *archive_path_pattern(const char *clean, bool alone)
{
    return mem_printf("%s:%s", alone ? "pf" : "pp", clean);
}
