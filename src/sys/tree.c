#include "sys/tree.h"

#include "base/buf.h"

#include <dirent.h>
#include <errno.h>
#include <linux/limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { NAMES_MAX = 16 * 1024 * 1024 }; /* bytes of the names in one folder */

struct walk {
    bool (*each)(void *arg, const char *path, const char *rel, const struct stat *st);
    void *arg;
    size_t root; /* length of the root's path */
    char path[2 * PATH_MAX];
};

/* The names of the folder at w->path, each ended by NUL: it is closed before others are opened. */
static bool read_names(struct walk *w, struct buf *names)
{
    DIR *d = opendir(w->path);
    if (!d)
        return false;
    for (const struct dirent *one = readdir(d); one; one = readdir(d))
        if (strcmp(one->d_name, ".") != 0 && strcmp(one->d_name, "..") != 0)
            (void)buf_append(names, one->d_name, strlen(one->d_name) + 1);
    (void)closedir(d);
    return !names->failed;
}

static bool walk_folder(struct walk *w);

static bool walk_one(struct walk *w)
{
    struct stat st;
    if (lstat(w->path, &st) != 0)
        return errno == ENOENT;
    if (S_ISDIR(st.st_mode) && !walk_folder(w))
        return false;
    return w->each(w->arg, w->path, w->path + w->root + 1, &st);
}

static bool walk_folder(struct walk *w)
{
    struct buf names;
    size_t n = strlen(w->path);
    buf_init(&names, NAMES_MAX);
    bool ok = read_names(w, &names);
    for (size_t at = 0; ok && at < names.n; at += strlen(names.p + at) + 1) {
        int k = snprintf(w->path + n, sizeof w->path - n, "/%s", names.p + at);
        ok = k > 0 && (size_t)k < sizeof w->path - n && walk_one(w);
    }
    w->path[n] = '\0';
    buf_done(&names);
    return ok;
}

bool tree_walk(const char *root,
               bool (*each)(void *arg, const char *path, const char *rel, const struct stat *st),
               void *arg)
{
    struct walk w = {.each = each, .arg = arg, .root = strlen(root)};
    int k = snprintf(w.path, sizeof w.path, "%s", root);
    return k > 0 && (size_t)k < sizeof w.path && walk_folder(&w);
}

static bool remove_one(void *arg, const char *path, const char *rel, const struct stat *st)
{
    return (S_ISDIR(st->st_mode) ? rmdir(path) : unlink(path)) == 0;
}

bool tree_remove(const char *root)
{
    struct stat st;
    if (lstat(root, &st) != 0)
        return errno == ENOENT;
    if (!S_ISDIR(st.st_mode))
        return unlink(root) == 0;
    return tree_walk(root, remove_one, NULL) && rmdir(root) == 0;
}
