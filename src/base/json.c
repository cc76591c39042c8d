#include "base/json.h"

#include "base/mem.h"
#include "limits.h"

/* jansson 2.14 loses a letter of a text, silently, when its buffer for it cannot grow: so whatever
 * was read while memory was gone does not count. */
static _Thread_local bool memory_gone;

static void *alloc(size_t n)
{
    void *p = mem_alloc(n);
    memory_gone = memory_gone || !p;
    return p;
}

void json_use_wiped_memory(void)
{
    json_set_alloc_funcs(alloc, mem_free_wiped);
}

/* jansson's own depth limit (2048) is fixed at its build; ours is counted before it runs. */
static bool depth_fits(const char *s, size_t n)
{
    int depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < n; i++) {
        char c = s[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > LIMIT_JSON_DEPTH)
                return false;
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return true;
}

json_t *json_parse(const char *text, size_t n, struct err *e)
{
    if (!depth_fits(text, n)) {
        (void)err_set(e, ERR_INVALID_JSON, "json is nested deeper than %d levels",
                      LIMIT_JSON_DEPTH);
        return NULL;
    }
    json_error_t je;
    memory_gone = false;
    json_t *j = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &je);
    if (memory_gone) {
        json_decref(j);
        (void)err_set(e, ERR_NO_MEMORY, "no memory to read json");
        return NULL;
    }
    if (!j) /* jansson's text may quote the input, which may hold a secret: give the place only */
        (void)err_set(e, ERR_INVALID_JSON, "not valid json at line %d, column %d", je.line,
                      je.column);
    return j;
}

const char *json_get_str(const json_t *o, const char *key, const char *fallback)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : fallback;
}

int64_t json_get_int(const json_t *o, const char *key, int64_t fallback)
{
    const json_t *v = json_object_get(o, key);
    return json_is_integer(v) ? json_integer_value(v) : fallback;
}

double json_get_num(const json_t *o, const char *key, double fallback)
{
    const json_t *v = json_object_get(o, key);
    return json_is_number(v) ? json_number_value(v) : fallback;
}

bool json_get_bool(const json_t *o, const char *key, bool fallback)
{
    const json_t *v = json_object_get(o, key);
    return json_is_boolean(v) ? json_is_true(v) : fallback;
}

static int append(const char *p, size_t n, void *out)
{
    return buf_append(out, p, n) ? 0 : -1;
}

bool json_write(const json_t *v, struct buf *out)
{
    return json_dump_callback(v, append, out, JSON_COMPACT | JSON_ENCODE_ANY) == 0;
}
