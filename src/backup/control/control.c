#include "backup/control/control.h"

#include "backup/control/control_conn.h"
#include "backup/control/control_dir.h"
#include "backup/control/control_peer.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static void env_done(struct control *c)
{
    for (size_t i = 0; i < sizeof c->env / sizeof *c->env; i++) {
        mem_free(c->env[i]);
        c->env[i] = NULL;
    }
}

/* Gives back all but the handles and the struct itself. */
static void release(struct control *c)
{
    if (c->fd >= 0)
        (void)close(c->fd);
    if (c->dirfd >= 0)
        (void)close(c->dirfd);
    c->fd = c->dirfd = -1;
    control_dir_remove(c->dir);
    env_done(c);
    secret_free(TAKE(c->borg_passphrase));
    secret_free(TAKE(c->ssh_passphrase));
    mem_free(TAKE(c->borg));
    mem_free(TAKE(c->borg_said));
    mem_free(TAKE(c->ssh_key));
    mem_free(TAKE(c->dir));
    mem_free(TAKE(c->socket));
    mem_free(TAKE(c->shim));
}

void control_handle_closed(struct control *c)
{
    if (--c->handles == 0)
        mem_free(c);
}

static void on_listener_closed(uv_handle_t *h)
{
    control_handle_closed(h->data);
}

static void on_connection(uv_poll_t *h, int status, int events)
{
    struct control *c = h->data;
    while (c->count < CONTROL_CONNS) {
        int fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
            return;
        pid_t pid = control_peer_ours(fd);
        if (pid == 0 || !control_conn_open(c, fd, pid))
            (void)close(fd);
    }
    c->listening = false; /* the others wait in the backlog; polling would spin */
    (void)uv_poll_stop(&c->poll);
}

void control_place_free(struct control *c)
{
    if (c->closing || c->listening)
        return;
    c->listening = uv_poll_start(&c->poll, UV_READABLE, on_connection) == 0;
}

static bool copy_spec(struct control *c, const struct control_spec *spec)
{
    c->spec = *spec;
    c->borg = mem_strdup(spec->borg);
    c->borg_said = spec->borg_said && *spec->borg_said ? mem_strdup(spec->borg_said) : NULL;
    c->ssh_key = mem_strdup(spec->ssh_key);
    c->borg_passphrase = secret_dup(spec->borg_passphrase);
    c->ssh_passphrase = secret_dup(spec->ssh_passphrase);
    c->spec.borg = c->borg;
    c->spec.borg_said = c->borg_said;
    c->spec.ssh_key = c->ssh_key;
    c->spec.state_dir = NULL;
    c->spec.borg_passphrase = c->borg_passphrase;
    c->spec.ssh_passphrase = c->ssh_passphrase;
    return c->borg && !c->ssh_key == !spec->ssh_key &&
           !c->borg_passphrase == !spec->borg_passphrase &&
           !c->ssh_passphrase == !spec->ssh_passphrase;
}

static bool open_socket(struct control *c)
{
    struct sockaddr_un address;
    c->dirfd = control_dir_open(c->dir);
    if (c->dirfd < 0)
        return false;
    control_dir_socket(c->dirfd, &address);
    c->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return c->fd >= 0 && bind(c->fd, (const struct sockaddr *)&address, sizeof address) == 0 &&
           fchmodat(c->dirfd, "s", 0600, 0) == 0 && listen(c->fd, 2 * CONTROL_CONNS) == 0;
}

static bool start_listening(struct control *c)
{
    if (uv_poll_init(c->loop, &c->poll, c->fd) != 0)
        return false;
    c->poll.data = c;
    c->handles = 1;
    c->listening = uv_poll_start(&c->poll, UV_READABLE, on_connection) == 0;
    return true;
}

struct control *control_new(uv_loop_t *loop, const struct control_spec *spec, struct err *e)
{
    if ((spec->borg_passphrase && secret_len(spec->borg_passphrase) > LIMIT_SECRET) ||
        (spec->ssh_passphrase && secret_len(spec->ssh_passphrase) > LIMIT_SECRET)) {
        (void)err_set(e, ERR_INVALID_SECRETS, "a passphrase is longer than %d bytes", LIMIT_SECRET);
        return NULL;
    }
    struct control *c = mem_zalloc(sizeof *c);
    if (!c) {
        (void)err_set(e, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    c->loop = loop;
    c->fd = c->dirfd = -1;
    if (!copy_spec(c, spec)) {
        (void)err_set(e, ERR_NO_MEMORY, "out of memory");
        goto fail;
    }
    c->dir = control_dir_make(spec->state_dir, e);
    if (!c->dir)
        goto fail;
    c->socket = mem_printf("%s/s", c->dir);
    c->shim = mem_printf("%s/bin/borg", c->dir);
    if (!c->socket || !c->shim || !open_socket(c) || !start_listening(c)) {
        (void)err_set(e, ERR_INTERNAL, "cannot open the job's control socket: %s", strerror(errno));
        goto fail;
    }
    return c;
fail:
    release(c);
    mem_free(c);
    return NULL;
}

void control_set_leader(struct control *c, pid_t borgmatic)
{
    c->leader = borgmatic;
    struct control_conn *next;
    for (struct control_conn *p = c->conns; p; p = next) {
        next = p->next;
        control_conn_leader(p);
    }
}

const char *control_dir(const struct control *c)
{
    return c->dir;
}

const char *control_shim(const struct control *c)
{
    return c->shim;
}

const char *const *control_env(struct control *c, const char *path)
{
    env_done(c);
    size_t n = 0;
    c->env[n++] = mem_printf("PATH=%s/bin:%s", c->dir, path);
    c->env[n++] = mem_printf("BORGMATIC_API_CONTROL=%s", c->socket);
    c->env[n++] = mem_printf("BORGMATIC_API_BORG=%s", c->borg);
    c->env[n++] = mem_printf("TMPDIR=%s/tmp", c->dir);
    if (c->borg_said)
        c->env[n++] = mem_printf("BORGMATIC_API_BORG_SAID=%s", c->borg_said);
    if (c->ssh_passphrase) {
        c->env[n++] = mem_printf("SSH_ASKPASS=%s/bin/askpass", c->dir);
        c->env[n++] = mem_strdup("SSH_ASKPASS_REQUIRE=force");
    }
    for (size_t i = 0; i < n; i++)
        if (!c->env[i])
            return NULL;
    return (const char *const *)c->env;
}

unsigned control_signal_borg(struct control *c, int signal)
{
    unsigned n = 0;
    if (signal == SIGINT || signal == SIGTERM || signal == SIGKILL)
        c->ending = true;
    for (struct control_conn *p = c->conns; p; p = p->next)
        n += control_conn_signal(p, signal);
    return n;
}

void control_free(struct control *c)
{
    if (!c || c->closing)
        return;
    c->closing = true;
    while (c->conns)
        control_conn_close(c->conns);
    uv_close((uv_handle_t *)&c->poll, on_listener_closed);
    release(c);
}

const char *control_run_command(const struct control_run *run)
{
    for (size_t i = 1; run->argv[0] && run->argv[i]; i++)
        if (run->argv[i][0] != '-')
            return run->argv[i];
    return "";
}

bool control_run_concerns(const struct control_run *run, const char *location)
{
    size_t n = strlen(location);
    for (size_t i = 1; run->argv[0] && run->argv[i]; i++)
        if (strncmp(run->argv[i], location, n) == 0 &&
            (run->argv[i][n] == '\0' || strncmp(run->argv[i] + n, "::", 2) == 0))
            return true;
    return false;
}
