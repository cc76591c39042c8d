#include "api/config_call.h"
#include "api/handlers/configs.h"
#include "api/probes.h"
#include "api/worker.h"
#include "backup/configs/config_candidate.h"
#include "backup/configs/config_check.h"
#include "backup/configs/config_put.h"
#include "backup/configs/config_template.h"
#include "base/json.h"
#include "base/mem.h"
#include "sys/fsafe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KEY_MAX = LIMIT_LABEL + 16 };

static bool tools_known(struct call *c, const struct borgmatic_tools *t)
{
    struct err e;
    if (!t->problem[0])
        return true;
    (void)err_set(&e, ERR_UNAVAILABLE, "%s", t->problem);
    call_error(c, &e);
    return false;
}

static void no_memory(struct call *c)
{
    struct err e;
    (void)err_set(&e, ERR_NO_MEMORY, "no memory for this request");
    call_error(c, &e);
}

/* ---- PUT ---- */

struct putting {
    struct call *c;
    struct config_wish wish;
    struct err e;
};

static void judge(void *data)
{
    struct putting *p = data;
    config_candidate_free(config_candidate_make(&p->wish, &p->e));
}

static void write_validation(struct jsonw *w, const struct job *j)
{
    jsonw_key(w, "validation");
    jsonw_begin_object(w);
    jsonw_kint(w, "returncode", job_exit_code(j));
    jsonw_kstr(w, "stdout", job_stdout_tail(j));
    jsonw_kstr(w, "stderr", job_stderr_tail(j));
    jsonw_end_object(w);
}

static void add_written(struct call *c, struct jsonw *w, const struct job *j)
{
    const char *text = job_result(j);
    json_t *r = text ? json_parse(text, strlen(text), NULL) : NULL;
    bool validated = json_get_bool(r, "validated", false);
    const char *etag = json_get_str(r, "etag", "");
    jsonw_kstr(w, "label", json_get_str(r, "label", NULL));
    jsonw_kstr(w, "path", json_get_str(r, "path", NULL));
    jsonw_kbool(w, "created", json_get_bool(r, "created", false));
    jsonw_kbool(w, "validated", validated);
    jsonw_kstr(w, "etag", etag);
    if (validated)
        write_validation(w, j);
    else
        jsonw_kraw(w, "validation", NULL);
    jsonw_kraw(w, "config", job_document(j));
    if (*etag)
        http_add_header(c->req, "ETag", etag);
    json_decref(r);
    (void)call_audit_note(c, "config_write", job_label(j), job_id(j), "done");
}

static void add_refused(struct call *c, struct jsonw *w, const struct job *j)
{
    const char *text = job_result(j);
    json_t *r = text ? json_parse(text, strlen(text), NULL) : NULL;
    jsonw_kstr(w, "label", job_label(j));
    jsonw_kstr(w, "path", json_get_str(r, "path", NULL));
    jsonw_kbool(w, "created", false);
    if (job_api_error(j) == ERR_VALIDATE)
        write_validation(w, j);
    json_decref(r);
    (void)call_audit_note(c, "config_write", job_label(j), job_id(j), "failed");
}

static void put_with(void *arg, const struct borgmatic_tools *t)
{
    struct putting *p = arg;
    struct call *c = p->c;
    bool validate = call_bool(c, "validate", true);
    if (validate && !tools_known(c, t)) {
        config_wish_done(&p->wish);
        return;
    }
    char key[KEY_MAX];
    const char *label = call_str(c, "label", "");
    (void)snprintf(key, sizeof key, "config:%s", label);
    c->members = add_written;
    c->fault_members = add_refused;
    plain_call_job(c, t, label, (const char *const[]){key, NULL},
                   &(struct config_job){.kind = validate ? "config-validate" : "config-write",
                                        .queues = true,
                                        .unslotted = !validate,
                                        .deadline_s = CONFIG_VALIDATE_S,
                                        .plan = &config_put_plan,
                                        .data = config_put_new(&p->wish, validate)});
}

