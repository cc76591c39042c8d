#include "backup/restore/destination_forbidden.h"

#include "base/mem.h"
#include "limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PLACES = 4 + LIMIT_REPOS };

const char forbidden_why[] = "must not be in or above a repository, the daemon's state, the "
                             "configurations, or a volume of Nextcloud AIO";

struct forbidden {
    struct place {
        char *path;
        struct stat st;
        bool exists;
    } places[PLACES];
    size_t count;
};

static void add(struct forbidden *f, const char *path)
{
    char real[PATH_MAX];
    if (!path || path[0] != '/' || f->count == PLACES)
        return;
    struct place *p = &f->places[f->count];
    p->exists = realpath(path, real) != NULL && stat(real, &p->st) == 0;
    p->path = mem_strdup(p->exists ? real : path);
    if (!p->path)
        return;
    for (size_t n = strlen(p->path); n > 1 && p->path[n - 1] == '/'; n--)
        p->path[n - 1] = '\0';
    f->count++;
}

/* The folder of AIO's configuration; the volume's own folder where it is mounted as AIO does. */
static void add_aio(struct forbidden *f, const char *file)
{
    AUTO_FREE char *folder = mem_strdup(file);
    char *slash = folder ? strrchr(folder, '/') : NULL;
    if (!slash || slash == folder)
        return;
    *slash = '\0';
    slash = strrchr(folder, '/');
    if (slash && slash != folder && strcmp(slash, "/data") == 0)
        *slash = '\0';
    add(f, folder);
}

struct forbidden *forbidden_new(const struct destination_rules *r)
{
    struct forbidden *f = mem_zalloc(sizeof *f);
    if (!f)
        return NULL;
    add(f, r->state_dir);
    add(f, r->config_dir);
    if (r->aio_config_file)
        add_aio(f, r->aio_config_file);
    for (size_t i = 0; i < r->repository_count; i++)
        add(f, strncmp(r->repositories[i], "file://", 7) == 0 ? r->repositories[i] + 7
                                                              : r->repositories[i]);
    return f;
}

void forbidden_free(struct forbidden *f)
{
    for (size_t i = 0; f && i < f->count; i++)
        mem_free(f->places[i].path);
    mem_free(f);
}

static bool within(const char *path, const char *above)
{
    size_t n = strcmp(above, "/") == 0 ? 0 : strlen(above);
    return strncmp(path, above, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

static bool names_aio_volume(const char *path)
{
    return strstr(path, "/nextcloud_aio_") != NULL;
}

/* In a container a volume has any name; the system knows where it comes from. */
static bool on_aio_volume(const char *path)
{
    FILE *in = fopen("/proc/self/mountinfo", "re");
    char line[2 * PATH_MAX + 512];
    size_t best = 0;
    bool aio = false;
    while (in && fgets(line, sizeof line, in)) {
        char root[PATH_MAX], point[PATH_MAX];
        if (sscanf(line, "%*s %*s %*s %4095s %4095s", root, point) != 2 || !within(path, point))
            continue;
        if (strlen(point) >= best) {
            best = strlen(point);
            aio = names_aio_volume(root);
        }
    }
    if (in)
        (void)fclose(in);
    return aio;
}

bool forbidden_path(const struct forbidden *f, const char *real)
{
    for (size_t i = 0; i < f->count; i++)
        if (within(real, f->places[i].path) || within(f->places[i].path, real))
            return true;
    return names_aio_volume(real) || on_aio_volume(real);
}

bool forbidden_inode(const struct forbidden *f, const struct stat *st)
{
    for (size_t i = 0; i < f->count; i++)
        if (f->places[i].exists && f->places[i].st.st_dev == st->st_dev &&
            f->places[i].st.st_ino == st->st_ino)
            return true;
    return false;
}
