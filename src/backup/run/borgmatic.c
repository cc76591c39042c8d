#include "backup/run/borgmatic.h"

#include "base/buf.h"
#include "base/jsonw.h"
#include "limits.h"

#include <stdio.h>
#include <string.h>

bool borgmatic_version_parse(const char *text, struct borgmatic_version *v)
{
    const char *p = text + strcspn(text, "0123456789\n");
    struct borgmatic_version got = {0};
    /* "2.0.0b14", "1.9.14.dev0": what follows the third number does not order releases here. */
    if (*p < '0' || *p > '9' || sscanf(p, "%9d.%9d.%9d", &got.major, &got.minor, &got.patch) < 2 ||
        got.minor < 0 || got.patch < 0)
        return false;
    *v = got;
    return true;
}

int borgmatic_version_cmp(struct borgmatic_version a, int major, int minor, int patch)
{
    if (a.major != major)
        return a.major < major ? -1 : 1;
    if (a.minor != minor)
        return a.minor < minor ? -1 : 1;
    return a.patch < patch ? -1 : a.patch > patch;
}

/* The oldest release whose command line was measured. */
static const struct borgmatic_version oldest = {1, 7, 7};

/* What a verb is called: the newest row that is not newer than what is installed. */
static const struct action_row {
    enum borgmatic_verb verb;
    struct borgmatic_version since;
    const char *word;
    bool dry_run;
} actions[] = {
    {BORGMATIC_CREATE, {1, 7, 7}, "create", false},
    {BORGMATIC_CREATE_DRY_RUN, {1, 7, 7}, "create", true},
    {BORGMATIC_CHECK, {1, 7, 7}, "check", false},
    {BORGMATIC_PRUNE, {1, 7, 7}, "prune", false},
    {BORGMATIC_PRUNE_DRY_RUN, {1, 7, 7}, "prune", true},
    {BORGMATIC_COMPACT, {1, 7, 7}, "compact", false},
    {BORGMATIC_REPO_CREATE, {1, 7, 7}, "rcreate", false},
    {BORGMATIC_REPO_CREATE, {1, 9, 0}, "repo-create", false},
    {BORGMATIC_LIST_REPOSITORY, {1, 7, 7}, "rlist", false},
    {BORGMATIC_LIST_REPOSITORY, {1, 9, 0}, "repo-list", false},
    {BORGMATIC_RESOLVE, {1, 7, 7}, "rlist", true},
    {BORGMATIC_RESOLVE, {1, 9, 0}, "repo-list", true},
};

/* Every action of every release: none of them may stand where a caller's value is expected. */
static const char *const action_words[] = {
    "borg",       "bootstrap", "break-lock", "browse",      "check",
    "compact",    "config",    "create",     "delete",      "diff",
    "export-tar", "extract",   "generate",   "import",      "info",
    "init",       "key",       "list",       "mount",       "prune",
    "rcreate",    "rdelete",   "recreate",   "repo-create", "repo-delete",
    "repo-info",  "repo-list", "restore",    "rinfo",       "rlist",
    "show",       "transfer",  "umount",     "validate",    "change-passphrase",
    "export",
};

