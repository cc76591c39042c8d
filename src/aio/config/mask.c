#include "aio/config/mask.h"

#include "base/buf.h"
#include "base/json.h"
#include "base/secret.h"
#include "limits.h"
#include "sys/fsafe.h"

#include <linux/limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* Of what is added, one that is too short to be told from ordinary text is left out. */
static bool add(struct redact *r, const char *value, size_t n, struct err *e)
{
    if (n < SECRET_MIN)
        return true;
    struct secret *s = secret_new(value, n);
    bool added = s && redact_add(r, s, false);
    secret_free(s);
    return added || err_set(e, ERR_NO_MEMORY, "AIO's secrets could not all be kept to mask them");
}

static bool add_string(struct redact *r, const json_t *v, struct err *e)
{
    return !json_is_string(v) || add(r, json_string_value(v), json_string_length(v), e);
}

/* ssh://user:password@host/… */
static bool add_password_of(struct redact *r, const char *repo, struct err *e)
{
    const char *at = strrchr(repo, '@');
    const char *user = strstr(repo, "://");
    const char *colon = user ? strchr(user + 3, ':') : NULL;
    if (!at || !colon || colon > at)
        return true;
    return add(r, colon + 1, (size_t)(at - colon - 1), e);
}

static bool add_all(struct redact *r, json_t *config, struct err *e)
{
    static const char *const keys[] = {"password", "AIO_TOKEN", "borg_restore_password"};
    const char *name;
    json_t *v;
    bool ok = true;
    for (size_t i = 0; ok && i < sizeof keys / sizeof *keys; i++)
        ok = add_string(r, json_object_get(config, keys[i]), e);
    json_object_foreach(json_object_get(config, "secrets"), name, v) ok = ok && add_string(r, v, e);
    return ok && add_password_of(r, json_get_str(config, "borg_remote_repo", ""), e);
}

bool aio_mask_config(struct redact *r, const char *config_file, struct err *e)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(config_file, '/');
    struct buf text;
    if (!slash || (size_t)(slash - config_file) >= sizeof folder)
        return true;
    (void)snprintf(folder, sizeof folder, "%.*s", (int)(slash - config_file), config_file);
    int dir = fsafe_dir(folder, NULL);
    if (dir < 0)
        return true;
    buf_init(&text, AIO_CONFIG_BYTES);
    json_t *config =
        fsafe_read(dir, slash + 1, &text, NULL, NULL) ? json_parse(text.p, text.n, NULL) : NULL;
    buf_wipe(&text);
    (void)close(dir);
    bool ok = !json_is_object(config) || add_all(r, config, e);
    json_decref(config);
    return ok;
}

static bool speaks_of_a_secret(const char *name, size_t n)
{
    static const char *const words[] = {"PASSWORD", "SECRET", "TOKEN", "KEY", "PASSPHRASE"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        for (size_t k = strlen(words[i]), at = 0; at + k <= n; at++)
            if (strncasecmp(name + at, words[i], k) == 0)
                return true;
    return false;
}

bool aio_mask_container(struct redact *r, const json_t *inspect, struct err *e)
{
    const json_t *env = json_object_get(json_object_get(inspect, "Config"), "Env");
    size_t i;
    json_t *v;
    bool ok = true;
    json_array_foreach(env, i, v)
    {
        const char *entry = json_is_string(v) ? json_string_value(v) : "";
        const char *equals = strchr(entry, '=');
        if (!equals)
            continue;
        size_t n = (size_t)(equals - entry);
        if (speaks_of_a_secret(entry, n))
            ok = ok && add(r, equals + 1, strlen(equals + 1), e);
        else if (strncmp(entry, "BORG_REMOTE_REPO=", n + 1) == 0)
            ok = ok && add_password_of(r, equals + 1, e);
    }
    return ok;
}
