#include "aio/config/config_file_internal.h"

#include "base/json.h"
#include "limits.h"
#include "sys/fsafe.h"

#include <linux/limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- where it is ---- */

bool config_file_beside(const char *config_file, const char *name, char *out, size_t size)
{
    const char *slash = strrchr(config_file, '/');
    int dir = slash ? (int)(slash - config_file) + 1 : 0;
    int n = snprintf(out, size, "%.*s%s", dir, config_file, name);
    return n > 0 && (size_t)n < size;
}

int config_file_folder(const char *path, const char **name, struct err *e)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (!slash || !slash[1] || !config_file_beside(path, "", folder, sizeof folder)) {
        (void)err_field(e, ERR_UNAVAILABLE, "AIO_CONFIG_FILE", "must be the path of a file");
        return -1;
    }
    if (slash > path) /* a slash at the end would follow a link */
        folder[slash - path] = '\0';
    *name = slash + 1;
    int dir = fsafe_dir(folder, e);
    if (dir < 0 && e)
        (void)snprintf(e->field, sizeof e->field, "AIO_CONFIG_FILE");
    return dir;
}

/* ---- reading ---- */

static bool get_string(const json_t *root, const char *key, char *out, size_t size, struct err *e)
{
    const json_t *v = json_object_get(root, key);
    const char *s = !v || json_is_null(v) ? "" : json_string_value(v);
    if (!s || strlen(s) >= size)
        return err_set(e, ERR_UNAVAILABLE,
                       "%s in AIO's configuration is no text of at most %zu bytes", key, size - 1);
    (void)snprintf(out, size, "%s", s);
    return true;
}

bool config_file_target(const json_t *root, struct aio_target *out, struct err *e)
{
    return get_string(root, CONFIG_KEY_LOCAL, out->host_location, sizeof out->host_location, e) &&
           get_string(root, CONFIG_KEY_REMOTE, out->remote_repo, sizeof out->remote_repo, e);
}

json_t *config_file_load(int dir, const char *name, struct buf *text, struct stat *st,
                         struct err *e)
{
    for (int i = 0; i < CONFIG_FILE_READS; i++) {
        if (i > 0)
            (void)poll(NULL, 0, CONFIG_FILE_PAUSE_MS); /* somebody writes it in place */
        buf_reset(text);
        if (!fsafe_read(dir, name, text, st, e))
            break;
        json_t *root = text->n ? json_parse(buf_str(text), text->n, e) : NULL;
        if (json_is_object(root))
            return root;
        if (root || !text->n)
            (void)err_set(e, ERR_UNAVAILABLE, "%s",
                          text->n ? "it is no JSON object" : "it is empty");
        json_decref(root);
    }
    if (e) {
        const struct err why = *e;
        (void)err_field(e, why.code == ERR_NOT_FOUND ? ERR_NOT_FOUND : ERR_UNAVAILABLE,
                        "AIO_CONFIG_FILE", "AIO's configuration cannot be read: %.200s", why.msg);
    }
    return NULL;
}

/* As much of a text as there is room for. */
static void get_cut(const json_t *root, const char *key, char *out, size_t size)
{
    const json_t *v = json_object_get(root, key);
    if (json_is_integer(v))
        (void)snprintf(out, size, "%lld", (long long)json_integer_value(v));
    else
        (void)snprintf(out, size, "%s", json_get_str(root, key, ""));
}

static bool truthy(const json_t *v)
{
    return json_is_true(v) || json_integer_value(v) == 1 ||
           (json_is_string(v) && strcmp(json_string_value(v), "1") == 0);
}

static bool fill(const json_t *root, struct aio_settings *out, struct err *e)
{
    if (!config_file_target(root, &out->target, e)) {
        if (e)
            (void)snprintf(e->field, sizeof e->field, "AIO_CONFIG_FILE");
        return false;
    }
    get_cut(root, "backup-mode", out->backup_mode, sizeof out->backup_mode);
    get_cut(root, "domain", out->domain, sizeof out->domain);
    get_cut(root, "nextcloud_datadir", out->datadir, sizeof out->datadir);
    get_cut(root, "apache_port", out->apache_port, sizeof out->apache_port);
    out->has_domain_key = json_object_get(root, "domain") != NULL;
    out->has_start_key = json_object_get(root, "wasStartButtonClicked") != NULL;
    out->wizard_done = truthy(json_object_get(root, "wasStartButtonClicked")) && out->domain[0];
    out->restore_password = json_get_str(root, "borg_restore_password", "")[0] != '\0';
    return true;
}

bool config_file_read(const char *path, struct aio_settings *out, struct err *e)
{
    const char *name;
    struct buf text;
    struct err why = {0};
    e = e ? e : &why;
    int dir = config_file_folder(path, &name, e);
    if (dir < 0)
        return false;
    memset(out, 0, sizeof *out);
    buf_init(&text, AIO_CONFIG_BYTES);
    json_t *root = config_file_load(dir, name, &text, &out->st, e);
    bool ok = root && fill(root, out, e);
    json_decref(root);
    buf_wipe(&text);
    (void)close(dir);
    return ok;
}
