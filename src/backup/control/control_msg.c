#include "backup/control/control_msg.h"

#include "limits.h"

#include <string.h>

_Static_assert((int)CONTROL_REST_MAX + 16 == (int)CONTROL_MSG, "a full rest must fit a message");

enum { SIGNAL_MAX = 64, CODE_MAX = 255 };

/* Bytes of the fixed fields behind the type; what lies behind them is the rest. */
static size_t fixed_size(enum control_msg_type type)
{
    switch (type) {
    case CONTROL_HELLO:
    case CONTROL_ANSWER:
        return 2;
    case CONTROL_ENV:
        return 1;
    case CONTROL_STARTED:
        return 4;
    case CONTROL_EXIT:
        return 8;
    case CONTROL_JSON:
    case CONTROL_TEXT:
    case CONTROL_PASSPHRASE:
    case CONTROL_TYPES:
        break;
    }
    return 0;
}

static bool is_strings(const struct control_msg *m)
{
    return m->n == 0 || m->rest[m->n - 1] == '\0';
}

/* The one rule of what is valid, for both directions. */
static bool is_valid(const struct control_msg *m)
{
    if (m->n > CONTROL_REST_MAX)
        return false;
    switch (m->type) {
    case CONTROL_HELLO:
        return (m->kind == CONTROL_KIND_BORG || m->kind == CONTROL_KIND_ASKPASS) && is_strings(m);
    case CONTROL_ANSWER:
        return m->mode >= CONTROL_UNTOUCHED && m->mode <= CONTROL_REFUSED &&
               (m->n == 0 || memchr(m->rest, '\0', m->n) == NULL);
    case CONTROL_ENV:
        return is_strings(m);
    case CONTROL_STARTED:
        return m->pid > 0 && m->n == 0;
    case CONTROL_EXIT:
        return m->code >= 0 && m->code <= CODE_MAX && m->signal >= 0 && m->signal <= SIGNAL_MAX &&
               m->n == 0;
    case CONTROL_JSON:
    case CONTROL_TEXT:
        return m->n <= LIMIT_LINE;
    case CONTROL_PASSPHRASE:
        return m->n <= LIMIT_SECRET;
    case CONTROL_TYPES:
        break;
    }
    return false;
}

static void put_i32(struct buf *out, int32_t v)
{
    uint32_t u = (uint32_t)v;
    for (int i = 0; i < 4; i++)
        (void)buf_putc(out, (char)(u >> (8 * i)));
}

static int32_t get_i32(const unsigned char *p)
{
    return (int32_t)((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
                     (uint32_t)p[3] << 24);
}

bool control_msg_encode(const struct control_msg *m, struct buf *out)
{
    if (!is_valid(m))
        return false;
    (void)buf_putc(out, (char)m->type);
    switch (m->type) {
    case CONTROL_HELLO:
        (void)buf_putc(out, (char)m->kind);
        (void)buf_putc(out, (char)m->more);
        break;
    case CONTROL_ANSWER:
        (void)buf_putc(out, (char)m->mode);
        (void)buf_putc(out, (char)m->fd);
        break;
    case CONTROL_ENV:
        (void)buf_putc(out, (char)m->more);
        break;
    case CONTROL_STARTED:
        put_i32(out, m->pid);
        break;
    case CONTROL_EXIT:
        put_i32(out, m->code);
        put_i32(out, m->signal);
        break;
    case CONTROL_JSON:
    case CONTROL_TEXT:
    case CONTROL_PASSPHRASE:
    case CONTROL_TYPES:
        break;
    }
    (void)buf_append(out, m->rest, m->n);
    return !out->failed;
}

/* A flag byte is 0 or 1: one encoding only. */
static bool get_flag(unsigned char c, bool *flag)
{
    *flag = c == 1;
    return c <= 1;
}

static bool get_fixed(const unsigned char *p, struct control_msg *m)
{
    switch (m->type) {
    case CONTROL_HELLO:
        m->kind = (enum control_kind)p[0];
        return get_flag(p[1], &m->more);
    case CONTROL_ANSWER:
        m->mode = (enum control_mode)p[0];
        return get_flag(p[1], &m->fd);
    case CONTROL_ENV:
        return get_flag(p[0], &m->more);
    case CONTROL_STARTED:
        m->pid = get_i32(p);
        return true;
    case CONTROL_EXIT:
        m->code = get_i32(p);
        m->signal = get_i32(p + 4);
        return true;
    case CONTROL_JSON:
    case CONTROL_TEXT:
    case CONTROL_PASSPHRASE:
    case CONTROL_TYPES: /* is refused before */
        break;
    }
    return true;
}

bool control_msg_decode(const void *p, size_t n, struct control_msg *m)
{
    const unsigned char *b = p;
    if (n == 0 || b[0] < CONTROL_HELLO || b[0] >= CONTROL_TYPES)
        return false;
    *m = (struct control_msg){.type = (enum control_msg_type)b[0]};
    size_t fixed = fixed_size(m->type);
    if (n < 1 + fixed || !get_fixed(b + 1, m))
        return false;
    m->rest = (const char *)p + 1 + fixed;
    m->n = n - 1 - fixed;
    return is_valid(m);
}

const char *control_msg_next(const struct control_msg *m, const char *at)
{
    const char *next = at ? at + strlen(at) + 1 : m->rest;
    return next < m->rest + m->n ? next : NULL;
}
