#include "backup/ssh/sshkeys.h"

#include "backup/ssh/sshkeys_folder.h"
#include "base/jsonw.h"
#include "base/mem.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- the line for the server ---- */

static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                            "/._-+=:@,";

static bool path_ok(const char *path, struct err *e)
{
    if (path[0] != '/' && strncmp(path, "./", 2) != 0)
        return err_field(e, ERR_BAD_REQUEST, "restrict_to_path",
                         "must begin with / (or ./ for a path below the account's home)");
    for (const char *p = path; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f || strchr("'\"\\$`!", *p))
            return err_field(e, ERR_BAD_REQUEST, "restrict_to_path",
                             "must not hold quotes, backslashes, '$', '`', '!' or control "
                             "characters: a server's shell would not read them as they stand");
    return true;
}

static bool comment_ok(const char *comment, struct err *e)
{
    for (const char *p = comment; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return err_field(e, ERR_BAD_REQUEST, "comment", "must not hold control characters");
    return true;
}

bool sshkeys_authorized(const struct sshkey_public *key, const char *path, const char *comment,
                        struct buf *out, struct err *e)
{
    char line[SSHKEY_LINE];
    if ((path && !path_ok(path, e)) || (comment && !comment_ok(comment, e)))
        return false;
    if (!sshkey_public_write(key, line, sizeof line))
        return err_set(e, ERR_UNAVAILABLE, "the public key is too long");
    (void)buf_puts(out, "command=\"borg serve");
    if (path) {
        const char *quote = path[strspn(path, plain)] ? "'" : "";
        (void)buf_printf(out, " --restrict-to-path %s%s%s", quote, path, quote);
    }
    (void)buf_printf(out, "\",restrict %s", line);
    if (comment && *comment)
        (void)buf_printf(out, " %s", comment);
    return !out->failed || err_set(e, ERR_NO_MEMORY, "no memory for the key's line");
}

/* ---- one key ---- */

struct pair {
    char key[SSHKEYS_NAME], pub_name[SSHKEYS_NAME + 4];
    struct sshkeys_file private, pub;
};

static void look(int dir, const char *name, struct pair *p)
{
    (void)snprintf(p->key, sizeof p->key, "%s", name);
    (void)snprintf(p->pub_name, sizeof p->pub_name, "%s.pub", name);
    sshkeys_look(dir, p->key, false, &p->private);
    sshkeys_look(dir, p->pub_name, true, &p->pub);
}

/* What the private file says of itself counts more than the public one beside it. */
static const struct sshkey_public *public_of(const struct pair *p)
{
    if (p->private.parsed && p->private.key.pub.blob_len)
        return &p->private.key.pub;
    return p->pub.parsed ? &p->pub.key.pub : NULL;
}

static const char *problem_of(const struct pair *p)
{
    if (p->private.there && !p->private.regular)
        return S_ISLNK(p->private.st.st_mode) ? "the private file is a symbolic link"
                                              : "the private file is no regular file";
    if (p->pub.there && !p->pub.regular)
        return "the public file is a symbolic link or no regular file";
    if (!p->private.there)
        return "there is no private file";
    if (p->private.st.st_mode & 077)
        return "the private file can be read by others: ssh refuses it (chmod 600)";
    if (!p->private.parsed)
        return "the private file is no key, or cannot be read";
    if (p->pub.parsed && p->private.key.pub.blob_len &&
        !sshkey_same(&p->private.key.pub, &p->pub.key.pub))
        return "the public file belongs to another key";
    if (!p->pub.there)
        return "there is no public file";
    return NULL;
}

static void kstr_or_null(struct jsonw *w, const char *name, const char *value)
{
    jsonw_kstr(w, name, value && *value ? value : NULL);
}

static void write_key(struct jsonw *w, const struct pair *p)
{
    const struct sshkey_public *key = public_of(p);
    char mode[8];
    kstr_or_null(w, "type", key ? key->type : NULL);
    if (key && key->bits)
        jsonw_kint(w, "bits", key->bits);
    else
        jsonw_kraw(w, "bits", NULL);
    kstr_or_null(w, "fingerprint", key ? key->fingerprint : NULL);
    jsonw_kstr(w, "comment", p->pub.parsed ? p->pub.key.pub.comment : "");
    if (p->private.parsed)
        jsonw_kbool(w, "has_passphrase", p->private.key.encrypted);
    else
        jsonw_kraw(w, "has_passphrase", NULL);
    (void)snprintf(mode, sizeof mode, "%04o", (unsigned)(p->private.st.st_mode & 07777));
    jsonw_kstr(w, "mode", p->private.there ? mode : NULL);
    int64_t created = (p->private.there ? p->private.st : p->pub.st).st_mtime;
    jsonw_kint(w, "created", created);
    int64_t age = (int64_t)time(NULL) - created;
    jsonw_kint(w, "age_s", age > 0 ? age : 0);
    jsonw_kstr(w, "problem", problem_of(p));
}

/* ---- all keys ---- */

struct names {
    char *v[SSHKEYS_LISTED];
    size_t n;
    bool more;
    int dir;
};

/* Whatever looks like a private key by its name, or is one by its content. */
static void take_name(void *arg, const char *name)
{
    struct names *all = arg;
    struct sshkeys_file file;
    size_t n = strlen(name);
    if (name[0] == '.' || n >= SSHKEYS_NAME - 4 || (n > 4 && strcmp(name + n - 4, ".pub") == 0))
        return;
    sshkeys_look(all->dir, name, false, &file);
    bool looks = strncmp(name, "id_", 3) == 0 && (file.regular || S_ISLNK(file.st.st_mode));
    if (!file.there || (!looks && !file.parsed))
        return;
    if (all->n == SSHKEYS_LISTED)
        all->more = true;
    else if ((all->v[all->n] = mem_strdup(name)) != NULL)
        all->n++;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

bool sshkeys_label(const char *label)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t n = strlen(label);
    return n > 0 && n <= LIMIT_LABEL && !strchr("._-", label[0]) && strspn(label, letters) == n &&
           strcmp(label, "known-hosts") != 0 && (n < 4 || strcmp(label + n - 4, ".pub") != 0);
}

/* The label by which the routes reach it, or NULL. */
static const char *label_of(const char *name)
{
    return strncmp(name, "id_", 3) == 0 && sshkeys_label(name + 3) ? name + 3 : NULL;
}

static void write_item(struct jsonw *w, int dir, const char *name)
{
    struct pair p;
    look(dir, name, &p);
    jsonw_begin_object(w);
    jsonw_kstr(w, "label", label_of(name));
    jsonw_kstr(w, "file", name);
    write_key(w, &p);
    jsonw_end_object(w);
}

bool sshkeys_list(const char *dir, struct buf *members, struct err *e)
{
    struct sshkeys_folder f;
    struct jsonw w;
    if (!sshkeys_open(&f, dir, false, e))
        return false;
    struct names all = {.dir = f.dir};
    sshkeys_each(f.dir, take_name, &all);
    if (all.n)
        qsort(all.v, all.n, sizeof all.v[0], by_name);
    jsonw_init(&w, members);
    jsonw_key(&w, "keys");
    jsonw_begin_array(&w);
    for (size_t i = 0; i < all.n; i++)
        jsonw_str(&w, all.v[i]);
    jsonw_end_array(&w);
    jsonw_key(&w, "items");
    jsonw_begin_array(&w);
    for (size_t i = 0; i < all.n; i++)
        write_item(&w, f.dir, all.v[i]);
    jsonw_end_array(&w);
    jsonw_kbool(&w, "truncated", all.more);
    jsonw_kstr(&w, "folder", dir);
    for (size_t i = 0; i < all.n; i++)
        mem_free(all.v[i]);
    sshkeys_close(&f);
    return true;
}

/* ---- status ---- */

struct former {
    const struct sshkeys_folder *f;
    const char *label;
    struct jsonw *w;
    size_t n;
};

static void write_former(void *arg, const char *name)
{
    struct former *a = arg;
    struct sshkeys_aside aside;
    struct pair p;
    if (!sshkeys_aside_parse(name, &aside) || aside.pub || aside.next ||
        strcmp(aside.label, a->label) != 0 || a->n++ >= SSHKEYS_ASIDE)
        return;
    look(a->f->work, name, &p);
    const struct sshkey_public *key = public_of(&p);
    int64_t left = aside.at + (int64_t)SSHKEY_ASIDE_DAYS * 24 * 3600 - (int64_t)time(NULL);
    jsonw_begin_object(a->w);
    jsonw_kint(a->w, "replaced_at", aside.at);
    jsonw_kint(a->w, "left_s", left > 0 ? left : 0);
    jsonw_kstr(a->w, "fingerprint", key ? key->fingerprint : NULL);
    jsonw_end_object(a->w);
}

static void write_next(const struct sshkeys_folder *f, const char *label, struct jsonw *w)
{
    struct pair p;
    char name[SSHKEYS_NAME], line[SSHKEY_LINE];
    (void)snprintf(name, sizeof name, "id_%s.next", label);
    look(f->work, name, &p);
    const struct sshkey_public *key = public_of(&p);
    jsonw_key(w, "next");
    if (!p.private.parsed || !key || !sshkey_public_write(key, line, sizeof line)) {
        jsonw_null(w);
        return;
    }
    jsonw_begin_object(w);
    jsonw_kstr(w, "public_key", line);
    jsonw_kstr(w, "fingerprint", key->fingerprint);
    jsonw_kint(w, "created", p.private.st.st_mtime);
    jsonw_end_object(w);
}

static void kpath(struct jsonw *w, const char *key, const char *dir, const char *name, bool there)
{
    char path[PATH_MAX + SSHKEYS_NAME];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    jsonw_kstr(w, key, there ? path : NULL);
}

bool sshkeys_status(const char *dir, const char *label, struct buf *members, struct err *e)
{
    struct sshkeys_folder f;
    struct pair p;
    struct jsonw w;
    char name[SSHKEYS_NAME];
    if (!sshkeys_open(&f, dir, false, e))
        return false;
    sshkeys_name(label, name);
    look(f.dir, name, &p);
    jsonw_init(&w, members);
    jsonw_kbool(&w, "exists", p.private.there);
    kpath(&w, "private", dir, p.key, p.private.there);
    kpath(&w, "public", dir, p.pub_name, p.pub.there);
    jsonw_kstr(&w, "label", label);
    if (p.private.there || p.pub.there)
        write_key(&w, &p);
    jsonw_key(&w, "former");
    jsonw_begin_array(&w);
    struct former a = {.f = &f, .label = label, .w = &w};
    sshkeys_each(f.work, write_former, &a);
    jsonw_end_array(&w);
    write_next(&f, label, &w);
    sshkeys_close(&f);
    return true;
}

/* ---- the public key ---- */

static bool write_pub(const struct sshkeys_line *what, const struct pair *p, struct buf *members,
                      struct err *e)
{
    const struct sshkey_public *key = public_of(p);
    struct buf line;
    char own[SSHKEY_LINE];
    if ((!p->private.there && !p->pub.there) || !key)
        return err_set(e, ERR_NOT_FOUND,
                       p->private.there ? "the public part of ssh key %s is not known"
                                        : "there is no ssh key %s",
                       what->label);
    const char *comment = p->pub.parsed ? p->pub.key.pub.comment : "";
    if (!sshkey_public_write(key, own, sizeof own))
        return err_set(e, ERR_UNAVAILABLE, "the public key is too long");
    buf_init(&line, SSHKEY_LINE);
    bool ok = sshkeys_authorized(key, what->restrict_to_path,
                                 what->comment ? what->comment : comment, &line, e);
    if (ok) {
        size_t k = strlen(own);
        if (*comment)
            (void)snprintf(own + k, sizeof own - k, " %s", comment);
        struct jsonw w;
        jsonw_init(&w, members);
        jsonw_kstr(&w, "public", own);
        jsonw_kstr(&w, "authorized_keys", buf_str(&line));
        jsonw_kstr(&w, "fingerprint", key->fingerprint);
    }
    buf_done(&line);
    return ok;
}

bool sshkeys_pub(const char *dir, const struct sshkeys_line *what, struct buf *members,
                 struct err *e)
{
    struct sshkeys_folder f;
    struct pair p;
    char name[SSHKEYS_NAME];
    if (!sshkeys_open(&f, dir, false, e))
        return false;
    (void)snprintf(name, sizeof name, "id_%s%s", what->label, what->next ? ".next" : "");
    look(what->next ? f.work : f.dir, name, &p);
    bool ok = write_pub(what, &p, members, e);
    sshkeys_close(&f);
    return ok;
}