static void on_judged(struct call *c, void *data)
{
    struct putting *p = data;
    const char *label = call_str(c, "label", "");
    bool sound = p->e.code == ERR_NONE;
    if (!call_audit(c, "config_write", label, NULL, NULL, sound ? "allowed" : "refused")) {
        config_wish_done(&p->wish);
        return;
    }
    if (sound) {
        probes_tools(c->app->probes, put_with, p);
        return;
    }
    config_wish_done(&p->wish);
    if (p->e.code == ERR_BAD_REQUEST && !p->e.field[0])
        (void)snprintf(p->e.field, sizeof p->e.field, "%s",
                       call_json(c, "config") ? "config" : "yaml");
    call_error(c, &p->e);
}

/* What was sent, as YAML text. */
static bool sent_text(struct call *c, struct buf *out, struct err *e)
{
    const json_t *config = call_json(c, "config");
    const char *yaml = call_str(c, "yaml", NULL);
    if (!config == !yaml)
        return err_field(e, ERR_BAD_REQUEST, config ? "yaml" : "config",
                         "exactly one of \"config\" (an object) and \"yaml\" (text) is needed");
    if (yaml)
        return buf_puts(out, yaml) ||
               err_field(e, ERR_BAD_REQUEST, "yaml", "must be at most %d bytes long", LIMIT_YAML);
    return yaml_from_json(config, out) ||
           err_field(e, ERR_BAD_REQUEST, "config",
                     "must be at most %d levels deep and %d bytes long as yaml", LIMIT_YAML_DEPTH,
                     LIMIT_YAML);
}

static bool fill_wish(struct putting *p, const struct buf *text)
{
    struct call *c = p->c;
    const char *match = http_header(c->req, "if-match");
    const char *none = http_header(c->req, "if-none-match");
    if (!config_wish_init(&p->wish, c->app->config->config_dir, call_str(c, "label", ""),
                          buf_str(text), text->n))
        return false;
    p->wish.overwrite = call_bool(c, "overwrite", false);
    p->wish.code = c->app->config->enable_config_code;
    p->wish.if_match = mem_strdup(match);
    p->wish.if_none_match = mem_strdup(none);
    return (p->wish.if_match || !match) && (p->wish.if_none_match || !none);
}

void configs_put(struct call *c)
{
    struct buf text;
    struct err e = {0};
    struct putting *p = arena_alloc(&c->req->arena, sizeof *p);
    if (!p) {
        no_memory(c);
        return;
    }
    p->c = c;
    buf_init(&text, LIMIT_YAML);
    bool sent = buf_reserve(&text, LIMIT_YAML) && sent_text(c, &text, &e);
    if (!sent || !fill_wish(p, &text)) {
        config_wish_done(&p->wish);
        if (sent || e.code == ERR_NONE)
            no_memory(c);
        else
            call_error(c, &e);
    } else if (!call_in_worker(c, judge, on_judged, p)) {
        config_wish_done(&p->wish);
    }
    buf_wipe(&text);
}

/* ---- DELETE ---- */

struct deleting {
    const char *dir, *label, *if_match;
    struct config_file file;
    struct err e;
};

static void remove_file(void *data)
{
    struct deleting *d = data;
    struct stat st;
    char real[PATH_MAX];
    if (!resolve_find(d->dir, d->label, d->file.path, sizeof d->file.path, &d->e))
        return;
    if (stat(d->file.path, &st) == 0)
        config_files_etag(&st, d->file.etag);
    if (d->if_match && !config_etag_in(d->if_match, d->file.etag)) {
        (void)err_set(&d->e, ERR_PRECONDITION, "the configuration has changed since it was read");
        return;
    }
    int dir = fsafe_dir(realpath(d->dir, real) ? real : d->dir, &d->e);
    if (dir < 0)
        return;
    if (!fsafe_remove(dir, strrchr(d->file.path, '/') + 1, &d->e) && d->e.code == ERR_NOT_FOUND)
        (void)err_set(&d->e, ERR_NOT_FOUND, "Config %s not found", d->label);
    (void)close(dir);
}

