/* A request target's query and path on any bytes: names that are accepted are UTF-8 without NUL,
 * not empty and not twice there; values say whether they are UTF-8; encoding all of it strictly and
 * reading it again gives the same values. */
#include "api/query.h"
#include "base/buf.h"
#include "base/utf8.h"
#include "limits.h"

#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void encode(struct buf *b, const char *s)
{
    for (; *s; s++)
        must(buf_printf(b, "%%%02X", (unsigned char)*s));
}

/* Bytes shown as text give the bytes back. */
static void shows(const char *value)
{
    struct arena a;
    struct buf shown;
    struct err e = {0};
    arena_init(&a, LIMIT_ARENA);
    buf_init(&shown, LIMIT_ARENA);
    query_encode(&shown, value);
    must(!shown.n || utf8_valid(shown.p, shown.n));
    char *back = query_decode_bytes(&a, buf_str(&shown), shown.n, false, &e);
    must(back != NULL && strcmp(back, value) == 0);
    buf_done(&shown);
    arena_done(&a);
}

static void look(const struct query_arg *args, size_t n)
{
    must(n <= LIMIT_QUERY_ARGS);
    for (size_t i = 0; i < n; i++) {
        must(args[i].name[0] != '\0');
        must(utf8_valid(args[i].name, strlen(args[i].name)));
        bool text = args[i].value[0] == '\0' || utf8_valid(args[i].value, strlen(args[i].value));
        must(args[i].text == text);
        shows(args[i].value);
        for (size_t k = 0; k < i; k++)
            must(strcmp(args[i].name, args[k].name) != 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct query_arg args[LIMIT_QUERY_ARGS], again[LIMIT_QUERY_ARGS];
    struct arena a;
    struct buf text;
    size_t count = 0, count_again = 0;
    struct err e = {0};
    if (n > LIMIT_TARGET)
        return 0;
    arena_init(&a, LIMIT_ARENA);
    buf_init(&text, 16 * LIMIT_TARGET);
    char *query = arena_strndup(&a, (const char *)data, n);
    must(query != NULL);
    if (!query_parse(&a, query, args, LIMIT_QUERY_ARGS, &count, &e)) {
        must(e.code == ERR_BAD_REQUEST);
    } else {
        look(args, count);
        for (size_t i = 0; i < count; i++) {
            encode(&text, args[i].name);
            must(buf_putc(&text, '='));
            encode(&text, args[i].value);
            must(buf_putc(&text, '&'));
        }
        must(query_parse(&a, buf_str(&text), again, LIMIT_QUERY_ARGS, &count_again, &e));
        must(count_again == count);
        for (size_t i = 0; i < count; i++)
            must(strcmp(args[i].name, again[i].name) == 0 &&
                 strcmp(args[i].value, again[i].value) == 0);
    }
    char *path = query_decode(&a, query, strlen(query), false, &e);
    must(path == NULL || strlen(path) == 0 || utf8_valid(path, strlen(path)));
    buf_done(&text);
    arena_done(&a);
    return 0;
}
