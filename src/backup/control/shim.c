/* shim: what borgmatic starts as `borg`.
 *
 * Asks the job's control socket what to do: step aside for the real borg, run it and report, or
 * only note what it was called with. Without an answer it steps aside: a borg that runs unseen is
 * better than none. Small and quick: no loop, no store. */
#include "backup/control/control.h"
#include "backup/control/control_link.h"
#include "backup/control/shim_args.h"
#include "backup/control/shim_env.h"
#include "backup/control/shim_run.h"
#include "base/buf.h"
#include "base/jsonw.h"
#include "base/mem.h"
#include "limits.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PATH_ROOM = 4096,
    NO_PROGRAM = 127,
    REFUSED = 2 /* an error to every borgmatic */,
    OUT_MAX = 64 * 1024
};

/* A program that can be run and is not this one, under whatever name. */
static bool is_real(const char *path)
{
    struct stat ours, there;
    return path[0] == '/' && access(path, X_OK) == 0 && stat(path, &there) == 0 &&
           S_ISREG(there.st_mode) && stat("/proc/self/exe", &ours) == 0 &&
           (ours.st_dev != there.st_dev || ours.st_ino != there.st_ino);
}

/* The real borg: as the daemon said, else the first on PATH that is not us. */
static bool find_borg(const char *told, char *out, size_t size)
{
    const char *named[] = {told, getenv("BORGMATIC_API_BORG")};
    for (size_t i = 0; i < 2; i++) {
        if (!named[i] || !is_real(named[i]))
            continue;
        int n = snprintf(out, size, "%s", named[i]);
        return n > 0 && (size_t)n < size;
    }
    const char *path = getenv("PATH");
    for (; path && *path; path += strcspn(path, ":"), path += *path == ':') {
        int len = (int)strcspn(path, ":");
        int n = snprintf(out, size, "%.*s/borg", len, path);
        if (n > 0 && (size_t)n < size && is_real(out))
            return true;
    }
    return false;
}

/* Replaces us by the real borg, nothing changed. Returns only when that fails. */
static int step_aside(const char *told, char **argv)
{
    char borg[PATH_ROOM];
    if (!find_borg(told, borg, sizeof borg)) {
        (void)fprintf(stderr, "borg: no borg is installed\n");
        return NO_PROGRAM;
    }
    (void)execv(borg, argv);
    (void)fprintf(stderr, "borg: cannot run %s: %s\n", borg, strerror(errno));
    return NO_PROGRAM;
}

/* `borg --version` alone, answered as the real one did when the daemon asked it, as long as its
 * file has not changed since. */
static bool say_version(char *const *argv)
{
    const char *borg = getenv("BORGMATIC_API_BORG"), *said = getenv("BORGMATIC_API_BORG_SAID");
    char changed[48];
    struct stat st;
    if (!borg || !said || !argv[1] || strcmp(argv[1], "--version") != 0 || argv[2] ||
        !is_real(borg) || stat(borg, &st) != 0)
        return false;
    int n = snprintf(changed, sizeof changed, "%lld.%09ld ", (long long)st.st_mtim.tv_sec,
                     st.st_mtim.tv_nsec);
    return n > 0 && strncmp(said, changed, (size_t)n) == 0 && said[n] &&
           printf("%s\n", said + n) > 0 && fflush(stdout) == 0;
}

/* What `borg --json` prints for a repository without archives. */
static void print_empty(char *const *argv)
{
    size_t n;
    const char *location = shim_args_location(argv, &n);
    struct buf b;
    struct jsonw w;
    buf_init(&b, OUT_MAX);
    jsonw_init(&w, &b);
    jsonw_begin_object(&w);
    jsonw_kraw(&w, "archives", "[]");
    jsonw_kraw(&w, "encryption", "{\"mode\": \"none\"}");
    jsonw_key(&w, "repository");
    jsonw_begin_object(&w);
    jsonw_kstr(&w, "id", "");
    jsonw_kstr(&w, "last_modified", "1970-01-01T00:00:00.000000");
    jsonw_key(&w, "location");
    jsonw_strn(&w, location ? location : "", n);
    jsonw_end_object(&w);
    jsonw_end_object(&w);
    if (!b.failed)
        (void)printf("%s\n", buf_str(&b));
    buf_done(&b);
}

/* Notes instead of running: environment, passphrase, end. */
static int record(struct control_link *link, char *const *argv)
{
    struct secret *passphrase = shim_env_read_passphrase();
    const char **list = shim_env_list();
    struct control_msg env = {.type = CONTROL_ENV};
    bool ok = list && control_link_send_strings(link, env, list);
    if (ok && passphrase) {
        struct control_msg m = {.type = CONTROL_PASSPHRASE,
                                .rest = secret_bytes(passphrase),
                                .n = secret_len(passphrase)};
        ok = control_link_send(link, &m, false);
    }
    secret_free(passphrase);
    mem_free(list);
    struct control_msg end = {.type = CONTROL_EXIT};
    ok = ok && control_link_send(link, &end, false);
    control_link_close(link);
    if (!ok)
        return REFUSED;
    if (shim_args_has_json(argv))
        print_empty(argv);
    return fflush(stdout) == 0 ? 0 : REFUSED;
}

static int run(struct control_link *link, const struct control_orders *orders, char **argv)
{
    char borg[PATH_ROOM];
    struct shim_args args;
    if (!find_borg(orders->borg, borg, sizeof borg)) {
        (void)fprintf(stderr, "borg: no borg is installed\n");
        return NO_PROGRAM;
    }
    (void)setrlimit(RLIMIT_CORE, &(struct rlimit){0}); /* borg's memory holds the key */
    if ((orders->fd >= 0 && !shim_env_give_passphrase(orders->fd)) ||
        !shim_args_make(argv, borg, &args)) {
        (void)fprintf(stderr, "borg: out of memory\n");
        return REFUSED;
    }
    shim_env_complete(argv);
    int code = shim_run(link, &args, orders->fd);
    shim_args_done(&args);
    return code;
}

int shim_main(int argc, char **argv)
{
    static struct control_link link;
    static struct control_orders orders;
    if (argc < 1)
        return NO_PROGRAM;
    if (say_version(argv))
        return 0;
    if (shim_args_is_version(argv) || !control_link_open(&link))
        return step_aside(NULL, argv);
    struct control_msg hello = {.type = CONTROL_HELLO, .kind = CONTROL_KIND_BORG};
    if (!control_link_send_strings(&link, hello, (const char *const *)argv) ||
        !control_link_orders(&link, &orders))
        return step_aside(NULL, argv);
    switch (orders.mode) {
    case CONTROL_RUN:
        return run(&link, &orders, argv);
    case CONTROL_RECORD:
        return record(&link, argv);
    case CONTROL_REFUSED:
        (void)fprintf(stderr, "borg: not started, the job is being ended\n");
        return REFUSED;
    case CONTROL_UNTOUCHED:
        break;
    }
    control_link_close(&link);
    return step_aside(orders.borg, argv);
}