static void on_removed(struct call *c, void *data)
{
    struct deleting *d = data;
    struct buf b;
    struct jsonw w;
    (void)call_audit_note(c, "config_delete", d->label, NULL,
                          d->e.code == ERR_NONE ? "done" : "failed");
    if (d->e.code != ERR_NONE) {
        call_error(c, &d->e);
        return;
    }
    call_begin(c, &b, &w, true);
    jsonw_kstr(&w, "label", d->label);
    jsonw_kbool(&w, "deleted", true);
    jsonw_kstr(&w, "path", d->file.path);
    call_reply(c, 200, &b, &w);
}

struct user {
    const char *label;
    const struct job *found;
};

static void uses_it(void *arg, struct job *j)
{
    struct user *u = arg;
    if (!u->found && job_label(j) && strcmp(job_label(j), u->label) == 0 &&
        !job_state_final(job_state(j)))
        u->found = j;
}

void configs_delete(struct call *c)
{
    struct user u = {.label = call_str(c, "label", "")};
    struct err e;
    jobs_each(c->app->jobs, uses_it, &u);
    if (u.found) {
        (void)err_set(&e, ERR_JOB_RUNNING, "a job works with this configuration");
        call_error_job(c, &e, job_id(u.found));
        return;
    }
    struct deleting *d = arena_alloc(&c->req->arena, sizeof *d);
    if (!d) {
        no_memory(c);
        return;
    }
    d->dir = c->app->config->config_dir;
    d->label = u.label;
    d->if_match = http_header(c->req, "if-match");
    if (call_audit(c, "config_delete", u.label, NULL, NULL, "allowed"))
        (void)call_in_worker(c, remove_file, on_removed, d);
}

/* ---- is it valid? ---- */

static void add_one(struct call *c, struct jsonw *w, const struct job *j)
{
    const char *text = job_document(j) ? job_document(j) : "[]";
    json_t *all = json_parse(text, strlen(text), NULL);
    const json_t *one = json_array_get(all, 0);
    jsonw_kstr(w, "label", job_label(j));
    jsonw_kstr(w, "file", json_get_str(one, "file", NULL));
    jsonw_kbool(w, "valid", json_get_bool(one, "valid", false));
    json_decref(all);
}

static void add_results(struct call *c, struct jsonw *w, const struct job *j)
{
    jsonw_kraw(w, "results", job_document(j) ? job_document(j) : "[]");
}

static void validate_with(void *arg, const struct borgmatic_tools *t)
{
    struct call *c = arg;
    const char *label = call_str(c, "label", NULL);
    if (!tools_known(c, t))
        return;
    c->members = label ? add_one : add_results;
    plain_call_job(
        c, t, label, NULL,
        &(struct config_job){.kind = "config-validate",
                             .reading = true,
                             .equal_joins = true,
                             .document = true,
                             .deadline_s = label ? CONFIG_VALIDATE_S : READ_DEADLINE_S,
                             .plan = &config_check_plan,
                             .data = config_check_new(c->app->config->config_dir, label)});
}

void configs_validate(struct call *c)
{
    probes_tools(c->app->probes, validate_with, c);
}

void configs_validate_all(struct call *c)
{
    probes_tools(c->app->probes, validate_with, c);
}

/* ---- a beginning ---- */

static void generate_with(void *arg, const struct borgmatic_tools *t)
{
    struct call *c = arg;
    struct buf text, b;
    struct jsonw w;
    struct err e = {0};
    buf_init(&text, LIMIT_YAML);
    if (!config_template(&t->borgmatic_version, c->params, &text, &e)) {
        buf_done(&text);
        call_error(c, &e);
        return;
    }
    call_begin(c, &b, &w, true);
    jsonw_kstr(&w, "label", call_str(c, "label", ""));
    jsonw_kstr(&w, "yaml", buf_str(&text));
    buf_done(&text);
    call_reply(c, 200, &b, &w);
}

void configs_generate(struct call *c)
{
    probes_tools(c->app->probes, generate_with, c);
}
