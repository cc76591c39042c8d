/* One program, several uses: the name it is called by, or its first word, decides. */
#include "aio/target/crash.h"
#include "api/openapi.h"
#include "backup/control/control.h"
#include "backup/restore/confine.h"
#include "base/buf.h"
#include "base/json.h"
#include "config.h"
#include "healthcheck.h"
#include "limits.h"
#include "serve.h"
#include "sys/pty.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>

enum { TEXT_MAX = 1024 * 1024 };

static const char usage[] =
    "usage: borgmatic-api [serve]        run the daemon; settings come from the environment\n"
    "       borgmatic-api healthcheck    exit 0 when the daemon on API_BIND:API_PORT is alive, else 1\n"
    "       borgmatic-api --check-config read the settings, report every fault, start nothing\n"
    "       borgmatic-api openapi        print the API's description (OpenAPI 3.1)\n"
    "       borgmatic-api routes         print the table of routes (Markdown)\n"
    "       borgmatic-api settings       print the table of settings (Markdown)\n"
    "       borgmatic-api --version | --help\n"
    "\nSettings:\n";

static int print(void (*write)(struct buf *))
{
    struct buf b;
    buf_init(&b, TEXT_MAX);
    write(&b);
    bool whole = !b.failed && fwrite(buf_str(&b), 1, b.n, stdout) == b.n && fflush(stdout) == 0;
    buf_done(&b);
    return whole ? EX_OK : EX_IOERR;
}

static int help(void)
{
    (void)fputs(usage, stdout);
    return print(config_help);
}

static int check_config(void)
{
    struct config c;
    struct buf faults, notices;
    buf_init(&faults, TEXT_MAX);
    buf_init(&notices, TEXT_MAX);
    bool sound = config_load(&c, environ, true, &faults, &notices);
    (void)fputs(buf_str(&notices), stderr);
    (void)fputs(buf_str(&faults), stderr);
    if (sound) {
        struct buf dump;
        buf_init(&dump, TEXT_MAX);
        config_dump(&c, &dump);
        (void)fputs(buf_str(&dump), stdout);
        buf_done(&dump);
    }
    config_done(&c);
    buf_done(&faults);
    buf_done(&notices);
    return sound ? EX_OK : EX_CONFIG;
}

#ifdef TEST_BUILD
static int list_crash_steps(void)
{
    for (int i = 0; i < CRASH_STEPS; i++)
        (void)printf("%s\n", crash_step_name((enum crash_step)i));
    return EX_OK;
}

/* serve, to be killed at that step. */
static const char *crash_word(const char *word)
{
    static const char option[] = "--crash-at=";
    size_t n = sizeof option - 1;
    return strncmp(word, option, n) == 0 && crash_at(word + n) ? "serve" : word;
}
#else
#define crash_word(word) (word)
#endif

static const char *called_as(const char *argv0)
{
    const char *slash = strrchr(argv0, '/');
    return slash ? slash + 1 : argv0;
}

int main(int argc, char **argv)
{
    const struct rlimit no_core = {0, 0}; /* memory holds secrets */
    (void)setrlimit(RLIMIT_CORE, &no_core);
    const char *name = argc ? called_as(argv[0]) : "";
    if (strcmp(name, "borg") == 0)
        return shim_main(argc, argv);
    if (strcmp(name, "askpass") == 0)
        return askpass_main(argc, argv);
    if (strcmp(name, "confine") == 0)
        return confine_main(argc, argv);
    if (strcmp(name, PTY_PROGRAM) == 0)
        return pty_main(argc, argv);
    const char *word = crash_word(argc > 1 ? argv[1] : "serve");
    if (argc > 2) {
        (void)fprintf(stderr, "borgmatic-api: too many arguments; see --help\n");
        return EX_USAGE;
    }
    json_use_wiped_memory();
    if (sodium_init() < 0)
        return EX_OSERR;
    if (strcmp(word, "serve") == 0)
        return serve();
#ifdef TEST_BUILD
    if (strcmp(word, "--list-crash-steps") == 0)
        return list_crash_steps();
#endif
    if (strcmp(word, "healthcheck") == 0)
        return healthcheck();
    if (strcmp(word, "--check-config") == 0)
        return check_config();
    if (strcmp(word, "openapi") == 0)
        return print(openapi_document);
    if (strcmp(word, "routes") == 0)
        return print(openapi_markdown);
    if (strcmp(word, "settings") == 0)
        return print(config_markdown);
    if (strcmp(word, "--help") == 0 || strcmp(word, "help") == 0)
        return help();
    if (strcmp(word, "--version") == 0 || strcmp(word, "version") == 0)
        return printf("borgmatic-api %s\n", VERSION) > 0 ? EX_OK : EX_IOERR;
    (void)fprintf(stderr, "borgmatic-api: unknown word '%s'; see --help\n", word);
    return EX_USAGE;
}
