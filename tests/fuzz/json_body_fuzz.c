/* json_parse on any bytes: it either fails with its own code, or gives a tree that is within the
 * depth bound, survives a round trip through text, and answers the getters. */
#include "base/json.h"
#include "limits.h"

#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

static int depth_of(json_t *j)
{
    int deepest = 0;
    size_t i;
    const char *key;
    json_t *v;
    if (!json_is_array(j) && !json_is_object(j))
        return 0;
    json_array_foreach(j, i, v)
    {
        int d = depth_of(v);
        deepest = d > deepest ? d : deepest;
    }
    json_object_foreach(j, key, v)
    {
        int d = depth_of(v);
        deepest = d > deepest ? d : deepest;
    }
    return deepest + 1;
}

static void must(bool ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct err e = {0};
    json_t *j = json_parse((const char *)data, n, &e);
    if (j == NULL) {
        must(e.code == ERR_INVALID_JSON && e.msg[0] != '\0');
        return 0;
    }
    must(e.code == ERR_NONE);
    must(depth_of(j) <= LIMIT_JSON_DEPTH);

    char *text = json_dumps(j, JSON_ENCODE_ANY | JSON_COMPACT);
    must(text != NULL);
    json_t *again = json_parse(text, strlen(text), &e);
    must(again != NULL && json_equal(j, again));
    json_decref(again);
    free(text);

    must(json_get_str(j, "repository", "none") != NULL);
    (void)json_get_int(j, "timeout", 7);
    (void)json_get_num(j, "timeout", 7.0);
    (void)json_get_bool(j, "stats", true);
    json_decref(j);
    return 0;
}
