#include "config_value.h"

#include "base/mem.h"
#include "limits.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static bool bad(struct err *e, const char *text, const char *expected)
{
    return err_set(e, ERR_BAD_REQUEST, "\"%.100s\" is not %s", text, expected);
}

static bool has_control(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7F)
            return true;
    return false;
}

static bool parse_bool(const char *s, bool *v)
{
    static const char *const words[] = {"false", "0", "no", "off", "true", "1", "yes", "on"};
    for (size_t i = 0; i < 8; i++) {
        if (strcasecmp(s, words[i]) == 0) {
            *v = i >= 4;
            return true;
        }
    }
    return false;
}

static bool parse_int(const char *s, int min, int max, int *v)
{
    char *end;
    errno = 0;
    long n = strtol(s, &end, 10);
    if (errno != 0 || end == s || *end || n < min || n > max || *s == ' ' || *s == '+')
        return false;
    *v = (int)n;
    return true;
}

static bool parse_factor(const char *s, int min, int max, double *v)
{
    char *end;
    double n = strtod(s, &end);
    if (end == s || *end || !isfinite(n) || n < min || n > max)
        return false;
    *v = n;
    return true;
}

static bool is_address(const char *s)
{
    unsigned char bytes[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, s, bytes) == 1 || inet_pton(AF_INET6, s, bytes) == 1;
}

static bool is_url(const char *s)
{
    size_t skip = strncmp(s, "http://", 7) == 0 ? 7 : strncmp(s, "https://", 8) == 0 ? 8 : 0;
    return skip && s[skip] && s[skip] != '/' && strpbrk(s, " \"<>\\^`{|}?#") == NULL;
}

/* A name in CHILD_ENV; what holds our secrets, or what we set ourselves, is not for passing on. */
static bool name_ok(const char *s, size_t n)
{
    static const char *const never[] = {"API_", "BORG_PASS", "BORG_NEW_PASS", "BORGMATIC_API_",
                                        "SSH_ASKPASS"};
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        if (strncmp(s, never[i], strlen(never[i])) == 0)
            return false;
    if (n == 0 || n > 128 || (*s >= '0' && *s <= '9'))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_", s[i]))
            return false;
    return true;
}

static bool names_ok(const char *s)
{
    size_t count = 0;
    for (;; count++) {
        size_t n = strcspn(s, ",");
        if (!name_ok(s, n) || count >= CHILD_ENVS / 2)
            return false;
        if (!s[n])
            return true;
        s += n + 1;
    }
}

static bool text_ok(const struct setting *row, const char *text, struct err *e)
{
    if (has_control(text))
        return err_set(e, ERR_BAD_REQUEST, "holds a control character");
    if (!*text)
        return true; /* the row's own default */
    if (row->type == SETTING_PATH && *text != '/')
        return bad(e, text, "an absolute path");
    if (row->type == SETTING_ADDRESS && !is_address(text))
        return bad(e, text, "a numeric address such as 127.0.0.1 or ::1");
    if (row->type == SETTING_URL && !is_url(text))
        return bad(e, text, "a URL that starts with http:// or https://");
    if (row->type == SETTING_NAMES && !names_ok(text))
        return bad(e, text, "a list of names, separated by commas, that may be passed on");
    if (strcmp(row->name, "API_SOCKET") == 0 &&
        strlen(text) >= sizeof(((struct sockaddr_un *)0)->sun_path))
        return bad(e, text, "short enough for a unix socket (107 bytes)");
    if (strcmp(row->name, "DOCKER_HOST") == 0 && strncmp(text, "unix:///", 8) != 0 &&
        strncmp(text, "tcp://", 6) != 0)
        return bad(e, text, "unix:///path or tcp://host:port");
    return true;
}

static bool set_text(char **member, const struct setting *row, const char *text, struct err *e)
{
    if (!text_ok(row, text, e))
        return false;
    char *copy = mem_strdup(text);
    if (!copy)
        return err_set(e, ERR_NO_MEMORY, "out of memory");
    if (row->type == SETTING_URL)
        for (size_t n = strlen(copy); n > 0 && copy[n - 1] == '/'; n--)
            copy[n - 1] = '\0';
    mem_free(*member);
    *member = copy;
    return true;
}

