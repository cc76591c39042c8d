#include "api/handlers/ssh_keys.h"

#include "api/config_call.h"
#include "api/file_call.h"
#include "api/idempotency.h"
#include "api/probes.h"
#include "backup/repo/resolve_record.h"
#include "backup/ssh/ssh_test.h"
#include "backup/ssh/sshkeys.h"
#include "backup/ssh/sshkeys_change.h"
#include "backup/ssh/sshkeys_folder.h"
#include "backup/ssh/sshkeys_job.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* ---- the label ---- */

static bool label_ok(struct call *c, const char *label)
{
    struct err e;
    if (sshkeys_label(label))
        return true;
    (void)err_field(&e, ERR_BAD_REQUEST, "label",
                    "a key cannot be called known-hosts, nor end in .pub");
    call_error(c, &e);
    return false;
}

/* A job that makes or tests the key stands in the way of what is done at once. */
static bool key_is_free(struct call *c, const char *label)
{
    char key[LIMIT_LABEL + 16];
    struct err e;
    (void)snprintf(key, sizeof key, "ssh-key:%s", label);
    const struct job *holder = jobs_holder(c->app->jobs, key);
    if (!holder)
        return true;
    (void)err_set(&e, ERR_JOB_RUNNING, "a job works on this ssh key: %s", job_id(holder));
    call_error_job(c, &e, job_id(holder));
    return false;
}

/* ---- what is done at once ---- */

static void ask(struct call *c, bool (*work)(struct file_call *f, struct buf *out, struct err *e))
{
    const char *label = call_str(c, "label", "");
    if (!label_ok(c, label))
        return;
    file_call(c, &(struct file_call){.work = work,
                                     .dir = c->app->config->ssh_dir,
                                     .label = label,
                                     .path = call_str(c, "restrict_to_path", NULL),
                                     .comment = call_str(c, "comment", NULL),
                                     .flag = call_bool(c, "next", false)});
}

static bool do_list(struct file_call *f, struct buf *out, struct err *e)
{
    return sshkeys_list(f->dir, out, e);
}

static bool do_status(struct file_call *f, struct buf *out, struct err *e)
{
    return sshkeys_status(f->dir, f->label, out, e);
}

static bool do_pub(struct file_call *f, struct buf *out, struct err *e)
{
    const struct sshkeys_line what = {
        .label = f->label, .next = f->flag, .restrict_to_path = f->path, .comment = f->comment};
    return sshkeys_pub(f->dir, &what, out, e);
}

static bool do_delete(struct file_call *f, struct buf *out, struct err *e)
{
    return sshkeys_delete(f->dir, f->label, out, e);
}

static bool do_rollback(struct file_call *f, struct buf *out, struct err *e)
{
    return sshkeys_rollback(f->dir, f->label, out, e);
}

void ssh_keys_list(struct call *c)
{
    file_call(c, &(struct file_call){.work = do_list, .dir = c->app->config->ssh_dir});
}

void ssh_keys_status(struct call *c)
{
    ask(c, do_status);
}

void ssh_keys_pub(struct call *c)
{
    ask(c, do_pub);
}

static bool allowed(struct call *c, const char *action)
{
    const char *label = call_str(c, "label", "");
    return label_ok(c, label) && key_is_free(c, label) &&
           call_audit(c, action, label, NULL, NULL, "allowed");
}

void ssh_keys_delete(struct call *c)
{
    if (allowed(c, "ssh_key_delete"))
        ask(c, do_delete);
}

void ssh_keys_rollback(struct call *c)
{
    if (allowed(c, "ssh_key_rollback"))
        ask(c, do_rollback);
}

/* ---- jobs ---- */

/* What stands in the job's result joins the answer. */
static void add_result(struct call *c, struct jsonw *w, const struct job *j)
{
    const char *result = job_result(j);
    size_t n = result ? strlen(result) : 0;
    if (n > 2)
        (void)buf_printf(w->b, ",%.*s", (int)(n - 2), result + 1);
}

/* A call on its way to a job about one key; in the request's arena. */
struct asked {
    struct config_call cc;
    const char *label;
    char *key; /* job key of the label */
    bool making, replace, keep_comment;
    bool own_key;        /* false: as the configuration says */
    char path[PATH_MAX]; /* of the key */
    struct borgmatic_tools tools;
};

static void make_job(struct asked *a, struct config_call *cc, bool host_only)
{
    struct call *c = a->cc.c;
    const struct sshkeys_job key = {.dir = c->app->config->ssh_dir,
                                    .label = a->label,
                                    .comment = call_str(c, "comment", NULL),
                                    .replace = a->replace,
                                    .keep_comment = a->keep_comment,
                                    .fresh = call_bool(c, "fresh", false),
                                    .passphrase = call_secret(c, "ssh_passphrase") != NULL,
                                    .test = cc != NULL,
                                    .host_only = host_only};
    const struct ssh_test_spec test = {.key = a->own_key ? a->path : NULL, .host_only = host_only};
    void *data = a->making ? sshkeys_job_new(&key) : ssh_test_plan_new(&test);
    struct config_job j = {.kind = a->making ? "ssh-keygen" : "ssh-test",
                           .reading = !a->making,
                           .deadline_s = a->making && !cc ? SSHKEY_JOB_S : SSH_TEST_S,
                           .key = a->key,
                           .plan = a->making ? &sshkeys_job_plan : &ssh_test_plan,
                           .data = data};
    struct err e;
    if (!data) {
        (void)err_set(&e, ERR_NO_MEMORY, "no memory for a new job");
        call_error(c, &e);
        return;
    }
    c->members = add_result;
    c->fault_members = a->making ? c->members : NULL; /* the key that waits */
    if (cc) {
        cc->label = a->label;
        config_call_job(cc, &j);
    } else {
        plain_call_job(c, &a->tools, a->label, NULL, &j);
    }
}

