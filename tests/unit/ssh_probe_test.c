/* ssh_probe against a real sshd on a loopback port. */
#include "backup/ssh/ssh_probe.h"

#include "backup/ssh/ssh_target.h"
#include "base/mem.h"
#include "loop_kit.h"
#include "sys/proc.h"

#include <arpa/inet.h>
#include <ftw.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- the words ---- */

static void the_word_follows_what_ssh_printed(void **state)
{
    static const struct {
        const char *text;
        int code;
        const char *word;
    } rows[] = {
        {"", 0, "ok"},
        {"Permission denied (publickey).\n", 1, "ok"}, /* said by the command over there */
        {"ssh: Could not resolve hostname nosuch.invalid: Name or service not known\n", 255,
         "name_unresolved"},
        {"ssh: connect to host 127.0.0.1 port 1: Connection refused\n", 255, "connection_refused"},
        {"ssh: connect to host 10.0.0.1 port 22: No route to host\n", 255, "host_unreachable"},
        {"ssh: connect to host 10.0.0.1 port 22: Network is unreachable\n", 255,
         "host_unreachable"},
        {"ssh: connect to host 10.0.0.1 port 22: Connection timed out\n", 255, "connect_timeout"},
        {"Connection to 10.0.0.1 port 22 timed out\n", 255, "connect_timeout"},
        {"No ED25519 host key is known for [h]:1 and you have requested strict checking.\nHost key "
         "verification failed.\n",
         255, "host_key_unknown"},
        {"@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\nHost key verification "
         "failed.\n",
         255, "host_key_changed"},
        {"root@h: Permission denied (publickey,password).\n", 255, "ssh_auth_failed"},
        {"Received disconnect from h: Too many authentication failures\n", 255, "ssh_auth_failed"},
        {"kex_exchange_identification: read: Connection reset by peer\n", 255, "ssh_failed"},
        {"", 255, "ssh_failed"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(ssh_probe_word(rows[i].text, rows[i].code), rows[i].word);
}

/* ---- the command line ---- */

static const char *line_of(const char *location, const char *rsh, bool interactive)
{
    static char text[1024];
    struct arena a;
    struct err e = {0};
    size_t n = 0;
    arena_init(&a, 64 * 1024);
    const char *const *argv = ssh_target_argv(&a, location, rsh, interactive, &e);
    text[0] = '\0';
    if (!argv)
        (void)snprintf(text, sizeof text, "%s", err_word(e.code));
    for (size_t i = 0; argv && argv[i]; i++)
        if (strncmp(argv[i], "-o", 2) != 0 && !strchr(argv[i], '='))
            n += (size_t)snprintf(text + n, sizeof text - n, "%s[%s]", n > 0 ? " " : "", argv[i]);
    arena_done(&a);
    return text;
}

static void every_form_of_a_location_is_understood(void **state)
{
    static const struct {
        const char *location, *rsh, *line;
    } rows[] = {
        {"ssh://me@host:2222/./r", NULL, "[ssh] [-T] [-p] [2222] [me@host] [true]"},
        {"ssh://host/srv/r", NULL, "[ssh] [-T] [host] [true]"},
        {"ssh://me@[::1]:22/r", NULL, "[ssh] [-T] [-p] [22] [me@::1] [true]"},
        {"ssh://[fe80::1]/r", NULL, "[ssh] [-T] [fe80::1] [true]"},
        {"me@host:r", NULL, "[ssh] [-T] [me@host] [true]"},
        {"me@[::1]:r", NULL, "[ssh] [-T] [me@::1] [true]"},
        {"host:/srv/r", "", "[ssh] [-T] [host] [true]"},
        {"host:r", "ssh -i '/root/my key' -p 2",
         "[ssh] [-i] [/root/my key] [-p] [2] [-T] [host] "
         "[true]"},
        {"host:r", "ssh -F \"a\\\"b\" c\\ d ''", "[ssh] [-F] [a\"b] [c d] [] [-T] [host] [true]"},
        {"/srv/r", NULL, "bad_request"},
        {"./a:b", NULL, "bad_request"},
        {"file:///srv/r", NULL, "bad_request"},
        {"ssh:///r", NULL, "bad_request"},
        {"ssh://-oProxyCommand=x/r", NULL, "bad_request"},
        {"-oProxyCommand=x:r", NULL, "bad_request"},
        {"me@-x:r", NULL, "bad_request"},
        {"ssh://host:x1/r", NULL, "bad_request"},
        {"ssh://host:12345678/r", NULL, "bad_request"},
        {"ssh://[::1/r", NULL, "bad_request"},
        {"host:r", "ssh 'open", "bad_request"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(line_of(rows[i].location, rows[i].rsh, true), rows[i].line);
}

static void without_an_askpass_nothing_is_asked(void **state)
{
    struct arena a;
    bool batch[2] = {false, false};
    bool strict = false;
    arena_init(&a, 64 * 1024);
    for (int interactive = 0; interactive < 2; interactive++) {
        const char *const *argv = ssh_target_argv(&a, "h:r", NULL, interactive, NULL);
        for (; *argv; argv++) {
            batch[interactive] = batch[interactive] || strcmp(*argv, "BatchMode=yes") == 0;
            strict = strict || strcmp(*argv, "StrictHostKeyChecking=yes") == 0;
        }
    }
    assert_true(batch[0]);
    assert_false(batch[1]);
    assert_true(strict);
    arena_done(&a);
}

/* ---- a real sshd ---- */

struct server {
    char dir[64], home[96], path[64];
    const char *env[3];
    int port;
    pid_t pid;
    uv_loop_t loop;
    char word[64], sentence[256];
    int started, done;
};

__attribute__((format(printf, 2, 3))) static void shell(const struct server *s, const char *fmt,
                                                        ...)
{
    char command[2048];
    int n = snprintf(command, sizeof command, "cd '%s' && ", s->dir);
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(command + n, sizeof command - (size_t)n, fmt, ap);
    va_end(ap);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static int free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, n), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    (void)close(fd);
    return ntohs(a.sin_port);
}

static bool answers(int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = connect(fd, (struct sockaddr *)&a, sizeof a) == 0;
    (void)close(fd);
    return ok;
}

static int setup(void **state)
{
    struct server *s = mem_zalloc(sizeof *s);
    *state = s;
    (void)snprintf(s->dir, sizeof s->dir, "/tmp/ssh_probe_test.XXXXXX");
    if (!mkdtemp(s->dir) || uv_loop_init(&s->loop) != 0)
        return -1;
    if (access("/usr/sbin/sshd", X_OK) != 0)
        return 0;
    (void)snprintf(s->home, sizeof s->home, "HOME=%s", s->dir);
    s->env[0] = s->home;
    s->env[1] = "PATH=/usr/bin:/bin";
    s->port = free_port();
    shell(s, "mkdir -p /run/sshd && ssh-keygen -q -t ed25519 -N '' -f host && ssh-keygen -q -t "
             "ed25519 -N '' -f key && ssh-keygen -q -t ed25519 -N '' -f other && cp key.pub "
             "authorized && chmod 600 authorized");
    shell(s,
          "printf '%%s\\n' 'Port %d' 'ListenAddress 127.0.0.1' 'HostKey %s/host' "
          "'AuthorizedKeysFile %s/authorized' 'StrictModes no' 'PidFile none' 'UsePAM no' "
          "'PasswordAuthentication no' 'KbdInteractiveAuthentication no' > sshd_config && printf "
          "'[127.0.0.1]:%d %%s\\n' \"$(cat host.pub)\" > known && printf '[127.0.0.1]:%d %%s\\n' "
          "\"$(cat other.pub)\" > changed && : > unknown",
          s->port, s->dir, s->dir, s->port, s->port);
    s->pid = fork();
    if (s->pid == 0) {
        char config[128];
        (void)snprintf(config, sizeof config, "%s/sshd_config", s->dir);
        if (!freopen("/dev/null", "w", stderr))
            _exit(127);
        (void)execl("/usr/sbin/sshd", "/usr/sbin/sshd", "-D", "-f", config, (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 500 && !answers(s->port); i++)
        (void)usleep(10000);
    return answers(s->port) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

static int teardown(void **state)
{
    struct server *s = *state;
    if (s->pid > 0) {
        (void)kill(s->pid, SIGTERM);
        (void)waitpid(s->pid, NULL, 0);
    }
    int r = loop_kit_close(&s->loop);
    (void)nftw(s->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    mem_free(s);
    return r;
}

static void on_started(void *arg, pid_t pid)
{
    struct server *s = arg;
    assert_true(pid > 0);
    s->started++;
}

static void on_probed(void *arg, const char *word, const char *sentence)
{
    struct server *s = arg;
    s->done++;
    (void)snprintf(s->word, sizeof s->word, "%s", word);
    (void)snprintf(s->sentence, sizeof s->sentence, "%s", sentence);
}

static const char *probe(struct server *s, int port, const char *key, const char *known)
{
    char location[128];
    char rsh[512];
    struct err e = {0};
    if (s->pid == 0)
        skip();
    (void)snprintf(location, sizeof location, "ssh://root@127.0.0.1:%d/./repo", port);
    (void)snprintf(rsh, sizeof rsh,
                   "ssh -F none -o GlobalKnownHostsFile=none -o UserKnownHostsFile=%s/%s -i %s/%s",
                   s->dir, known, s->dir, key);
    const struct ssh_probe_spec spec = {.location = location,
                                        .rsh = rsh,
                                        .env = s->env,
                                        .started = on_started,
                                        .done = on_probed,
                                        .arg = s};
    s->word[0] = '\0';
    assert_true(ssh_probe(&s->loop, &spec, &e));
    assert_int_equal(s->done, 0);
    assert_int_equal(uv_run(&s->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(s->done, 1);
    assert_int_equal(s->started, 1);
    s->started = s->done = 0;
    return s->word;
}

static void a_real_ssh_is_explained(void **state)
{
    struct server *s = *state;
    assert_string_equal(probe(s, s->port, "key", "known"), "ok");
    assert_string_equal(probe(s, s->port, "other", "known"), "ssh_auth_failed");
    assert_non_null(strstr(s->sentence, "Permission denied (publickey"));
    assert_string_equal(probe(s, s->port, "key", "unknown"), "host_key_unknown");
    assert_string_equal(probe(s, s->port, "key", "changed"), "host_key_changed");
    assert_string_equal(probe(s, free_port(), "key", "known"), "connection_refused");
    assert_non_null(strstr(s->sentence, "Connection refused"));
}

static void a_forced_command_counts_as_reached(void **state)
{
    struct server *s = *state;
    if (s->pid == 0)
        skip();
    shell(s, "printf 'command=\"exit 3\",restrict %%s\\n' \"$(cat key.pub)\" > authorized");
    assert_string_equal(probe(s, s->port, "key", "known"), "ok");
}

static void a_missing_program_or_host_is_told_at_once(void **state)
{
    static const char *const env[] = {"PATH=/nonexistent", NULL};
    struct server *s = *state;
    struct err e = {0};
    struct ssh_probe_spec spec = {.location = "h:r", .env = env, .done = on_probed, .arg = s};
    assert_false(ssh_probe(&s->loop, &spec, &e));
    assert_int_equal(e.code, ERR_UNAVAILABLE);
    spec.location = "/srv/r";
    assert_false(ssh_probe(&s->loop, &spec, &e));
    assert_int_equal(e.code, ERR_BAD_REQUEST);
    assert_int_equal(uv_run(&s->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(s->done, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_word_follows_what_ssh_printed),
        cmocka_unit_test(every_form_of_a_location_is_understood),
        cmocka_unit_test(without_an_askpass_nothing_is_asked),
        cmocka_unit_test_setup_teardown(a_real_ssh_is_explained, setup, teardown),
        cmocka_unit_test_setup_teardown(a_forced_command_counts_as_reached, setup, teardown),
        cmocka_unit_test_setup_teardown(a_missing_program_or_host_is_told_at_once, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
