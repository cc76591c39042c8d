#include "api/probes.h"

#include "base/json.h"
#include "base/mem.h"
#include "docker/engine.h"
#include "limits.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

/* What the worker thread fills in while `work` runs, and nobody else touches. */
struct outside {
    char config_dir[512], ssh_dir[512], borgmatic[256], borg[256]; /* to look at */
    char config_problem[256], ssh_problem[256];                    /* found */
    int64_t mtime[2];
    bool docker_socket;
};

struct probes {
    uv_loop_t *loop;
    const struct config *set;
    const char *path;
    const char *const *env;
    uv_timer_t timer;
    uv_work_t work;
    struct outside outside;
    struct borgmatic_tools tools;
    bool known, asking, looking, closing;
    int64_t mtime[2];
    uint64_t asked_ms;
    double checked;
    char config_problem[256], ssh_problem[256], details[96], borgmatic_version[32],
        borg_version[32];
    struct {
        void (*known)(void *arg, const struct borgmatic_tools *t);
        void *arg;
    } waiting[PROBES_WAITING];
    size_t waiting_count;
    bool handle_open;
    struct tasks *const *tasks;
    bool docker_asking;
    struct docker_look { /* a task's while it asks, and nobody else's */
        const char *host;
        char version[128];
        struct err e;
    } docker_look;
    bool docker_asked; /* at least once */
    char docker_details[192], docker_problem[sizeof(((struct err *)0)->msg)];
};

static void look(struct probes *p);

/* ---- the end ---- */

static void over(struct probes *p)
{
    if (p->closing && !p->asking && !p->looking && !p->docker_asking && !p->handle_open)
        mem_free(p);
}

static void on_handle_closed(uv_handle_t *h)
{
    struct probes *p = h->data;
    p->handle_open = false;
    over(p);
}

void probes_close(struct probes *p)
{
    if (!p)
        return;
    p->closing = true;
    p->waiting_count = 0;
    uv_close((uv_handle_t *)&p->timer, on_handle_closed);
}

/* ---- borgmatic ---- */

static void version_text(struct borgmatic_version v, char *out, size_t size)
{
    *out = '\0';
    if (v.major || v.minor || v.patch)
        (void)snprintf(out, size, "%d.%d.%d", v.major, v.minor, v.patch);
}

static void tell_waiting(struct probes *p)
{
    while (p->waiting_count && !p->closing) {
        size_t last = --p->waiting_count;
        p->waiting[last].known(p->waiting[last].arg, &p->tools);
    }
}

static void on_tools(void *arg, const struct borgmatic_tools *t)
{
    struct probes *p = arg;
    p->asking = false;
    if (p->closing) {
        over(p);
        return;
    }
    p->tools = *t;
    p->known = true;
    version_text(t->borgmatic_version, p->borgmatic_version, sizeof p->borgmatic_version);
    version_text(t->borg_version, p->borg_version, sizeof p->borg_version);
    (void)snprintf(p->details, sizeof p->details, "borgmatic %s, borg %s", p->borgmatic_version,
                   p->borg_version);
    look(p);
    tell_waiting(p);
}

static void ask(struct probes *p)
{
    struct err e = {0};
    if (p->asking)
        return;
    p->asked_ms = uv_now(p->loop);
    p->asking = true;
    if (borgmatic_probe(p->loop, p->path, p->env, on_tools, p, &e))
        return;
    p->asking = false;
    if (p->known)
        return;
    (void)snprintf(p->tools.problem, sizeof p->tools.problem, "%.255s", e.msg);
    tell_waiting(p);
}

/* ---- folders and files, on a worker thread ---- */

/* That the folder `unused` is not there is no problem: the setting's default, and nobody uses it.
 */
static void folder_problem(const char *what, const char *path, const char *unused, char *out,
                           size_t size)
{
    struct stat st;
    *out = '\0';
    if (stat(path, &st) != 0 && errno == ENOENT && strcmp(path, unused) == 0)
        return;
    if (stat(path, &st) != 0 || access(path, R_OK | X_OK) != 0)
        (void)snprintf(out, size, "%s %.150s: %s", what, path, strerror(errno));
    else if (!S_ISDIR(st.st_mode))
        (void)snprintf(out, size, "%s %.150s is no folder", what, path);
}