bool config_value_set(struct config *c, const struct setting *row, const char *text, struct err *e)
{
    void *member = (char *)c + row->offset;
    switch (row->type) {
    case SETTING_STRING:
    case SETTING_PATH:
    case SETTING_ADDRESS:
    case SETTING_URL:
    case SETTING_NAMES:
        return set_text(member, row, text, e);
    case SETTING_LEVEL:
        return log_level_parse(text, member) ||
               bad(e, text, "debug, info, notice, warning or error");
    case SETTING_INT:
        return parse_int(text, row->min, row->max, member) ||
               err_set(e, ERR_BAD_REQUEST, "\"%.100s\" is not a whole number from %d to %d", text,
                       row->min, row->max);
    case SETTING_FACTOR:
        return parse_factor(text, row->min, row->max, member) ||
               err_set(e, ERR_BAD_REQUEST, "\"%.100s\" is not a number from %d to %d", text,
                       row->min, row->max);
    case SETTING_FLAG:
        if (!*text) {
            *(bool *)member = !c->secure_mode;
            return true;
        }
        return parse_bool(text, member) || bad(e, text, "true or false");
    case SETTING_BOOL:
        return parse_bool(text, member) || bad(e, text, "true or false");
    case SETTING_TOKEN:
        break;
    }
    return err_set(e, ERR_INTERNAL, "a token is no plain value");
}

/* ---- tokens ---- */

static bool token_ok(const char *s, size_t n, struct err *e)
{
    static const char *const placeholders[] = {"changeme", "change-me", "change_me"};
    for (size_t i = 0; i < sizeof placeholders / sizeof *placeholders; i++)
        if (strncasecmp(s, placeholders[i], strlen(placeholders[i])) == 0)
            return err_set(e, ERR_BAD_REQUEST,
                           "is still the placeholder of an example; make one with: "
                           "openssl rand -hex 32");
    if (n < TOKEN_MIN)
        return err_set(e, ERR_BAD_REQUEST,
                       "is too short, at least %d characters are needed; make one with: "
                       "openssl rand -hex 32",
                       TOKEN_MIN);
    if (n > LIMIT_SECRET)
        return err_set(e, ERR_BAD_REQUEST, "is longer than %d bytes", LIMIT_SECRET);
    for (size_t i = 0; i < n; i++)
        if (s[i] <= 0x20 || s[i] >= 0x7F)
            return err_set(e, ERR_BAD_REQUEST,
                           "holds a space, a control character or one beyond ASCII, which a "
                           "header cannot carry");
    return true;
}

static struct secret *token_of_file(const char *path, struct err *e)
{
    struct secret *s = NULL;
    char bytes[LIMIT_SECRET + 4];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    ssize_t got = -1;
    if (fd >= 0 && fstat(fd, &st) == 0) {
        if (!S_ISREG(st.st_mode))
            errno = EINVAL;
        else
            got = read(fd, bytes, sizeof bytes - 1);
    }
    if (got < 0) {
        (void)err_set(e, ERR_BAD_REQUEST, "cannot read %.100s: %s", path, strerror(errno));
    } else {
        size_t n = (size_t)got;
        while (n > 0 && (bytes[n - 1] == '\n' || bytes[n - 1] == '\r'))
            n--;
        bytes[n] = '\0';
        if (token_ok(bytes, n, e) && !(s = secret_new(bytes, n)))
            (void)err_set(e, ERR_NO_MEMORY, "out of memory");
    }
    sodium_memzero(bytes, sizeof bytes);
    if (fd >= 0)
        (void)close(fd);
    return s;
}

struct secret *config_token(const char *value, const char *file, struct err *e)
{
    if (file)
        return token_of_file(file, e);
    size_t n = strlen(value);
    struct secret *s = token_ok(value, n, e) ? secret_new(value, n) : NULL;
    if (!s && e->code == ERR_NONE)
        (void)err_set(e, ERR_NO_MEMORY, "out of memory");
    return s;
}
