#include "backup/control/control_conn.h"

#include "backup/control/control_peer.h"
#include "base/json.h"
#include "base/mem.h"
#include "sys/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void strings_done(struct control_strings *s)
{
    mem_free(s->v);
    buf_wipe(&s->bytes);
}

static bool strings_add(struct control_strings *s, const struct control_msg *m)
{
    for (const char *at = control_msg_next(m, NULL); at; at = control_msg_next(m, at))
        s->count++;
    return s->count <= CONTROL_LIST && buf_append(&s->bytes, m->rest, m->n);
}

/* The vector over the strings; they must not grow any more. */
static bool strings_finish(struct control_strings *s)
{
    s->v = mem_zalloc((s->count + 1) * sizeof *s->v);
    if (!s->v)
        return false;
    const char *at = buf_str(&s->bytes);
    for (size_t i = 0; i < s->count; i++, at += strlen(at) + 1)
        s->v[i] = at;
    return true;
}

static void on_closed(uv_handle_t *h)
{
    struct control_conn *p = h->data;
    struct control *c = p->c;
    strings_done(&p->argv);
    strings_done(&p->env);
    secret_free(p->passphrase);
    mem_free(p);
    control_handle_closed(c);
}

void control_conn_close(struct control_conn *p)
{
    struct control *c = p->c;
    for (struct control_conn **at = &c->conns; *at; at = &(*at)->next) {
        if (*at != p)
            continue;
        *at = p->next;
        c->count--;
        uv_close((uv_handle_t *)&p->poll, on_closed);
        (void)close(p->fd);
        control_place_free(c);
        return;
    }
}

/* The read end of a pipe that holds the secret, its only copy outside; −1 when there is none. */
static int secret_pipe(const struct secret *s)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0)
        return -1;
    size_t n = secret_len(s); /* at most LIMIT_SECRET, which any pipe holds */
    bool ok = n == 0 || write(fds[1], secret_bytes(s), n) == (ssize_t)n;
    (void)close(fds[1]);
    if (ok)
        return fds[0];
    (void)close(fds[0]);
    return -1;
}

static bool send_with_fd(int to, struct buf *b, int fd)
{
    struct iovec part = {.iov_base = b->p, .iov_len = b->n};
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr h = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd >= 0) {
        h.msg_control = control.room;
        h.msg_controllen = sizeof control.room;
        struct cmsghdr *cm = CMSG_FIRSTHDR(&h);
        cm->cmsg_level = SOL_SOCKET;
        cm->cmsg_type = SCM_RIGHTS;
        cm->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(cm), &fd, sizeof fd);
    }
    return sendmsg(to, &h, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)b->n;
}

/* Sends the orders; with a secret also the pipe that holds it. */
static bool answer(struct control_conn *p, enum control_mode mode, const struct secret *secret)
{
    int fd = secret ? secret_pipe(secret) : -1;
    if (secret && fd < 0)
        return false;
    struct control_msg m = {.type = CONTROL_ANSWER,
                            .mode = mode,
                            .fd = secret != NULL,
                            .rest = p->c->borg,
                            .n = strlen(p->c->borg)};
    struct buf b;
    buf_init(&b, CONTROL_MSG);
    bool ok = control_msg_encode(&m, &b) && send_with_fd(p->fd, &b, fd);
    buf_done(&b);
    if (fd >= 0)
        (void)close(fd);
    return ok;
}

static bool ssh_is_new(struct control *c, pid_t ssh)
{
    for (unsigned i = 0; i < CONTROL_SSH_SEEN; i++)
        if (c->ssh_seen[i] == ssh)
            return false;
    c->ssh_seen[c->ssh_next++ % CONTROL_SSH_SEEN] = ssh;
    return true;
}

/* ssh-keygen asks twice; a third question means that it did not like the answers. */
static bool may_ask_new(struct control_conn *p)
{
    struct control *c = p->c;
    unsigned which = p->argv.count == 1 ? control_peer_new_key_prompt(p->argv.v[0]) : 0;
    if (!c->ssh_passphrase || !which || (c->new_key_told & which) ||
        !control_peer_is_keygen(p->pid, c->leader))
        return false;
    c->new_key_told |= which;
    return true;
}