/* What each flag needs. */
enum flag {
    FLAG_STATS,
    FLAG_LIST,
    FLAG_COMMENT,
    FLAG_REPOSITORY,
    FLAG_PROGRESS,
    FLAG_THRESHOLD,
    FLAG_REPAIR,
    FLAG_FORCE,
    FLAG_MAX_DURATION,
    FLAG_ENCRYPTION,
    FLAG_APPEND_ONLY,
    FLAG_STORAGE_QUOTA,
    FLAG_MAKE_PARENT_DIRS,
    FLAGS
};
#define VERB(v) (1u << BORGMATIC_##v)
#define CREATES (VERB(CREATE) | VERB(CREATE_DRY_RUN))
#define PRUNES (VERB(PRUNE) | VERB(PRUNE_DRY_RUN))
static const struct flag_row {
    const char *name;
    struct borgmatic_version since;
    unsigned verbs; /* bit per verb that knows it */
} flags[FLAGS] = {
    [FLAG_STATS] = {"stats", {1, 7, 7}, CREATES | PRUNES},
    [FLAG_LIST] = {"list", {1, 7, 7}, CREATES | PRUNES},
    [FLAG_COMMENT] = {"comment", {2, 0, 0}, CREATES},
    [FLAG_REPOSITORY] = {"repository", {1, 7, 9}, ~0u},
    [FLAG_PROGRESS] = {"progress", {1, 7, 7}, VERB(COMPACT)},
    [FLAG_THRESHOLD] = {"threshold", {1, 7, 7}, VERB(COMPACT)},
    [FLAG_REPAIR] = {"repair", {1, 7, 7}, VERB(CHECK)},
    [FLAG_FORCE] = {"force", {1, 7, 7}, VERB(CHECK)},
    [FLAG_MAX_DURATION] = {"max-duration", {1, 8, 15}, VERB(CHECK)},
    [FLAG_ENCRYPTION] = {"encryption", {1, 7, 7}, VERB(REPO_CREATE)},
    [FLAG_APPEND_ONLY] = {"append-only", {1, 7, 7}, VERB(REPO_CREATE)},
    [FLAG_STORAGE_QUOTA] = {"storage-quota", {1, 7, 7}, VERB(REPO_CREATE)},
    [FLAG_MAKE_PARENT_DIRS] = {"make-parent-dirs", {1, 7, 7}, VERB(REPO_CREATE)},
};

/* The parts that a check can be narrowed to. */
static const struct {
    const char *name;
    struct borgmatic_version since;
} checks[] = {
    {"repository", {1, 7, 7}}, {"archives", {1, 7, 7}}, {"data", {1, 7, 7}},
    {"extract", {1, 7, 7}},    {"spot", {1, 8, 10}},
};

struct line { /* an argv being built */
    struct arena *a;
    const struct borgmatic_tools *t;
    const struct borgmatic_options *o;
    struct err *e;
    const char **argv;
    size_t n;
};

static bool at_least(const struct borgmatic_tools *t, struct borgmatic_version v)
{
    return borgmatic_version_cmp(t->borgmatic_version, v.major, v.minor, v.patch) >= 0;
}

static bool unsupported(struct line *l, const char *what, struct borgmatic_version since)
{
    struct borgmatic_version v = l->t->borgmatic_version;
    return err_set(l->e, ERR_UNSUPPORTED, "borgmatic %d.%d.%d has no %s; it came with %d.%d.%d",
                   v.major, v.minor, v.patch, what, since.major, since.minor, since.patch);
}

static bool push(struct line *l, const char *arg)
{
    if (!arg)
        return err_set(l->e, ERR_NO_MEMORY, "no memory for borgmatic's command line");
    if (l->n + 1 >= CHILD_ARGS)
        return err_set(l->e, ERR_BAD_REQUEST, "more than %d arguments for borgmatic",
                       CHILD_ARGS - 1);
    l->argv[l->n++] = arg;
    l->argv[l->n] = NULL;
    return true;
}

/* A value that argparse could take for something else never reaches it. */
static bool value_is_safe(struct line *l, const char *field, const char *value)
{
    if (value[0] == '\0')
        return err_field(l->e, ERR_BAD_REQUEST, field, "%s must not be empty", field);
    if (value[0] == '-')
        return err_field(l->e, ERR_BAD_REQUEST, field, "%s must not begin with '-'", field);
    for (const unsigned char *p = (const unsigned char *)value; *p; p++)
        if (*p < 0x20 || *p == 0x7f)
            return err_field(l->e, ERR_BAD_REQUEST, field, "%s must not hold control characters",
                             field);
    for (size_t i = 0; i < sizeof action_words / sizeof *action_words; i++)
        if (strcmp(value, action_words[i]) == 0)
            return err_field(l->e, ERR_BAD_REQUEST, field,
                             "%s must not be the name of a borgmatic action", field);
    return true;
}

/* The API's name of a flag: the field at fault. */
static void name_field(struct err *e, const char *flag)
{
    if (!e)
        return;
    (void)snprintf(e->field, sizeof e->field, "%s", flag);
    for (char *p = e->field; *p; p++)
        *p = *p == '-' ? '_' : *p;
}

