#include "backup/repo/resolve_record.h"

#include "backup/control/shim_args.h"
#include "backup/ssh/ssh_target.h"
#include "base/arena.h"
#include "base/mem.h"
#include "limits.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SCAN_MAX = 1024 * 1024 };

/* The public part stands first; its strings live in the arena. */
struct record {
    struct resolved pub;
    struct arena arena;
};

_Static_assert(sizeof(((struct resolved *)0)->repos) / sizeof(struct resolved_repo) == LIMIT_REPOS,
               "struct resolved holds LIMIT_REPOS repositories");

static struct arena *arena_of(struct resolved *res)
{
    return &((struct record *)res)->arena;
}

struct resolved *resolve_record_new(const char *file)
{
    struct record *r = mem_zalloc(sizeof *r);
    if (!r)
        return NULL;
    arena_init(&r->arena, LIMIT_ARENA);
    r->pub.refs = 1;
    r->pub.file = arena_strndup(&r->arena, file, strlen(file));
    if (r->pub.file)
        return &r->pub;
    resolved_unref(&r->pub);
    return NULL;
}

struct resolved *resolved_ref(struct resolved *res)
{
    res->refs++;
    return res;
}

void resolved_unref(struct resolved *res)
{
    if (!res || --res->refs > 0)
        return;
    for (size_t i = 0; i < res->count; i++) {
        union {
            const struct secret *in;
            struct secret *out;
        } owned = {.in = res->repos[i].passphrase};
        secret_free(owned.out);
    }
    arena_done(arena_of(res));
    mem_free(res);
}

const char *resolved_repo_name(const struct resolved_repo *repo)
{
    const char *slash = strrchr(repo->location, '/');
    if (repo->label[0] != '\0')
        return repo->label;
    return slash && slash[1] != '\0' ? slash + 1 : repo->location;
}

const struct resolved_repo *resolved_find(const struct resolved *res, const char *name)
{
    for (size_t i = 0; i < res->count; i++)
        if (strcmp(resolved_repo_name(&res->repos[i]), name) == 0 ||
            strcmp(res->repos[i].location, name) == 0)
            return &res->repos[i];
    return NULL;
}

struct resolved *resolve_record_place(const char *location, const char *rsh)
{
    struct resolved *res = resolve_record_new("");
    if (!res)
        return NULL;
    struct arena *a = arena_of(res);
    AUTO_FREE char *normal = resolve_normal(location);
    const char **options = arena_alloc(a, sizeof *options);
    const char **env = arena_alloc(a, 2 * sizeof *env);
    struct resolved_repo *repo = &res->repos[0];
    repo->label = "";
    repo->remote = true;
    repo->location = arena_strndup(a, location, strlen(location));
    repo->normal = normal ? arena_strndup(a, normal, strlen(normal)) : NULL;
    if (env)
        env[0] = arena_printf(a, "BORG_RSH=%s", rsh);
    repo->options = options;
    repo->env = env;
    res->count = 1;
    if (repo->location && repo->normal && options && env && env[0])
        return res;
    resolved_unref(res);
    return NULL;
}

/* ---- one recorded borg ---- */

/* Options that hold for whatever borg is asked: with a value, and without. */
static const char *const kept_with_value[] = {"--remote-path", "--lock-wait", "--umask",
                                              "--rsh",         "--socket",    "--upload-ratelimit"};

static bool is_kept(const char *arg, bool *joined)
{
    for (size_t i = 0; i < sizeof kept_with_value / sizeof *kept_with_value; i++) {
        size_t n = strlen(kept_with_value[i]);
        if (strncmp(arg, kept_with_value[i], n) == 0 && (arg[n] == '\0' || arg[n] == '=')) {
            *joined = arg[n] == '=';
            return true;
        }
    }
    return false;
}

static const char **array(struct arena *a, const char *const *from)
{
    size_t n = 0;
    while (from && from[n])
        n++;
    return arena_alloc(a, (n + 1) * sizeof(char *));
}

static bool copy_options(struct arena *a, const char *const *argv, struct resolved_repo *repo)
{
    const char **out = array(a, argv);
    size_t n = 0;
    bool joined = false;
    for (size_t i = 1; out && argv[i]; i++) {
        if (!is_kept(argv[i], &joined) || (!joined && !argv[i + 1]))
            continue;
        for (int k = joined ? 1 : 2; k > 0; k--, i++)
            if (!(out[n++] = arena_strndup(a, argv[i], strlen(argv[i]))))
                return false;
        i--;
    }
    repo->options = out;
    return out != NULL;
}

static bool copy_env(struct arena *a, const char *const *env, struct resolved_repo *repo)
{
    const char **out = array(a, env);
    size_t n = 0;
    for (size_t i = 0; out && env && env[i]; i++) {
        if (strncmp(env[i], "BORG_PASSPHRASE", 15) == 0 ||
            strncmp(env[i], "BORG_NEW_PASSPHRASE", 19) == 0)
            continue;
        if (!(out[n++] = arena_strndup(a, env[i], strlen(env[i]))))
            return false;
    }
    repo->env = out;
    return out != NULL;
}