static bool may_ask(struct control_conn *p)
{
    struct control *c = p->c;
    if (c->spec.new_key)
        return may_ask_new(p);
    pid_t shims[CONTROL_CONNS];
    size_t n = 0;
    for (const struct control_conn *q = c->conns; q && n < CONTROL_CONNS; q = q->next)
        if (q->kind == CONTROL_KIND_BORG &&
            (q->state == CONTROL_STARTING || q->state == CONTROL_RUNNING))
            shims[n++] = q->pid;
    if (!c->ssh_passphrase || p->argv.count != 1 || !control_peer_prompt(p->argv.v[0], c->ssh_key))
        return false;
    pid_t ssh = control_peer_ssh(p->pid, c->leader, shims, n);
    return ssh > 0 && ssh_is_new(c, ssh);
}

/* Decides about a peer whose hello is whole. False: it is to be closed. */
static bool give_orders(struct control_conn *p)
{
    struct control *c = p->c;
    p->state = CONTROL_ENDED;
    if (p->kind == CONTROL_KIND_ASKPASS)
        return may_ask(p) ? answer(p, CONTROL_RUN, c->ssh_passphrase)
                          : answer(p, CONTROL_UNTOUCHED, NULL);
    if (!control_peer_is_borg(p->pid, c->leader))
        return answer(p, CONTROL_UNTOUCHED, NULL);
    if (c->ending)
        return answer(p, CONTROL_REFUSED, NULL);
    p->run.n = c->runs++;
    p->run.shim_pid = p->pid;
    p->run.argv = p->argv.v;
    p->state = c->spec.record ? CONTROL_RECORDING : CONTROL_STARTING;
    return c->spec.record ? answer(p, CONTROL_RECORD, NULL)
                          : answer(p, CONTROL_RUN, c->borg_passphrase);
}

void control_conn_leader(struct control_conn *p)
{
    if (p->state == CONTROL_WAITING && !give_orders(p))
        control_conn_close(p);
}

static bool on_hello(struct control_conn *p, const struct control_msg *m)
{
    if (p->state != CONTROL_GREETING || (p->kind && p->kind != m->kind) ||
        !strings_add(&p->argv, m))
        return false;
    p->kind = m->kind;
    if (m->more)
        return true;
    if (!strings_finish(&p->argv))
        return false;
    p->state = CONTROL_WAITING;
    return p->c->leader <= 0 || give_orders(p);
}

static void send_signal(const struct control_conn *p, int signal)
{
    /* borg is its shim's child until the shim has reaped it: its number is then not another's */
    if (procfs_parent(p->run.borg_pid) == p->run.shim_pid)
        (void)kill(p->run.borg_pid, signal);
}

bool control_conn_signal(struct control_conn *p, int signal)
{
    if (p->state == CONTROL_STARTING)
        p->signal = signal;
    else if (p->state == CONTROL_RUNNING)
        send_signal(p, signal);
    else
        return false;
    return true;
}

static bool on_started(struct control_conn *p, const struct control_msg *m)
{
    struct control *c = p->c;
    if (p->state != CONTROL_STARTING)
        return false;
    p->state = CONTROL_RUNNING;
    p->run.borg_pid = m->pid;
    if (p->signal)
        send_signal(p, p->signal);
    if (c->spec.on_start)
        c->spec.on_start(c->spec.arg, &p->run);
    return true;
}

static void report_exit(struct control_conn *p, int code, int signal)
{
    struct control *c = p->c;
    p->state = CONTROL_ENDED;
    if (c->spec.on_exit)
        c->spec.on_exit(c->spec.arg, &p->run, code, signal);
}

static bool on_exit_message(struct control_conn *p, const struct control_msg *m)
{
    struct control *c = p->c;
    if (p->state == CONTROL_RECORDING) {
        if (!p->env.v && !strings_finish(&p->env))
            return false;
        p->run.env = p->env.v;
        p->run.passphrase = p->passphrase;
        if (c->spec.on_start)
            c->spec.on_start(c->spec.arg, &p->run);
        if (c->closing)
            return true;
    } else if (p->state != CONTROL_RUNNING) {
        return false;
    }
    report_exit(p, m->code, m->signal);
    return true;
}