static bool push_flag(struct line *l, enum borgmatic_verb verb, enum flag f, const char *value)
{
    const struct flag_row *row = &flags[f];
    if (!(row->verbs >> verb & 1u))
        return err_field(l->e, ERR_BAD_REQUEST, row->name, "%s does not belong to this action",
                         row->name);
    if (!at_least(l->t, row->since)) {
        (void)unsupported(l, row->name, row->since);
        name_field(l->e, row->name);
        return false;
    }
    if (!value)
        return push(l, arena_printf(l->a, "--%s", row->name));
    return value_is_safe(l, row->name, value) &&
           push(l, arena_printf(l->a, "--%s=%s", row->name, value));
}

static const struct action_row *find_action(struct line *l, enum borgmatic_verb verb)
{
    const struct action_row *best = NULL;
    struct borgmatic_version since = {0};
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
        if (actions[i].verb != verb)
            continue;
        since = actions[i].since;
        if (at_least(l->t, since))
            best = &actions[i];
    }
    if (!best)
        (void)unsupported(l, "such action", since);
    return best;
}

/* Before 1.8 options live in sections. From 1.8 on a file may still have them; then the override
 * has to name the section, or the file's own value would win. */
static bool push_override(struct line *l, const char *section, const char *rest)
{
    bool sectioned = l->o->sectioned || borgmatic_version_cmp(l->t->borgmatic_version, 1, 8, 0) < 0;
    return push(l, sectioned ? arena_printf(l->a, "--override=%s.%s", section, rest)
                             : arena_printf(l->a, "--override=%s", rest));
}

static bool push_overrides(struct line *l)
{
    for (const char *const *o = l->o->overrides; o && *o; o++) {
        const char *dot = strchr(*o, '.');
        const char *equals = strchr(*o, '=');
        if (!dot || !equals || dot > equals)
            return err_set(l->e, ERR_INTERNAL, "an override is not section.key=value");
        const char *section = arena_strndup(l->a, *o, (size_t)(dot - *o));
        if (!section)
            return push(l, NULL);
        if (!push_override(l, section, dot + 1))
            return false;
    }
    return true;
}

/* The value is read as YAML by some releases and as it stands by others: it may only hold what is
 * the same in both. */