static bool fill(struct resolved *res, const char *location, size_t n,
                 const struct control_run *run, struct resolved_repo *repo)
{
    struct arena *a = arena_of(res);
    char *text = arena_strndup(a, location, n);
    AUTO_FREE char *normal = text ? resolve_normal(text) : NULL;
    repo->location = text;
    repo->normal = normal ? arena_strndup(a, normal, strlen(normal)) : NULL;
    repo->label = "";
    if (!repo->normal || !copy_options(a, run->argv, repo) || !copy_env(a, run->env, repo))
        return false;
    repo->remote = ssh_target_is_remote(text);
    repo->passphrase = secret_dup(run->passphrase);
    return repo->passphrase || !run->passphrase;
}

bool resolve_record_add(struct resolved *res, const struct control_run *run, struct err *e)
{
    size_t n = 0;
    union {
        const char *const *in;
        char *const *out;
    } argv = {.in = run->argv}; /* read only */
    const char *location = shim_args_location(argv.out, &n);
    if (!location || n == 0)
        return true; /* not about a repository */
    for (size_t i = 0; i < res->count; i++)
        if (strlen(res->repos[i].location) == n &&
            strncmp(res->repos[i].location, location, n) == 0)
            return true;
    if (res->count == LIMIT_REPOS)
        return err_set(e, ERR_INVALID_CONFIG, "the configuration has more than %d repositories",
                       LIMIT_REPOS);
    if (!fill(res, location, n, run, &res->repos[res->count]))
        return err_set(e, ERR_NO_MEMORY, "no memory for what the configuration means");
    res->count++;
    return true;
}

bool resolve_record_labels(struct resolved *res, const char *stdout_text)
{
    static const char mark[] = ": Listing repository";
    const char *label[LIMIT_REPOS] = {0};
    size_t len[LIMIT_REPOS] = {0};
    size_t seen = 0;
    for (const char *p = stdout_text; *p;) {
        size_t n = strcspn(p, "\n");
        size_t k = sizeof mark - 1;
        if (n > k && strncmp(p + n - k, mark, k) == 0) {
            if (seen < LIMIT_REPOS) {
                label[seen] = p;
                len[seen] = n - k;
            }
            seen++;
        }
        p += n + (p[n] == '\n');
    }
    for (size_t i = 0; seen == res->count && i < seen; i++) {
        char *text = arena_strndup(arena_of(res), label[i], len[i]);
        if (!text)
            return false;
        /* Without a label borgmatic writes the location. */
        AUTO_FREE char *normal = resolve_normal(text);
        if (normal && strcmp(normal, res->repos[i].normal) != 0)
            res->repos[i].label = text;
    }
    return true;
}

bool resolve_record_local_path(struct resolved *res, const char *path)
{
    res->local_path = arena_strndup(arena_of(res), path, strlen(path));
    return res->local_path != NULL;
}

/* ---- the file's text ---- */

void resolve_scan_text(const char *text, struct resolve_scan *out)
{
    bool location = false;
    bool repositories = false;
    bool included = false;
    *out = (struct resolve_scan){0};
    for (const char *p = text; *p;) {
        size_t n = strcspn(p, "\n");
        size_t code = n; /* what a comment says counts too little to hurt */
        const char *first = p + strspn(p, " \t");
        if (first < p + n && *first == '#')
            code = 0;
        location = location || (code && strncmp(p, "location:", 9) == 0);
        repositories = repositories || (code && strncmp(p, "repositories:", 13) == 0);
        out->local_path = out->local_path || (code && memmem(p, n, "local_path", 10));
        included = included || (code && memmem(p, n, "!include", 8));
        p += n + (p[n] == '\n');
    }
    out->sectioned = location || (included && !repositories);
    out->local_path = out->local_path || included;
}

void resolve_scan_file(const char *file, struct resolve_scan *out)
{
    /* In doubt: the spelling that works for both, and the question that finds out. */
    *out = (struct resolve_scan){.sectioned = true, .local_path = true};
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    char *text = fd >= 0 ? mem_alloc(SCAN_MAX + 1) : NULL;
    size_t n = 0;
    ssize_t got = text ? 1 : 0;
    while (text && n < SCAN_MAX && (got = read(fd, text + n, SCAN_MAX - n)) > 0)
        n += (size_t)got;
    if (text && got == 0 && n < SCAN_MAX) {
        text[n] = '\0';
        resolve_scan_text(text, out);
    }
    if (text)
        explicit_bzero(text, n);
    mem_free(text);
    if (fd >= 0)
        (void)close(fd);
}

bool resolve_program_of(const char *stderr_text, char *out, size_t size)
{
    const char *p = strstr(stderr_text, "Command '");
    if (!p || !strstr(p, "returned non-zero exit status"))
        return false;
    p += strlen("Command '");
    if (strncmp(p, "('", 2) == 0)
        p += 2;
    size_t n = strcspn(p, " '\n");
    int k = snprintf(out, size, "%.*s", (int)n, p);
    return n > 0 && k > 0 && (size_t)k < size;
}