static bool on_json(struct control_conn *p, const struct control_msg *m)
{
    struct control_spec *s = &p->c->spec;
    if (p->state != CONTROL_RUNNING)
        return false;
    json_t *j = json_parse(m->rest, m->n, NULL);
    if (json_is_object(j)) {
        if (s->on_message)
            s->on_message(s->arg, &p->run, j);
    } else if (s->on_text) {
        s->on_text(s->arg, &p->run, m->rest, m->n);
    }
    json_decref(j);
    return true;
}

static bool on_text(struct control_conn *p, const struct control_msg *m)
{
    struct control_spec *s = &p->c->spec;
    if (p->state != CONTROL_RUNNING)
        return false;
    if (s->on_text)
        s->on_text(s->arg, &p->run, m->rest, m->n);
    return true;
}

static bool on_passphrase(struct control_conn *p, const struct control_msg *m)
{
    if (p->state != CONTROL_RECORDING || p->passphrase)
        return false;
    p->passphrase = secret_new(m->rest, m->n);
    return p->passphrase != NULL;
}

/* False: the peer broke the protocol, or memory is gone. */
static bool handle(struct control_conn *p, const struct control_msg *m)
{
    switch (m->type) {
    case CONTROL_HELLO:
        return on_hello(p, m);
    case CONTROL_STARTED:
        return on_started(p, m);
    case CONTROL_JSON:
        return on_json(p, m);
    case CONTROL_TEXT:
        return on_text(p, m);
    case CONTROL_EXIT:
        return on_exit_message(p, m);
    case CONTROL_ENV:
        return p->state == CONTROL_RECORDING && !p->env.v && strings_add(&p->env, m);
    case CONTROL_PASSPHRASE:
        return on_passphrase(p, m);
    case CONTROL_ANSWER:
    case CONTROL_TYPES:
        break;
    }
    return false;
}

/* The peer is gone, or to be sent away. A shim that went without a word was killed. */
static void finish(struct control_conn *p)
{
    struct control *c = p->c;
    if (p->state == CONTROL_RUNNING) {
        report_exit(p, 128 + SIGKILL, SIGKILL);
        if (c->closing)
            return;
    }
    control_conn_close(p);
}

static void on_readable(uv_poll_t *h, int status, int events)
{
    struct control_conn *p = h->data;
    struct control *c = p->c;
    for (int i = 0; i < CONTROL_PER_TURN; i++) {
        ssize_t n = recv(p->fd, c->message, sizeof c->message, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        struct control_msg m;
        bool ok = n > 0 && n <= CONTROL_MSG && control_msg_decode(c->message, (size_t)n, &m) &&
                  handle(p, &m);
        if (n > 0 && n <= CONTROL_MSG &&
            (c->message[0] == CONTROL_ENV || c->message[0] == CONTROL_PASSPHRASE))
            sodium_memzero(c->message, (size_t)n);
        if (c->closing)
            return;
        if (!ok) {
            finish(p);
            return;
        }
    }
}

bool control_conn_open(struct control *c, int fd, pid_t pid)
{
    struct control_conn *p = mem_zalloc(sizeof *p);
    if (!p)
        return false;
    p->c = c;
    p->fd = fd;
    p->pid = pid;
    p->state = CONTROL_GREETING;
    buf_init(&p->argv.bytes, CONTROL_ARGV);
    buf_init(&p->env.bytes, CONTROL_ARGV);
    if (uv_poll_init(c->loop, &p->poll, fd) != 0) {
        mem_free(p);
        return false;
    }
    c->handles++;
    c->count++;
    p->next = c->conns;
    c->conns = p;
    p->poll.data = p;
    if (uv_poll_start(&p->poll, UV_READABLE | UV_DISCONNECT, on_readable) != 0)
        control_conn_close(p);
    return true;
}