static bool push_local_path(struct line *l)
{
    const char *path = l->o->local_path;
    if (!path)
        return true;
    if (path[0] != '/' || path[strspn(path, "/ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                            "0123456789._+-")] != '\0')
        return err_set(l->e, ERR_UNAVAILABLE,
                       "the state directory's path may hold only letters, digits and ._+-/");
    return push_override(l, "location", arena_printf(l->a, "local_path=%s", path));
}

static bool push_repository(struct line *l, enum borgmatic_verb verb)
{
    const char *r = l->o->repository;
    if (!r)
        return true;
    if (at_least(l->t, flags[FLAG_REPOSITORY].since))
        return push_flag(l, verb, FLAG_REPOSITORY, r);
    if (!value_is_safe(l, "repository", r))
        return false;
    struct buf b; /* a JSON string is a YAML string */
    buf_init(&b, LIMIT_HEAD);
    (void)buf_puts(&b, "repositories=[\"");
    jsonw_escape(&b, r, strlen(r));
    (void)buf_puts(&b, "\"]");
    const char *text = b.failed ? NULL : arena_strndup(l->a, b.p, b.n);
    buf_done(&b);
    return text ? push_override(l, "location", text) : push(l, NULL);
}

static bool push_verbosity(struct line *l)
{
    int v = l->o->verbosity;
    if (v == BORGMATIC_VERBOSITY_UNSET)
        return true;
    if (v < -2 || v > 2)
        return err_field(l->e, ERR_BAD_REQUEST, "verbosity", "verbosity must be from -2 to 2");
    if (v == -2 && borgmatic_version_cmp(l->t->borgmatic_version, 1, 7, 14) < 0)
        v = -1;
    return push(l, arena_printf(l->a, "--verbosity=%d", v));
}

/* Up to 1.8.2 a run without terminal logs to syslog, and prints a traceback for each line that
 * syslog does not take; a log file switches that off. */
static bool push_quiet_syslog(struct line *l)
{
    if (borgmatic_version_cmp(l->t->borgmatic_version, 1, 8, 3) >= 0)
        return true;
    return push(l, "--log-file=/dev/null");
}

static bool push_switch(struct line *l, enum borgmatic_verb verb, enum flag f, bool on)
{
    return !on || push_flag(l, verb, f, NULL);
}

static bool push_text(struct line *l, enum borgmatic_verb verb, enum flag f, const char *value)
{
    return !value || push_flag(l, verb, f, value);
}

static bool push_number(struct line *l, enum borgmatic_verb verb, enum flag f, unsigned value)
{
    return !value || push_flag(l, verb, f, arena_printf(l->a, "%u", value));
}

/* The value may be the name of an action ("extract"). Where borgmatic looks for those among its
 * words it takes one that belongs to a flag out again, and fails when the two are joined. */
static bool push_only(struct line *l, enum borgmatic_verb verb)
{
    const char *only = l->o->only;
    size_t i = 0;
    if (!only)
        return true;
    while (i < sizeof checks / sizeof *checks && strcmp(checks[i].name, only) != 0)
        i++;
    if (verb != BORGMATIC_CHECK || i == sizeof checks / sizeof *checks)
        return err_field(l->e, ERR_BAD_REQUEST, "only", "only must name a part of a check");
    if (!at_least(l->t, checks[i].since)) {
        (void)unsupported(l, arena_printf(l->a, "check of \"%s\"", only), checks[i].since);
        name_field(l->e, "only");
        return false;
    }
    if (borgmatic_version_cmp(l->t->borgmatic_version, 1, 8, 0) < 0)
        return push(l, "--only") && push(l, only);
    return push(l, arena_printf(l->a, "--only=%s", only));
}

static bool push_options(struct line *l, enum borgmatic_verb verb)
{
    const struct borgmatic_options *o = l->o;
    return push_switch(l, verb, FLAG_STATS, o->stats) && push_switch(l, verb, FLAG_LIST, o->list) &&
           push_text(l, verb, FLAG_COMMENT, o->comment) &&
           push_switch(l, verb, FLAG_PROGRESS, o->progress) &&
           push_number(l, verb, FLAG_THRESHOLD, o->threshold) &&
           push_switch(l, verb, FLAG_REPAIR, o->repair) &&
           push_switch(l, verb, FLAG_FORCE, o->force) &&
           push_number(l, verb, FLAG_MAX_DURATION, o->max_duration) &&
           push_text(l, verb, FLAG_ENCRYPTION, o->encryption) &&
           push_switch(l, verb, FLAG_APPEND_ONLY, o->append_only) &&
           push_text(l, verb, FLAG_STORAGE_QUOTA, o->storage_quota) &&
           push_switch(l, verb, FLAG_MAKE_PARENT_DIRS, o->make_parent_dirs) && push_only(l, verb);
}

static bool build(struct line *l, enum borgmatic_verb verb, const char *config_file)
{
    const struct action_row *action = find_action(l, verb);
    if (!action)
        return false;
    return push(l, l->t->borgmatic) && push(l, action->word) && push(l, "-c") &&
           push(l, config_file) && (!action->dry_run || push(l, "--dry-run")) &&
           push_quiet_syslog(l) && push_verbosity(l) && push_overrides(l) && push_local_path(l) &&
           push_repository(l, verb) && push_options(l, verb);
}

const char *const *borgmatic_argv(struct arena *a, const struct borgmatic_tools *t,
                                  enum borgmatic_verb verb, const char *config_file,
                                  const struct borgmatic_options *o, struct err *e)
{
    static const struct borgmatic_options none = {.verbosity = BORGMATIC_VERBOSITY_UNSET};
    if (t->borgmatic[0] == '\0') {
        (void)err_set(e, ERR_UNAVAILABLE, "%s",
                      t->problem[0] ? t->problem : "borgmatic is not installed");
        return NULL;
    }
    if (!at_least(t, oldest)) {
        (void)err_set(e, ERR_UNSUPPORTED, "borgmatic %d.%d.%d is older than %d.%d.%d",
                      t->borgmatic_version.major, t->borgmatic_version.minor,
                      t->borgmatic_version.patch, oldest.major, oldest.minor, oldest.patch);
        return NULL;
    }
    if (config_file[0] != '/') {
        (void)err_set(e, ERR_INTERNAL, "a config file's path is not absolute");
        return NULL;
    }
    struct line l = {.a = a, .t = t, .o = o ? o : &none, .e = e};
    l.argv = arena_alloc(a, CHILD_ARGS * sizeof *l.argv);
    if (!l.argv) {
        (void)push(&l, NULL);
        return NULL;
    }
    return build(&l, verb, config_file) ? l.argv : NULL;
}
