#include "backup/archives/tree.h"

#include "backup/archives/archive_path.h"
#include "base/mem.h"
#include "limits.h"

#include <string.h>

struct node {
    bool implied; /* made up: the archive holds no entry of its own */
    size_t bytes;
    struct entry e; /* its strings are in text */
    char text[];
};

struct tree {
    char *path, *after;
    size_t path_len;
    unsigned depth;
    size_t limit, n, bytes;
    struct node **nodes; /* sorted */
    struct node *self;
    char *folder; /* the deepest folder that was looked for last, so that its files need not */
    size_t folder_cap;
    bool found, more, failed;
};

struct tree *tree_new(const struct tree_page *page)
{
    struct tree *t = mem_zalloc(sizeof *t);
    if (!t)
        return NULL;
    t->depth = page->depth;
    t->limit = page->limit;
    t->path = mem_strdup(page->path);
    t->after = mem_strdup(page->after);
    t->nodes = mem_zalloc((page->limit + 1) * sizeof(struct node *));
    t->found = !page->path[0];
    if (t->path && t->nodes && (t->after || !page->after)) {
        t->path_len = strlen(t->path);
        return t;
    }
    tree_free(t);
    return NULL;
}

void tree_free(struct tree *t)
{
    if (!t)
        return;
    for (size_t i = 0; t->nodes && i < t->n; i++)
        mem_free(t->nodes[i]);
    mem_free(t->nodes);
    mem_free(t->self);
    mem_free(t->folder);
    mem_free(t->path);
    mem_free(t->after);
    mem_free(t);
}

/* ---- nodes ---- */

static const char *copy(char **to, const char *s, size_t n)
{
    char *start = *to;
    memcpy(start, s, n);
    start[n] = '\0';
    *to += n + 1;
    return start;
}

static struct node *node_new(const struct entry *e, size_t path_len, bool implied)
{
    size_t bytes = path_len + strlen(e->user) + strlen(e->group) + strlen(e->target) + 4;
    struct node *n = mem_alloc(sizeof *n + bytes);
    if (!n)
        return NULL;
    char *to = n->text;
    n->implied = implied;
    n->bytes = bytes;
    n->e = *e;
    n->e.path = copy(&to, e->path, path_len);
    n->e.user = copy(&to, e->user, strlen(e->user));
    n->e.group = copy(&to, e->group, strlen(e->group));
    n->e.target = copy(&to, e->target, strlen(e->target));
    return n;
}

