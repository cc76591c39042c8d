#include "backup/control/shim_args.h"

#include "base/mem.h"

#include <string.h>

/* Nobody is there to type: where no key is taken, ssh would send empty passwords, and servers lock
 * out addresses for that. */
static const char ssh_options[] =
    "-o StrictHostKeyChecking=yes -o ConnectTimeout=20 -o IdentitiesOnly=yes"
    " -o UpdateHostKeys=no -o PasswordAuthentication=no -o KbdInteractiveAuthentication=no"
    " -o ServerAliveInterval=30 -o ServerAliveCountMax=3";

/* Commands that show progress; what is in neither table gets --log-json only. */
static const char *const with_progress[] = {
    "check",      "compact", "create",   "delete",   "export-tar", "extract",
    "import-tar", "prune",   "recreate", "transfer", NULL,
};
/* Commands whose stderr is another program's, or nobody's. */
static const char *const left_alone[] = {"benchmark", "debug", "help", "serve", "umount", NULL};

/* Common options that take the next word as their value, when they stand before the command. */
static const char *const with_value[] = {
    "--debug-topic",
    "--umask",
    "--remote-path",
    "--remote-ratelimit",
    "--upload-ratelimit",
    "--remote-buffer",
    "--upload-buffer",
    "--debug-profile",
    "--rsh",
    "--lock-wait",
    "--socket",
    "--repo",
    "-r",
    NULL,
};

static bool is_in(const char *word, const char *const *list)
{
    for (; *list; list++)
        if (strcmp(word, *list) == 0)
            return true;
    return false;
}

/* Index of the command, or 0. */
static size_t find_command(char *const *argv)
{
    for (size_t i = 1; argv[0] && argv[i]; i++) {
        if (argv[i][0] != '-')
            return i;
        if (is_in(argv[i], with_value) && argv[i + 1])
            i++;
    }
    return 0;
}

/* A bundle of one-letter flags without values, such as "-sp". */
static bool is_bundle_with(const char *word, char letter)
{
    return word[0] == '-' && word[1] && strspn(word + 1, "npsvx") == strlen(word + 1) &&
           strchr(word + 1, letter);
}

static bool has_option(char *const *argv, const char *name, char letter)
{
    for (size_t i = 1; argv[0] && argv[i] && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], name) == 0 || (letter && is_bundle_with(argv[i], letter)))
            return true;
    return false;
}

bool shim_args_is_version(char *const *argv)
{
    for (size_t i = 1; argv[0] && argv[i] && argv[i][0] == '-'; i++)
        if (strcmp(argv[i], "--version") == 0 || strcmp(argv[i], "-V") == 0)
            return true;
    return false;
}

bool shim_args_has_json(char *const *argv)
{
    return has_option(argv, "--json", 0);
}

const char *shim_args_command(char *const *argv)
{
    size_t at = find_command(argv);
    return at ? argv[at] : NULL;
}

bool shim_args_mounts(const char *command)
{
    static const char *const list[] = {"mount", "umount", "with-lock", NULL};
    return !command || is_in(command, list);
}

const char *shim_args_location(char *const *argv, size_t *n)
{
    const char *last = NULL;
    size_t command = find_command(argv);
    for (size_t i = command + 1; command && argv[i]; i++)
        if (argv[i][0] != '-')
            last = argv[i];
    const char *archive = last ? strstr(last, "::") : NULL;
    *n = archive ? (size_t)(archive - last) : last ? strlen(last) : 0;
    return last;
}

/* The first word as a shell would read it, as far as a program's name needs it. */
static bool is_ssh(const char *rsh)
{
    char word[256];
    size_t n = 0;
    char quote = 0;
    const char *p = rsh + strspn(rsh, " \t");
    for (; *p && n < sizeof word - 1; p++) {
        if (quote ? *p == quote : *p == '"' || *p == '\'')
            quote = quote ? 0 : *p;
        else if (!quote && (*p == ' ' || *p == '\t'))
            break;
        else
            word[n++] = *p;
    }
    word[n] = '\0';
    const char *slash = strrchr(word, '/');
    return strcmp(slash ? slash + 1 : word, "ssh") == 0;
}

char *shim_args_rsh(const char *rsh)
{
    if (!rsh || !*rsh)
        rsh = "ssh";
    return is_ssh(rsh) ? mem_printf("%s %s", rsh, ssh_options) : NULL;
}

/* Replaces the value of --rsh; the last one counts, and there is one at most in practice. */
static void replace_rsh(struct shim_args *a)
{
    for (size_t i = 1; a->argv[i] && strcmp(a->argv[i], "--") != 0; i++) {
        bool apart = strcmp(a->argv[i], "--rsh") == 0 && a->argv[i + 1];
        bool joined = strncmp(a->argv[i], "--rsh=", 6) == 0;
        if (!apart && !joined)
            continue;
        AUTO_FREE char *value = shim_args_rsh(apart ? a->argv[i + 1] : a->argv[i] + 6);
        char *word = value && joined ? mem_printf("--rsh=%s", value) : TAKE(value);
        if (!word)
            return;
        a->argv[apart ? i + 1 : i] = word;
        mem_free(a->rsh);
        a->rsh = word;
        return;
    }
}

bool shim_args_make(char *const *argv, char *borg, struct shim_args *out)
{
    static char log_json[] = "--log-json", progress[] = "--progress", stats[] = "--stats";
    *out = (struct shim_args){0};
    size_t n = 0, command = find_command(argv);
    while (argv[n])
        n++;
    out->argv = mem_zalloc((n + 5) * sizeof *out->argv);
    if (!out->argv)
        return false;
    const char *name = command ? argv[command] : "";
    bool plain = command == 0 || is_in(name, left_alone) || has_option(argv, "--help", 0);
    out->own_log_json = has_option(argv, log_json, 0);
    out->own_progress = has_option(argv, progress, 'p');
    out->log_json = !plain || out->own_log_json;
    out->added_stats = !plain && strcmp(name, "create") == 0 &&
                       !has_option(argv, "--dry-run", 'n') && !has_option(argv, "--json", 0) &&
                       !has_option(argv, stats, 's');
    size_t to = 0;
    out->argv[to++] = borg;
    if (!plain && !out->own_log_json)
        out->argv[to++] = log_json;
    if (!plain && !out->own_progress && is_in(name, with_progress))
        out->argv[to++] = progress;
    for (size_t i = 1; i < n; i++) {
        out->argv[to++] = argv[i];
        if (i == command && out->added_stats)
            out->argv[to++] = stats;
    }
    replace_rsh(out);
    return true;
}

void shim_args_done(struct shim_args *a)
{
    mem_free(a->argv);
    mem_free(a->rsh);
    *a = (struct shim_args){0};
}
