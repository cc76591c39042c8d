/* known_hosts, the second part: SSH_DIR/known_hosts. */
#include "backup/ssh/known_hosts.h"
#include "backup/ssh/sshkeys_folder.h"
#include "base/jsonw.h"
#include "sys/fsafe.h"

#include <stdio.h>
#include <string.h>

static const char file_name[] = "known_hosts";

/* Its text; nothing when there is no such file. `mode`: its own, or that of a new one. */
static bool read_file(const struct sshkeys_folder *f, struct buf *text, mode_t *mode, struct err *e)
{
    struct stat st;
    struct err why = {0};
    *mode = 0600;
    buf_init(text, KNOWN_HOSTS_FILE);
    if (f->dir < 0)
        return true;
    if (fsafe_read(f->dir, file_name, text, &st, &why)) {
        *mode = st.st_mode & 0755;
        return true;
    }
    if (why.code == ERR_NOT_FOUND)
        return true;
    buf_done(text);
    return err_set(e, ERR_UNAVAILABLE, "%s", why.msg);
}

static void write_entry(struct jsonw *w, const struct known_line *l, int64_t number)
{
    jsonw_begin_object(w);
    jsonw_key(w, "hosts");
    if (l->hashed)
        jsonw_null(w);
    else
        jsonw_strn(w, l->hosts, l->hosts_len);
    jsonw_kbool(w, "hashed", l->hashed);
    jsonw_key(w, "marker");
    if (l->marker)
        jsonw_strn(w, l->marker, l->marker_len);
    else
        jsonw_null(w);
    jsonw_kstr(w, "type", l->key.type);
    jsonw_kint(w, "bits", l->key.bits);
    jsonw_kstr(w, "fingerprint", l->key.fingerprint);
    jsonw_kstr(w, "comment", l->key.comment);
    jsonw_kint(w, "line", number);
    jsonw_end_object(w);
}

bool known_hosts_list(const char *dir, struct buf *members, struct err *e)
{
    struct sshkeys_folder f;
    struct buf text;
    struct jsonw w;
    struct known_line l;
    mode_t mode;
    size_t at = 0, listed = 0;
    if (!sshkeys_open(&f, dir, false, e))
        return false;
    bool ok = read_file(&f, &text, &mode, e);
    sshkeys_close(&f);
    if (!ok)
        return false;
    jsonw_init(&w, members);
    jsonw_key(&w, "hosts");
    jsonw_begin_array(&w);
    for (int64_t n = 1; known_hosts_line(buf_str(&text), text.n, &at, &l); n++)
        if (l.entry && listed++ < KNOWN_HOSTS_LISTED)
            write_entry(&w, &l, n);
    jsonw_end_array(&w);
    jsonw_kbool(&w, "truncated", listed > KNOWN_HOSTS_LISTED);
    (void)buf_printf(members, ",\"file\":");
    struct buf path;
    buf_init(&path, PATH_MAX + sizeof file_name);
    (void)buf_printf(&path, "%s/%s", dir, file_name);
    w.comma = false;
    jsonw_str(&w, buf_str(&path));
    buf_done(&path);
    buf_done(&text);
    return true;
}

/* What the file says of this host and type: the same key, or (in `other`) another. */
static bool is_known(const struct buf *text, const char *name, const struct sshkey_public *key,
                     struct sshkey_public *other)
{
    struct known_line l;
    size_t at = 0;
    bool same = false;
    while (known_hosts_line(buf_str(text), text->n, &at, &l)) {
        if (l.marker || !known_hosts_names(&l, name) || strcmp(l.key.type, key->type) != 0)
            continue;
        if (sshkey_same(&l.key, key))
            same = true;
        else
            *other = l.key;
    }
    return same;
}

static bool add_line(struct buf *out, const char *name, const struct sshkey_public *key)
{
    char line[SSHKEY_LINE];
    if (!sshkey_public_write(key, line, sizeof line))
        return false;
    if (out->n && out->p[out->n - 1] != '\n')
        (void)buf_putc(out, '\n');
    return buf_printf(out, "%s %s\n", name, line);
}

static bool pin(const struct sshkeys_folder *f, const char *name, const struct sshkey_public *key,
                bool replace, bool *changed, struct err *e)
{
    struct buf text, out;
    struct sshkey_public other = {0};
    mode_t mode;
    if (!read_file(f, &text, &mode, e))
        return false;
    bool same = is_known(&text, name, key, &other), ok = true;
    buf_init(&out, KNOWN_HOSTS_FILE);
    *changed = !same || other.blob_len > 0;
    if (other.blob_len && !replace)
        ok = err_set(e, ERR_HOST_KEY_CHANGED,
                     "%.200s is known with another %s key, %s: send \"replace\": true if you know "
                     "why it changed",
                     name, other.type, other.fingerprint);
    else if (*changed) {
        (void)known_hosts_without(buf_str(&text), text.n, name, key->type, &out);
        ok = (add_line(&out, name, key) && !out.failed) ||
             err_set(e, ERR_UNAVAILABLE, "known_hosts is too long");
        ok = ok && fsafe_write(f->dir, file_name, out.p, out.n, mode, true, e);
    }
    buf_done(&out);
    buf_done(&text);
    return ok;
}

bool known_hosts_pin(const char *dir, const char *name, const struct sshkey_public *key,
                     bool replace, struct buf *members, struct err *e)
{
    struct sshkeys_folder f;
    struct jsonw w;
    bool changed = false;
    if (!sshkeys_open(&f, dir, true, e))
        return false;
    bool ok = pin(&f, name, key, replace, &changed, e);
    sshkeys_close(&f);
    if (!ok)
        return false;
    jsonw_init(&w, members);
    jsonw_kbool(&w, "pinned", true);
    jsonw_kbool(&w, "changed", changed);
    jsonw_kstr(&w, "host", name);
    jsonw_kstr(&w, "type", key->type);
    jsonw_kstr(&w, "fingerprint", key->fingerprint);
    return true;
}

static bool forget(const struct sshkeys_folder *f, const char *name, size_t *n, struct err *e)
{
    struct buf text, out;
    mode_t mode;
    if (!read_file(f, &text, &mode, e))
        return false;
    buf_init(&out, KNOWN_HOSTS_FILE);
    *n = known_hosts_without(buf_str(&text), text.n, name, NULL, &out);
    bool ok = *n > 0 || err_set(e, ERR_NOT_FOUND, "known_hosts does not name %.200s", name);
    ok = ok && fsafe_write(f->dir, file_name, buf_str(&out), out.n, mode, true, e);
    buf_done(&out);
    buf_done(&text);
    return ok;
}

bool known_hosts_forget(const char *dir, const char *name, struct buf *members, struct err *e)
{
    struct sshkeys_folder f;
    size_t n = 0;
    if (!sshkeys_open(&f, dir, true, e))
        return false;
    bool ok = forget(&f, name, &n, e);
    sshkeys_close(&f);
    if (ok)
        (void)buf_printf(members, "\"deleted\":true,\"lines\":%zu", n);
    return ok;
}
