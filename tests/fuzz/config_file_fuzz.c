/* AIO's configuration edited, on any bytes: the two values on lines of their own, then the text.
 * What comes out is JSON, says what was asked for, and differs from what went in by the two keys
 * alone; edited again it stays as it is. */
#include "aio/config/config_file.h"
#include "base/json.h"
#include "limits.h"

#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

static void must(bool ok)
{
    if (!ok)
        abort();
}

/* The line at *p, as far as it fits; *p is moved behind it. */
static void take_line(const char **p, size_t *n, char *out, size_t size)
{
    const char *end = *n ? memchr(*p, '\n', *n) : NULL;
    size_t len = end ? (size_t)(end - *p) : *n;
    size_t kept = len < size ? len : size - 1;
    if (kept)
        memcpy(out, *p, kept);
    out[kept] = '\0';
    *p += len + (end != NULL);
    *n -= len + (end != NULL);
}

static void says(const json_t *root, const char *key, const char *value)
{
    const json_t *v = json_object_get(root, key);
    must((!v || json_is_null(v)) ? !value[0] : strcmp(json_string_value(v), value) == 0);
}

static void without_keys(json_t *root)
{
    (void)json_object_del(root, "borg_backup_host_location");
    (void)json_object_del(root, "borg_remote_repo");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct aio_target t;
    struct err e = {0};
    struct buf out, again;
    const char *text = (const char *)data;
    take_line(&text, &n, t.host_location, sizeof t.host_location);
    take_line(&text, &n, t.remote_repo, sizeof t.remote_repo);
    (void)aio_target_valid(&t, NULL);
    buf_init(&out, AIO_CONFIG_BYTES);
    buf_init(&again, AIO_CONFIG_BYTES);
    if (config_file_edit(text, n, &t, &out, &e)) {
        json_t *before = json_parse(text, n, NULL), *after = json_parse(buf_str(&out), out.n, NULL);
        must(json_is_object(before) && json_is_object(after));
        says(after, "borg_backup_host_location", t.host_location);
        says(after, "borg_remote_repo", t.remote_repo);
        without_keys(before);
        without_keys(after);
        must(json_equal(before, after));
        json_decref(before);
        json_decref(after);
        must(config_file_edit(buf_str(&out), out.n, &t, &again, &e));
        must(again.n == out.n && memcmp(buf_str(&again), buf_str(&out), out.n) == 0);
    } else {
        must(e.code == ERR_UNAVAILABLE || e.code == ERR_BAD_REQUEST);
    }
    buf_done(&out);
    buf_done(&again);
    return 0;
}
