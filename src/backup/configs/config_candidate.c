#include "backup/configs/config_candidate.h"

#include "backup/configs/config_policy.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

bool config_wish_init(struct config_wish *w, const char *dir, const char *label, const char *text,
                      size_t n)
{
    *w = (struct config_wish){.dir = mem_strdup(dir), .label = mem_strdup(label)};
    buf_init(&w->text, LIMIT_YAML);
    return buf_reserve(&w->text, n) && buf_append(&w->text, text, n) && w->dir && w->label;
}

void config_wish_done(struct config_wish *w)
{
    buf_wipe(&w->text);
    mem_free(w->dir);
    mem_free(w->label);
    mem_free(w->if_match);
    mem_free(w->if_none_match);
}

bool config_etag_in(const char *list, const char *etag)
{
    size_t n = strlen(etag);
    if (strcmp(list, "*") == 0)
        return n > 0;
    for (const char *at = list; n > 0 && (at = strstr(at, etag)) != NULL; at += n)
        if ((at == list || strchr(" ,\t", at[-1])) && (at[n] == '\0' || strchr(" ,\t", at[n])))
            return true;
    return false;
}

static bool preconditions(const struct config_wish *w, const struct config_candidate *c,
                          struct err *e)
{
    if (w->if_match && !config_etag_in(w->if_match, c->etag))
        return err_set(e, ERR_PRECONDITION, "%s",
                       c->created ? "there is no such configuration"
                                  : "the configuration has changed since it was read");
    if (w->if_none_match && config_etag_in(w->if_none_match, c->etag))
        return err_set(e, ERR_PRECONDITION, "there is such a configuration already");
    if (!c->created && !w->overwrite)
        return err_field(e, ERR_ALREADY_EXISTS, "overwrite",
                         "Config %s already exists: send \"overwrite\": true to replace it",
                         w->label);
    return true;
}

/* The file as it is: its place, its state, and its secrets for masks that were sent back. */
static bool look(const struct config_wish *w, struct config_candidate *c,
                 struct config_mask **stored, struct err *e)
{
    struct config_file *f = mem_zalloc(sizeof *f);
    struct buf text;
    struct err found = {0};
    if (!f)
        return err_set(e, ERR_NO_MEMORY, "no memory to read the configuration");
    buf_init(&text, LIMIT_YAML);
    bool read = config_files_read(w->dir, w->label, f, &text, &found);
    c->created = found.code == ERR_NOT_FOUND;
    c->mode = c->created ? 0600 : f->st.st_mode & 0777;
    c->uid = f->st.st_uid;
    c->gid = f->st.st_gid;
    (void)snprintf(c->etag, sizeof c->etag, "%s", f->etag);
    int k = c->created ? snprintf(c->path, sizeof c->path, "%s/%s.yaml", w->dir, w->label)
                       : snprintf(c->path, sizeof c->path, "%s", f->path);
    if (read) /* one that is broken has no values to keep, and may be replaced */
        *stored = config_mask_new(buf_str(&text), text.n, &found);
    buf_wipe(&text);
    bool link = f->link, whole = k > 0 && (size_t)k < sizeof c->path;
    mem_free(f);
    if (found.code == ERR_UNAVAILABLE || found.code == ERR_NO_MEMORY) {
        *e = found;
        return false;
    }
    return (!link && whole) || err_field(e, ERR_BAD_REQUEST, "label",
                                         "its file is a symbolic link: change the file that it "
                                         "points to");
}

static bool judge(const struct config_wish *w, struct config_candidate *c,
                  const struct config_mask *stored, struct err *e)
{
    if (!config_mask_merge(buf_str(&w->text), w->text.n, stored, &c->text, e))
        return false;
    c->mask = config_mask_new(buf_str(&c->text), c->text.n, e);
    if (c->mask)
        config_mask_includes(c->mask, w->dir);
    return c->mask && config_text_ok(buf_str(&c->text), c->text.n, e) &&
           config_policy(config_mask_root(c->mask), w->code, e) && config_mask_sound(c->mask, e);
}

struct config_candidate *config_candidate_make(const struct config_wish *w, struct err *e)
{
    struct config_candidate *c = mem_zalloc(sizeof *c);
    struct config_mask *stored = NULL;
    if (!c) {
        (void)err_set(e, ERR_NO_MEMORY, "no memory for a configuration");
        return NULL;
    }
    buf_init(&c->text, LIMIT_YAML);
    bool ok = look(w, c, &stored, e) && preconditions(w, c, e) && judge(w, c, stored, e);
    config_mask_free(stored);
    c->name = strrchr(c->path, '/') ? strrchr(c->path, '/') + 1 : c->path;
    if (ok)
        return c;
    if (e->code == ERR_INVALID_CONFIG) /* of what was sent: the caller's mistake */
        e->code = ERR_BAD_REQUEST;
    config_candidate_free(c);
    return NULL;
}

void config_candidate_free(struct config_candidate *c)
{
    if (!c)
        return;
    buf_wipe(&c->text);
    config_mask_free(c->mask);
    mem_free(c);
}
