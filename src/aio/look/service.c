#include "aio/look/service.h"

#include "aio/config/config_file.h"
#include "aio/look/service_read.h"
#include "limits.h"
#include "sys/http_get.h"
#include "sys/tcp_connect.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

__attribute__((format(printf, 2, 3))) static void problem(struct aio_service *s, const char *fmt,
                                                          ...)
{
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(s->problem, sizeof s->problem, fmt, args);
    va_end(args);
}

/* ---- the containers ---- */

static bool inspect(struct engine *en, const char *name, json_t **out, struct err *e)
{
    struct err why = {0};
    *out = engine_inspect(en, name, &why);
    if (*out || why.code == ERR_CONTAINER_NOT_FOUND)
        return true;
    if (e)
        *e = why;
    return false;
}

static bool container_runs(const json_t *inspected, const char *name, struct aio_service *s)
{
    struct aio_container c;
    if (!inspected || !aio_container_read(inspected, &c))
        problem(s, "the container %s is not there", name);
    else if (c.restarting)
        problem(s, "the container %s restarts over and over", name);
    else if (!c.running)
        problem(s, "the container %s does not run (%s)", name, c.state);
    else
        return true;
    return false;
}

/* ---- status.php ---- */

/* Nextcloud is served under its own name: of the configuration, else as apache was told. */
static void find_domain(const struct aio_context *x, const json_t *apache, char *out, size_t size)
{
    struct aio_settings set;
    bool known = config_file_read(x->config_file, &set, NULL) && set.domain[0];
    (void)snprintf(out, size, "%s", known ? set.domain : service_domain(apache));
}

/* The certificate is not verified: at 127.0.0.1 or a container's own address it cannot fit, and
 * behind a proxy it is self-made. Nothing secret is sent, and what is believed is only "it
 * serves". */
static bool read_status(int fd, const char *host, const char *domain, struct aio_service *s)
{
    char url[400];
    const char *name = domain[0] ? domain : host;
    bool literal = strchr(name, ':') != NULL;
    int n = snprintf(url, sizeof url, literal ? "%s://[%s]:%d/status.php" : "%s://%s:%d/status.php",
                     service_port_is_tls(s->port_number) ? "https" : "http", name, s->port_number);
    const struct http_get ask = {.fd = fd,
                                 .url = n < (int)sizeof url ? url : "",
                                 .host = domain[0] ? domain : NULL,
                                 .verify = false,
                                 .timeout_ms = SERVICE_ASK_MS};
    struct err why = {0};
    struct buf body;
    buf_init(&body, SERVICE_REPLY);
    int status = http_get(&ask, &body, &why);
    s->status = status > 0 && service_read_status(buf_str(&body), body.n, s);
    if (status < 0)
        problem(s, "status.php cannot be read at %.100s, port %d: %.100s", host, s->port_number,
                why.msg);
    else if (!s->status)
        problem(s, "status.php at %.100s, port %d, answers %d and not as Nextcloud does", host,
                s->port_number, status);
    buf_done(&body);
    return s->status;
}

/* Any of them may be a stranger's: the first that answers as Nextcloud counts. The words of the
 * first whose port answers are kept for when none does. */
static bool try_hosts(struct engine *en, const struct service_hosts *hosts, const char *domain,
                      struct aio_service *s, struct err *e)
{
    int64_t until = now_ms() + SERVICE_ALL_MS;
    char words[sizeof s->problem] = "";
    for (size_t i = 0; !s->status && i < hosts->count && now_ms() < until; i++) {
        if (!engine_wait(en, 0))
            return err_set(e, ERR_INTERRUPTED, "was asked to stop");
        int fd = tcp_connect(hosts->at[i], s->port_number, SERVICE_CONNECT_MS, -1, NULL);
        if (fd < 0)
            continue;
        bool first = !s->port;
        s->port = true;
        if (read_status(fd, hosts->at[i], domain, s) || first)
            (void)snprintf(s->host, sizeof s->host, "%s", hosts->at[i]);
        if (first)
            (void)snprintf(words, sizeof words, "%s", s->problem);
    }
    (void)snprintf(s->problem, sizeof s->problem, "%s", s->status ? "" : words);
    if (!s->port)
        problem(s, "port %d answers neither at apache's container nor at 127.0.0.1 nor AIO_HOSTS",
                s->port_number);
    return true;
}

static void judge(struct aio_service *s)
{
    if (!s->status)
        return;
    if (!s->installed)
        problem(s, "Nextcloud says that it is not installed");
    else if (s->maintenance)
        problem(s, "Nextcloud is in maintenance mode");
    else if (s->needs_upgrade)
        problem(s, "Nextcloud waits for an upgrade of its database");
}

bool aio_service(struct engine *en, const struct aio_context *x, struct aio_service *out,
                 struct err *e)
{
    json_t *apache = NULL, *nextcloud = NULL;
    struct service_hosts hosts;
    char domain[256];
    *out = (struct aio_service){0};
    bool ok =
        inspect(en, AIO_APACHE_NAME, &apache, e) && inspect(en, AIO_NEXTCLOUD_NAME, &nextcloud, e);
    if (ok)
        out->containers = container_runs(apache, AIO_APACHE_NAME, out) &&
                          container_runs(nextcloud, AIO_NEXTCLOUD_NAME, out);
    if (ok && apache)
        out->port_number = service_port(apache);
    if (ok && out->containers) {
        find_domain(x, apache, domain, sizeof domain);
        service_hosts(apache, out->port_number, x, &hosts);
        ok = try_hosts(en, &hosts, domain, out, e);
        judge(out);
    }
    json_decref(apache);
    json_decref(nextcloud);
    return ok;
}

bool aio_service_wait(struct engine *en, const struct aio_context *x, unsigned ms,
                      struct aio_service *out, struct err *e)
{
    int64_t until = now_ms() + ms;
    unsigned step = SERVICE_LOOK_MS * x->pace_percent / 100;
    for (;;) {
        if (!aio_service(en, x, out, e))
            return false;
        int64_t next = now_ms() + step;
        if (aio_service_up(out) || next > until)
            return true;
        for (int64_t now; (now = now_ms()) < next;)
            if (!engine_wait(en, (unsigned)(next - now)))
                return err_set(e, ERR_INTERRUPTED, "was asked to stop");
    }
}