static int64_t changed_at(const char *file)
{
    struct stat st;
    if (!*file || stat(file, &st) != 0)
        return 0;
    return (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
}

/* ---- Docker ---- */

static void docker_failed(struct probes *p, const struct err *e)
{
    p->docker_details[0] = '\0';
    (void)snprintf(p->docker_problem, sizeof p->docker_problem, "%s", e->msg);
}

static void in_task(struct task *t, void *arg)
{
    struct docker_look *look = arg;
    struct engine *en = engine_open(look->host, t, &look->e);
    json_t *o = en ? engine_version(en, &look->e) : NULL;
    if (o)
        (void)snprintf(look->version, sizeof look->version, "%s (API %s)",
                       json_get_str(o, "Version", "?"), json_get_str(o, "ApiVersion", "?"));
    json_decref(o);
    engine_close(en);
}

static void on_docker(void *arg)
{
    struct docker_look *look = arg;
    struct probes *p = (struct probes *)((char *)look - offsetof(struct probes, docker_look));
    p->docker_asking = false;
    if (p->closing) {
        over(p);
        return;
    }
    p->docker_asked = true;
    if (look->e.code != ERR_NONE) {
        docker_failed(p, &look->e);
        return;
    }
    p->docker_problem[0] = '\0';
    (void)snprintf(p->docker_details, sizeof p->docker_details, "Docker %s", look->version);
}

/* Docker matters when the settings name it, or when its usual socket is there. One that hangs is
 * asked only once at a time; that there is no task to be had is no fault of Docker's. */
static void ask_docker(struct probes *p)
{
    bool wanted = *p->set->docker_host || *p->set->aio_master || p->outside.docker_socket;
    struct err e = {0};
    if (!wanted || p->docker_asking || !*p->tasks)
        return;
    p->docker_look = (struct docker_look){.host = p->set->docker_host};
    p->docker_asking = task_start(*p->tasks, in_task, on_docker, &p->docker_look, &e) != NULL;
}

/* ---- the folders ---- */

static void work(uv_work_t *w)
{
    struct outside *o = &((struct probes *)w->data)->outside;
    folder_problem("BORGMATIC_CONFIG_DIR", o->config_dir, "", o->config_problem,
                   sizeof o->config_problem);
    folder_problem("BORG_SSH_DIR", o->ssh_dir, "/root/.ssh", o->ssh_problem, sizeof o->ssh_problem);
    struct stat st;
    o->docker_socket = stat(ENGINE_SOCKET, &st) == 0 && S_ISSOCK(st.st_mode);
    o->mtime[0] = changed_at(o->borgmatic);
    o->mtime[1] = changed_at(o->borg);
}

static void after_work(uv_work_t *w, int status)
{
    struct probes *p = w->data;
    const struct outside *o = &p->outside;
    p->looking = false;
    if (p->closing) {
        over(p);
        return;
    }
    struct timeval now;
    (void)gettimeofday(&now, NULL);
    p->checked = (double)now.tv_sec + (double)now.tv_usec / 1e6;
    memcpy(p->config_problem, o->config_problem, sizeof p->config_problem);
    memcpy(p->ssh_problem, o->ssh_problem, sizeof p->ssh_problem);
    ask_docker(p);
    bool first = p->mtime[0] == 0 && p->mtime[1] == 0;
    bool changed = memcmp(p->mtime, o->mtime, sizeof p->mtime) != 0;
    memcpy(p->mtime, o->mtime, sizeof p->mtime);
    bool old = uv_now(p->loop) - p->asked_ms >= PROBES_ASK_MS;
    if (p->known && (old || (changed && !first)))
        ask(p);
}

static void look(struct probes *p)
{
    if (p->looking)
        return;
    struct outside *o = &p->outside;
    (void)snprintf(o->config_dir, sizeof o->config_dir, "%s", p->set->config_dir);
    (void)snprintf(o->ssh_dir, sizeof o->ssh_dir, "%s", p->set->ssh_dir);
    memcpy(o->borgmatic, p->tools.borgmatic, sizeof o->borgmatic);
    memcpy(o->borg, p->tools.borg, sizeof o->borg);
    p->work.data = p;
    p->looking = uv_queue_work(p->loop, &p->work, work, after_work) == 0;
}

static void on_timer(uv_timer_t *t)
{
    struct probes *p = t->data;
    look(p);
    if (!p->known)
        ask(p);
}

/* ---- for others ---- */

struct probes *probes_new(uv_loop_t *loop, const struct config *set, struct tasks *const *tasks,
                          const char *path, const char *const *env, struct err *e)
{
    struct probes *p = mem_zalloc(sizeof *p);
    if (!p) {
        (void)err_set(e, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    p->loop = loop;
    p->set = set;
    p->tasks = tasks;
    p->path = path;
    p->env = env;
    (void)uv_timer_init(loop, &p->timer);
    p->timer.data = p;
    p->handle_open = true;
    (void)uv_timer_start(&p->timer, on_timer, 0, PROBES_LOOK_MS);
    return p;
}

void probes_tools(struct probes *p, void (*known)(void *arg, const struct borgmatic_tools *t),
                  void *arg)
{
    static const struct borgmatic_tools busy = {.problem = "too many requests wait for borgmatic"};
    if (p->known) {
        known(arg, &p->tools);
    } else if (p->waiting_count == PROBES_WAITING) {
        known(arg, &busy);
    } else {
        p->waiting[p->waiting_count].known = known;
        p->waiting[p->waiting_count++].arg = arg;
    }
}

void probes_look(const struct probes *p, struct probes_view *v)
{
    bool docker_well = p->docker_asked && !*p->docker_problem;
    *v = (struct probes_view){
        .checked = p->checked,
        .borgmatic_problem = p->known ? p->tools.problem : "not asked yet",
        .config_problem = p->config_problem,
        .ssh_problem = p->ssh_problem,
        .docker_problem = p->docker_problem,
        .borgmatic_details = p->details,
        .docker = docker_well       ? "ok"
                  : p->docker_asked ? "error"
                                    : "skipped",
        .docker_details = docker_well       ? p->docker_details
                          : p->docker_asked ? p->docker_problem
                                            : "DOCKER_HOST is not set and there is no Docker here",
        .borgmatic_version = p->borgmatic_version,
        .borg_version = p->borg_version,
    };
}