/* Where the path is or belongs. */
static size_t place(const struct tree *t, const char *path, bool *there)
{
    size_t low = 0, high = t->n;
    *there = false;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int c = archive_path_compare(t->nodes[mid]->e.path, path);
        if (c == 0) {
            *there = true;
            return mid;
        }
        if (c < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* The page is full: what comes last waits for the next one. At least one entry stays. */
static void trim(struct tree *t)
{
    while (t->n > t->limit || (t->bytes > TREE_BYTES && t->n > 1)) {
        struct node *last = t->nodes[--t->n];
        t->bytes -= last->bytes;
        t->more = true;
        mem_free(last);
    }
}

static void insert(struct tree *t, struct node *n)
{
    bool there;
    size_t i = n ? place(t, n->e.path, &there) : 0;
    if (!n) {
        t->failed = true;
        return;
    }
    if (there && n->implied) {
        mem_free(n);
        return;
    }
    t->bytes += n->bytes;
    if (there) {
        t->bytes -= t->nodes[i]->bytes;
        mem_free(t->nodes[i]);
        t->nodes[i] = n;
        return;
    }
    memmove(t->nodes + i + 1, t->nodes + i, (t->n - i) * sizeof(struct node *));
    t->nodes[i] = n;
    t->n++;
    trim(t);
}

/* True when this page cannot show the path. */
static bool elsewhere(struct tree *t, const char *path)
{
    if (t->after && archive_path_compare(path, t->after) <= 0)
        return true;
    if (!t->more || !t->n || archive_path_compare(path, t->nodes[t->n - 1]->e.path) <= 0)
        return false;
    return true;
}

/* ---- what comes ---- */

/* The folder that is the first `n` bytes of the path. */
static void add_folder(struct tree *t, const char *path, size_t n)
{
    char name[ARCHIVE_PATH_MAX + 1];
    bool there;
    if (n > ARCHIVE_PATH_MAX)
        return;
    memcpy(name, path, n);
    name[n] = '\0';
    if (elsewhere(t, name))
        return;
    (void)place(t, name, &there);
    if (there)
        return;
    const struct entry e = {
        .type = 'd', .path = name, .user = "", .group = "", .target = "", .size = 0};
    insert(t, node_new(&e, n, true));
}

/* Folders on the way to what is `n` bytes of path, but for those seen a moment ago. */
static void add_folders(struct tree *t, const char *path, size_t n)
{
    if (t->folder && strncmp(t->folder, path, n) == 0 && t->folder[n] == '\0')
        return;
    size_t from = t->path_len ? t->path_len + 1 : 0;
    for (size_t i = from; i < n; i++)
        if (path[i] == '/')
            add_folder(t, path, i);
    add_folder(t, path, n);
    if (!t->folder || n + 1 > t->folder_cap) {
        mem_free(t->folder);
        t->folder_cap = n + 256;
        t->folder = mem_alloc(t->folder_cap);
        if (!t->folder) {
            t->folder_cap = 0;
            return; /* only slower */
        }
    }
    memcpy(t->folder, path, n);
    t->folder[n] = '\0';
}

/* Bytes of `path` up to the end of its part number `depth` beneath the tree's own path. */
static size_t cut(const struct tree *t, const char *path, bool *deeper)
{
    size_t i = t->path_len ? t->path_len + 1 : 0;
    for (unsigned d = 0;; i++) {
        i += strcspn(path + i, "/");
        if (!path[i] || ++d == t->depth)
            break;
    }
    *deeper = path[i] != '\0';
    return i;
}

static bool beneath(const struct tree *t, const char *path)
{
    return !t->path_len || (strncmp(path, t->path, t->path_len) == 0 && path[t->path_len] == '/');
}

void tree_add(void *tree, const struct entry *e)
{
    struct tree *t = tree;
    if (strcmp(e->path, ".") == 0)
        return; /* the root itself */
    if (t->path_len && strcmp(e->path, t->path) == 0) {
        t->found = true;
        mem_free(t->self);
        t->self = node_new(e, t->path_len, false);
        t->failed = t->failed || !t->self;
        return;
    }
    if (!beneath(t, e->path))
        return;
    t->found = true;
    bool deeper;
    size_t n = cut(t, e->path, &deeper);
    if (deeper) {
        add_folders(t, e->path, n);
        return;
    }
    const char *slash = strrchr(e->path, '/');
    size_t folder = slash ? (size_t)(slash - e->path) : 0;
    if (folder > t->path_len)
        add_folders(t, e->path, folder);
    if (!elsewhere(t, e->path))
        insert(t, node_new(e, n, false));
}

/* ---- what is told ---- */

bool tree_failed(const struct tree *t)
{
    return t->failed;
}

bool tree_found(const struct tree *t)
{
    return t->found;
}

size_t tree_count(const struct tree *t)
{
    return t->n;
}

void tree_write(const struct tree *t, struct jsonw *w)
{
    jsonw_key(w, "entry");
    if (t->self)
        entry_write(w, &t->self->e, t->self->implied);
    else
        jsonw_null(w);
    jsonw_key(w, "entries");
    jsonw_begin_array(w);
    for (size_t i = 0; i < t->n; i++)
        entry_write(w, &t->nodes[i]->e, t->nodes[i]->implied);
    jsonw_end_array(w);
    if (t->more && t->n)
        archive_path_write_encoded(w, "cursor", t->nodes[t->n - 1]->e.path);
    else
        jsonw_kstr(w, "cursor", NULL);
}
