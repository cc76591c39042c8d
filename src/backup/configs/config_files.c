#include "backup/configs/config_files.h"

#include "backup/repo/resolve.h"
#include "base/mem.h"
#include "base/yaml.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool config_label_ok(const char *s)
{
    static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t n = strlen(s);
    return n > 0 && n <= LIMIT_LABEL && strspn(s, set) == n && !strchr("._-", s[0]);
}

void config_files_etag(const struct stat *st, char out[CONFIG_ETAG])
{
    (void)snprintf(out, CONFIG_ETAG, "\"%jx-%jx-%jx.%lx\"", (uintmax_t)st->st_ino,
                   (uintmax_t)st->st_size, (uintmax_t)st->st_mtim.tv_sec,
                   (unsigned long)st->st_mtim.tv_nsec);
}

/* ---- one file ---- */

static bool read_fd(int fd, struct buf *text)
{
    for (;;) {
        char chunk[16 * 1024];
        ssize_t r = read(fd, chunk, sizeof chunk);
        if (r < 0 && errno == EINTR)
            continue;
        bool ok = r >= 0 && (r == 0 || buf_append(text, chunk, (size_t)r));
        sodium_memzero(chunk, sizeof chunk);
        if (r <= 0 || !ok)
            return ok;
    }
}

static bool read_open(int fd, struct config_file *f, struct buf *text, struct err *e)
{
    if (fstat(fd, &f->st) != 0 || !S_ISREG(f->st.st_mode))
        return err_set(e, ERR_UNAVAILABLE, "the configuration is no regular file");
    config_files_etag(&f->st, f->etag);
    if (f->st.st_size > LIMIT_YAML)
        return err_set(e, ERR_INVALID_CONFIG, "the configuration is longer than %d bytes",
                       LIMIT_YAML);
    return read_fd(fd, text) ||
           err_set(e, ERR_UNAVAILABLE, "the configuration cannot be read to its end");
}

bool config_files_read_path(const char *path, struct config_file *f, struct buf *text,
                            struct err *e)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return err_set(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_UNAVAILABLE,
                       "the configuration cannot be opened: %s", strerror(errno));
    bool ok = read_open(fd, f, text, e);
    (void)close(fd);
    return ok;
}

bool config_files_read(const char *dir, const char *label, struct config_file *f, struct buf *text,
                       struct err *e)
{
    struct stat own;
    if (!resolve_find(dir, label, f->path, sizeof f->path, e))
        return false;
    f->link = lstat(f->path, &own) == 0 && S_ISLNK(own.st_mode);
    if (config_files_read_path(f->path, f, text, e))
        return true;
    if (e->code == ERR_NOT_FOUND) /* gone since */
        (void)err_set(e, ERR_NOT_FOUND, "Config %s not found", label);
    return false;
}

/* ---- all of them ---- */

static bool is_config_name(const char *name, size_t *stem)
{
    size_t n = strlen(name);
    *stem = n > 5 && strcmp(name + n - 5, ".yaml") == 0  ? n - 5
            : n > 4 && strcmp(name + n - 4, ".yml") == 0 ? n - 4
                                                         : 0;
    return *stem > 0;
}

static int by_name(const void *a, const void *b)
{
    const struct config_entry *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static void fault(struct config_entry *n, const char *what)
{
    if (!n->problem[0])
        (void)snprintf(n->problem, sizeof n->problem, "%.199s", what);
}

static void look_inside(struct config_entry *n, const char *path)
{
    struct config_file *f = mem_zalloc(sizeof *f);
    struct buf text;
    struct err e = {0};
    buf_init(&text, LIMIT_YAML);
    if (f && config_files_read_path(path, f, &text, &e)) {
        struct yaml *y = yaml_doc_parse(buf_str(&text), text.n, &e);
        if (y && !yaml_doc_root(y))
            (void)err_set(&e, ERR_INVALID_CONFIG, "empty");
        yaml_doc_free(y);
    }
    if (e.code != ERR_NONE)
        fault(n, e.msg);
    buf_wipe(&text);
    mem_free(f);
}

static void look_at(struct config_entry *n, const char *dir, size_t stem)
{
    struct stat st;
    char path[PATH_MAX];
    int k = snprintf(path, sizeof path, "%s/%s", dir, n->name);
    if (stem <= LIMIT_LABEL)
        memcpy(n->label, n->name, stem);
    if (!config_label_ok(n->label)) {
        n->label[0] = '\0';
        fault(n, "its name is no label, so that it cannot be addressed: letters, digits, '.', '_' "
                 "and '-', the first a letter or digit, at most 64");
    }
    if (k < 0 || (size_t)k >= sizeof path || stat(path, &st) != 0) {
        fault(n, errno == ENOENT ? "a link to nothing" : strerror(errno));
        return;
    }
    n->size = st.st_size;
    n->mtime = st.st_mtim.tv_sec;
    n->regular = S_ISREG(st.st_mode);
    config_files_etag(&st, n->etag);
    if (n->regular)
        look_inside(n, path);
    else
        fault(n, "no regular file");
}

static void lose_label(struct config_entry *n, const char *winner)
{
    n->label[0] = '\0';
    (void)snprintf(n->problem, sizeof n->problem, "%.80s stands for this label", winner);
}

/* "a.yaml" is what the label a means, so "a.yml" beside it has none. */
static void find_shadowed(struct config_list *l)
{
    for (size_t i = 0; i + 1 < l->count; i++) {
        const struct config_entry *a = &l->entries[i];
        if (a->label[0] && a->regular && strcmp(a->label, l->entries[i + 1].label) == 0)
            lose_label(&l->entries[i + 1], a->name);
    }
}

static void read_folder(DIR *d, const char *dir, struct config_list *l)
{
    for (const struct dirent *entry; (entry = readdir(d)) != NULL;) {
        size_t stem;
        if (!is_config_name(entry->d_name, &stem) || strlen(entry->d_name) > 255)
            continue;
        if (l->count == LIMIT_CONFIGS) {
            l->left_out++;
            continue;
        }
        struct config_entry *n = &l->entries[l->count++];
        memcpy(n->name, entry->d_name, strlen(entry->d_name) + 1);
        look_at(n, dir, stem);
    }
}

struct config_list *config_files_list(const char *dir, struct err *e)
{
    struct config_list *l = mem_zalloc(sizeof *l);
    DIR *d = l ? opendir(dir) : NULL;
    if (!d) {
        (void)err_set(e, l ? ERR_UNAVAILABLE : ERR_NO_MEMORY,
                      "the folder of configurations cannot be read: %s", strerror(errno));
        mem_free(l);
        return NULL;
    }
    read_folder(d, dir, l);
    (void)closedir(d);
    qsort(l->entries, l->count, sizeof *l->entries, by_name);
    find_shadowed(l);
    return l;
}
