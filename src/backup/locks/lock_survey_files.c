/* What a survey reads on worker threads: the names of the configurations, and locks. */
#include "backup/locks/lock_look.h"
#include "backup/locks/lock_survey_internal.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- configurations ---- */

struct name {
    char text[LIMIT_LABEL + sizeof ".yaml"];
};

struct listing {
    uv_work_t work;
    struct lock_survey *s;
    void (*listed)(struct lock_survey *s);
    char *dir;
    struct name *names;
    size_t n;
    bool cut; /* there are more */
    int error;
};

/* Length of the label in "LABEL.yaml" or "LABEL.yml", 0 when it is no configuration of ours. */
static size_t label_length(const char *name)
{
    static const char more[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    const char *dot = strrchr(name, '.');
    size_t n = dot ? (size_t)(dot - name) : 0;
    if (n < 1 || n > LIMIT_LABEL || strchr("._-", name[0]) ||
        (strcmp(dot, ".yaml") != 0 && strcmp(dot, ".yml") != 0))
        return 0;
    return strspn(name, more) == strlen(name) ? n : 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct name *)a)->text, ((const struct name *)b)->text);
}

static bool keep_name(struct listing *l, const char *name)
{
    struct name *more = mem_realloc(l->names, (l->n + 1) * sizeof *more);
    if (!more)
        return false;
    l->names = more;
    (void)snprintf(l->names[l->n++].text, sizeof more->text, "%.*s", (int)sizeof more->text - 1,
                   name);
    return true;
}

static void list_work(uv_work_t *w)
{
    struct listing *l = w->data;
    DIR *d = opendir(l->dir);
    l->error = d ? 0 : errno;
    for (const struct dirent *e; d && !l->cut && (e = readdir(d)) != NULL;)
        if (label_length(e->d_name) > 0)
            l->cut = l->n == 2 * (size_t)LIMIT_CONFIGS || !keep_name(l, e->d_name);
    if (d)
        (void)closedir(d);
    if (l->n)
        qsort(l->names, l->n, sizeof *l->names, by_name);
}

/* "x.yaml" stands before "x.yml" and counts. */
static bool repeated(const struct listing *l, size_t i)
{
    size_t n = label_length(l->names[i].text);
    return i > 0 && label_length(l->names[i - 1].text) == n &&
           memcmp(l->names[i - 1].text, l->names[i].text, n) == 0;
}

static void take_names(struct lock_survey *s, const struct listing *l)
{
    s->cut = l->cut;
    for (size_t i = 0; i < l->n; i++) {
        const char *name = l->names[i].text;
        char label[LIMIT_LABEL + 1];
        (void)snprintf(label, sizeof label, "%.*s", (int)label_length(name), name);
        AUTO_FREE char *file = mem_printf("%s/%s", l->dir, name);
        if (repeated(l, i))
            continue;
        if (s->count == LIMIT_CONFIGS || !file || !survey_add(s, label, file))
            s->cut = true;
    }
}

static void list_done(uv_work_t *w, int status)
{
    struct listing *l = w->data;
    struct lock_survey *s = l->s;
    if (l->error)
        (void)snprintf(s->problem, sizeof s->problem, "the configurations cannot be listed: %s",
                       strerror(l->error));
    take_names(s, l);
    if (!s->over)
        l->listed(s);
    mem_free(l->names);
    mem_free(l->dir);
    mem_free(l);
    survey_unref(s);
}

bool survey_list(struct lock_survey *s, void (*listed)(struct lock_survey *s))
{
    struct listing *l = mem_zalloc(sizeof *l);
    if (!l)
        return false;
    l->work.data = l;
    l->s = s;
    l->listed = listed;
    l->dir = mem_strdup(s->config_dir);
    if (!l->dir || uv_queue_work(s->context.loop, &l->work, list_work, list_done) != 0) {
        mem_free(l->dir);
        mem_free(l);
        return false;
    }
    s->refs++;
    return true;
}

/* ---- locks ---- */

struct looking {
    uv_work_t work;
    struct survey_item *it;
    void (*looked)(struct survey_item *it);
    size_t n;
    struct {
        size_t at; /* index of the repository */
        char *path, *host_id;
        struct lock_state *found;
    } repos[LIMIT_REPOS];
};

static void look_work(uv_work_t *w)
{
    struct looking *l = w->data;
    for (size_t i = 0; i < l->n; i++) {
        struct lock_host us;
        lock_host_read(l->repos[i].host_id, &us);
        if (l->repos[i].found)
            lock_look(l->repos[i].path, &us, l->repos[i].found);
    }
}

static void looking_free(struct looking *l)
{
    for (size_t i = 0; i < l->n; i++) {
        mem_free(l->repos[i].path);
        mem_free(l->repos[i].host_id);
        mem_free(l->repos[i].found);
    }
    mem_free(l);
}

static void look_done(uv_work_t *w, int status)
{
    struct looking *l = w->data;
    struct survey_item *it = l->it;
    struct lock_survey *s = it->s;
    for (size_t i = 0; !s->over && i < l->n; i++)
        it->c.locks[l->repos[i].at] = TAKE(l->repos[i].found);
    if (!s->over)
        l->looked(it);
    looking_free(l);
    survey_unref(s);
}

const char *lock_host_id(const struct resolved_repo *repo, const char *const *env)
{
    static const char name[] = "BORG_HOST_ID=";
    const char *const *lists[] = {repo->env, env};
    for (size_t i = 0; i < 2; i++)
        for (const char *const *v = lists[i]; v && *v; v++)
            if (strncmp(*v, name, sizeof name - 1) == 0)
                return *v + sizeof name - 1;
    return NULL;
}

bool survey_look(struct survey_item *it, void (*looked)(struct survey_item *it))
{
    struct lock_survey *s = it->s;
    struct looking *l = mem_zalloc(sizeof *l);
    bool ok = l != NULL;
    for (size_t i = 0; ok && i < it->c.config->count; i++) {
        const struct resolved_repo *r = &it->c.config->repos[i];
        const char *id = lock_host_id(r, s->context.env);
        if (r->remote || !survey_wants(s, r))
            continue;
        l->repos[l->n].at = i;
        l->repos[l->n].path = mem_strdup(r->normal);
        l->repos[l->n].host_id = mem_strdup(id);
        l->repos[l->n].found = mem_zalloc(sizeof *l->repos[l->n].found);
        ok = l->repos[l->n].path && l->repos[l->n].found && (l->repos[l->n].host_id || !id);
        l->n++;
    }
    if (ok) {
        l->work.data = l;
        l->it = it;
        l->looked = looked;
        ok = uv_queue_work(s->context.loop, &l->work, look_work, look_done) == 0;
    }
    if (ok)
        s->refs++;
    else if (l)
        looking_free(l);
    return ok;
}
