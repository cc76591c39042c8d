#include "api/handlers/known_hosts.h"

#include "api/config_call.h"
#include "api/file_call.h"
#include "api/idempotency.h"
#include "api/probes.h"
#include "backup/ssh/known_hosts.h"
#include "backup/ssh/known_hosts_job.h"

#include <stdio.h>
#include <string.h>

static bool do_list(struct file_call *f, struct buf *out, struct err *e)
{
    return known_hosts_list(f->dir, out, e);
}

void known_hosts_get(struct call *c)
{
    file_call(c, &(struct file_call){.work = do_list, .dir = c->app->config->ssh_dir});
}

/* The name in the file, in the arena; answers the call when it cannot be one. */
static char *name_of(struct call *c)
{
    struct err e;
    char *name = call_alloc(c, KNOWN_HOST_NAME);
    if (!name)
        return NULL;
    if (known_hosts_name(call_str(c, "host", ""), (int)call_int(c, "port", 0), name, &e))
        return name;
    call_error(c, &e);
    return NULL;
}

static bool do_forget(struct file_call *f, struct buf *out, struct err *e)
{
    return known_hosts_forget(f->dir, f->label, out, e);
}

void known_hosts_delete(struct call *c)
{
    const char *name = name_of(c);
    if (name && call_audit(c, "known_host_delete", name, NULL, NULL, "allowed"))
        file_call(c, &(struct file_call){
                         .work = do_forget, .dir = c->app->config->ssh_dir, .label = name});
}

/* ---- pinning ---- */

static bool do_pin(struct file_call *f, struct buf *out, struct err *e)
{
    return known_hosts_pin(f->dir, f->label, f->data, f->flag, out, e);
}

static void pin_key(struct call *c, const char *name, const char *line)
{
    struct err e;
    struct sshkey_public *key = arena_alloc(&c->req->arena, sizeof *key);
    if (!key || !sshkey_public_parse(line, strlen(line), key)) {
        (void)err_field(&e, key ? ERR_BAD_REQUEST : ERR_NO_MEMORY, "key",
                        "must be a public key as in the server's /etc/ssh/ssh_host_*_key.pub");
        call_error(c, &e);
        return;
    }
    file_call(c, &(struct file_call){.work = do_pin,
                                     .dir = c->app->config->ssh_dir,
                                     .label = name,
                                     .data = key,
                                     .flag = call_bool(c, "replace", false)});
}

/* What stands in the job's result joins the answer. */
static void add_result(struct call *c, struct jsonw *w, const struct job *j)
{
    const char *result = job_result(j);
    size_t n = result ? strlen(result) : 0;
    if (n > 2)
        (void)buf_printf(w->b, ",%.*s", (int)(n - 2), result + 1);
}

static void on_tools(void *arg, const struct borgmatic_tools *tools)
{
    struct call *c = arg;
    struct err e;
    const struct known_hosts_job scan = {.dir = c->app->config->ssh_dir,
                                         .host = call_str(c, "host", ""),
                                         .port = (int)call_int(c, "port", 0),
                                         .fingerprint = call_str(c, "fingerprint", NULL),
                                         .replace = call_bool(c, "replace", false)};
    void *data = known_hosts_job_new(&scan);
    if (!data) {
        (void)err_set(&e, ERR_NO_MEMORY, "no memory for a new job");
        call_error(c, &e);
        return;
    }
    c->members = add_result;
    c->fault_members = c->members;
    plain_call_job(c, tools, NULL, NULL,
                   &(struct config_job){.kind = "ssh-keyscan",
                                        .reading = scan.fingerprint == NULL,
                                        .deadline_s = SSHKEY_JOB_S,
                                        .plan = &known_hosts_job_plan,
                                        .data = data});
}

static bool fingerprint_ok(struct call *c)
{
    static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *given = call_str(c, "fingerprint", NULL);
    struct err e;
    if (!given || (strncmp(given, "SHA256:", 7) == 0 && strlen(given) == 50 &&
                   strspn(given + 7, base64) == 43))
        return true;
    (void)err_field(&e, ERR_BAD_REQUEST, "fingerprint",
                    "must be SHA256: and 43 characters, as ssh-keygen -l shows it");
    call_error(c, &e);
    return false;
}

static void add_now(struct call *c)
{
    struct err e;
    const char *key = call_str(c, "key", NULL), *name = name_of(c);
    if (!name || !fingerprint_ok(c))
        return;
    if (key && call_has(c, "fingerprint")) {
        (void)err_field(&e, ERR_BAD_REQUEST, "fingerprint",
                        "give a key or a fingerprint, not both");
        call_error(c, &e);
        return;
    }
    if ((key || call_has(c, "fingerprint")) &&
        !call_audit(c, "known_host_pin", name, NULL, NULL, "allowed"))
        return;
    if (key)
        pin_key(c, name, key);
    else
        probes_tools(c->app->probes, on_tools, c);
}

void known_hosts_add(struct call *c)
{
    call_idempotent(c, add_now);
}