/* The call of a struct config_call is where its asked is. */
static struct asked *asked_of(struct call *c)
{
    return c->state;
}

static void go_config(struct config_call *cc)
{
    make_job(asked_of(cc->c), cc, false);
}

static struct resolved *make_place(struct call *c, struct err *e)
{
    AUTO_FREE char *place = ssh_test_place(call_str(c, "host", ""), (int)call_int(c, "port", 0),
                                           call_str(c, "user", NULL), e);
    AUTO_FREE char *rsh = place ? ssh_test_rsh(c->app->config->ssh_dir, e) : NULL;
    struct resolved *res = rsh ? resolve_record_place(place, rsh) : NULL;
    if (rsh && !res)
        (void)err_set(e, ERR_NO_MEMORY, "no memory for the place to try");
    return res;
}

static void on_tools(void *arg, const struct borgmatic_tools *tools)
{
    struct asked *a = arg;
    struct call *c = a->cc.c;
    struct err e;
    a->tools = *tools;
    if (!call_has(c, "host")) {
        make_job(a, NULL, false);
        return;
    }
    if (!tools->borg[0]) {
        (void)err_set(&e, ERR_UNAVAILABLE, "%s", tools->problem);
        call_error(c, &e);
        return;
    }
    struct resolved *place = make_place(c, &e);
    if (!place) {
        call_error(c, &e);
        return;
    }
    a->cc.tools = *tools;
    a->cc.config = place;
    app_context(c->app, &a->cc.tools, &a->cc.context);
    make_job(a, &a->cc, true);
    resolved_unref(place);
}

static bool target_ok(struct call *c, bool needed)
{
    struct err e = {0};
    bool host = call_has(c, "host"), repository = call_has(c, "repository");
    if (host && repository)
        (void)err_field(&e, ERR_BAD_REQUEST, "repository",
                        "give a host or the label of a configuration, not both");
    else if (!host && (call_has(c, "user") || call_has(c, "port")))
        (void)err_field(&e, ERR_BAD_REQUEST, "host", "is needed where user or port are given");
    else if (!host && !repository && needed)
        (void)err_field(&e, ERR_BAD_REQUEST, "host",
                        "give a host, or the label of a configuration as repository");
    if (e.code == ERR_NONE)
        return true;
    call_error(c, &e);
    return false;
}

static struct asked *asked_new(struct call *c)
{
    struct asked *a = arena_alloc(&c->req->arena, sizeof *a);
    const char *label = call_str(c, "label", "");
    if (a && (a->key = arena_printf(&c->req->arena, "ssh-key:%s", label))) {
        a->cc.c = c;
        a->cc.label = a->label = label;
        c->state = a;
        (void)snprintf(a->path, sizeof a->path, "%s/id_%s", c->app->config->ssh_dir, label);
        return a;
    }
    call_error_memory(c);
    return NULL;
}

static void find_target(struct asked *a, const char *config)
{
    struct call *c = a->cc.c;
    struct err e;
    AUTO_FREE char *rsh = config ? ssh_test_rsh(c->app->config->ssh_dir, &e) : NULL;
    if (config && !rsh)
        call_error(c, &e);
    else if (config)
        config_call(c, config, go_config);
    else
        probes_tools(c->app->probes, on_tools, a);
}

static void make(struct call *c, bool replace, bool keep_comment)
{
    if (!label_ok(c, call_str(c, "label", "")) || !target_ok(c, false))
        return;
    if (replace &&
        !call_audit(c, "ssh_key_replace", call_str(c, "label", ""), NULL, NULL, "allowed"))
        return;
    struct asked *a = asked_new(c);
    if (!a)
        return;
    a->making = true;
    a->replace = replace;
    a->keep_comment = keep_comment;
    find_target(a, call_str(c, "repository", NULL));
}

static void create_now(struct call *c)
{
    make(c, false, false);
}

static void replace_now(struct call *c)
{
    make(c, true, false);
}

static void renew_now(struct call *c)
{
    make(c, true, true);
}

void ssh_keys_create(struct call *c)
{
    call_idempotent(c, create_now);
}

void ssh_keys_replace(struct call *c)
{
    call_idempotent(c, replace_now);
}

void ssh_keys_renew(struct call *c)
{
    call_idempotent(c, renew_now);
}

/* ---- test ---- */

static void test_now(struct call *c)
{
    struct stat st;
    struct err e;
    const char *config = call_str(c, "repository", NULL);
    struct asked *a = label_ok(c, call_str(c, "label", "")) ? asked_new(c) : NULL;
    if (!a)
        return;
    a->own_key = lstat(a->path, &st) == 0;
    if (!target_ok(c, a->own_key))
        return;
    if (a->own_key && !S_ISREG(st.st_mode)) {
        (void)err_set(&e, ERR_UNAVAILABLE, "id_%s is a symbolic link or no regular file", a->label);
        call_error(c, &e);
        return;
    }
    if (!a->own_key && (config || call_has(c, "host"))) {
        (void)err_set(&e, ERR_NOT_FOUND, "there is no ssh key %s", a->label);
        call_error(c, &e);
        return;
    }
    /* The reference API takes a configuration's label here and tests with its own key. */
    find_target(a, a->own_key ? config : a->label);
}

void ssh_keys_test(struct call *c)
{
    call_idempotent(c, test_now);
}
