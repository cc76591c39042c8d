#include "backup/configs/config_check.h"

#include "backup/configs/config_files.h"
#include "backup/configs/config_mask.h"
#include "base/json.h"
#include "base/mem.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- borgmatic's word for it ---- */

/* Before 1.7.15 a program of its own, beside borgmatic: a verb that 1.7.7 does not know is a backup
 * there. */
static bool own_program(const struct borgmatic_tools *t, struct config_check_argv *out,
                        struct err *e)
{
    const char *slash = strrchr(t->borgmatic, '/');
    size_t n = slash ? (size_t)(slash - t->borgmatic) : 0;
    (void)snprintf(out->file, sizeof out->file, "%.*s/validate-borgmatic-config", (int)n,
                   t->borgmatic);
    return access(out->file, X_OK) == 0 ||
           err_set(e, ERR_UNSUPPORTED, "this borgmatic comes without validate-borgmatic-config");
}

bool config_check_argv(const struct borgmatic_tools *t, const char *path,
                       struct config_check_argv *out, struct err *e)
{
    size_t n = 0;
    bool old = borgmatic_version_cmp(t->borgmatic_version, 1, 7, 15) < 0;
    if (!t->borgmatic[0])
        return err_set(e, ERR_UNAVAILABLE, "%s",
                       t->problem[0] ? t->problem : "borgmatic is not installed");
    if (old && !own_program(t, out, e))
        return false;
    if (!old)
        (void)snprintf(out->file, sizeof out->file, "%s", t->borgmatic);
    out->argv[n++] = out->file;
    if (!old) {
        out->argv[n++] = "config";
        out->argv[n++] = "validate";
    }
    out->argv[n++] = "-c";
    out->argv[n++] = path;
    if (!old && borgmatic_version_cmp(t->borgmatic_version, 1, 8, 3) < 0)
        out->argv[n++] = "--log-file=/dev/null"; /* else it logs to syslog */
    out->argv[n] = NULL;
    return true;
}

/* ---- the plan ---- */

struct check {
    char *dir, *label;
    struct config_list *list; /* all */
    size_t next;
    struct config_file file; /* under way */
    struct config_mask *mask;
    struct err fault; /* it was not worth asking */
    bool failed;      /* the folder or the file could not be read */
    json_t *answers;
    struct operation *op;
    uv_work_t work;
    bool working, stopped;
};

static void check_free(void *data)
{
    struct check *c = data;
    if (!c)
        return;
    config_mask_free(c->mask);
    json_decref(c->answers);
    mem_free(c->list);
    mem_free(c->dir);
    mem_free(c->label);
    mem_free(c);
}

void *config_check_new(const char *dir, const char *label)
{
    struct check *c = mem_zalloc(sizeof *c);
    if (!c)
        return NULL;
    c->dir = mem_strdup(dir);
    c->label = mem_strdup(label);
    c->answers = json_array();
    if (c->dir && (c->label || !label) && c->answers)
        return c;
    check_free(c);
    return NULL;
}

/* The next file's text: its secrets are masked in what borgmatic says; what is no YAML would be
 * quoted by borgmatic, so it is not asked. */
static void read_next(struct check *c)
{
    struct buf text;
    buf_init(&text, LIMIT_YAML);
    c->fault = (struct err){0};
    config_mask_free(TAKE(c->mask));
    bool read;
    if (c->label) {
        read = config_files_read(c->dir, c->label, &c->file, &text, &c->fault);
        c->failed = c->fault.code == ERR_NOT_FOUND || c->fault.code == ERR_UNAVAILABLE;
    } else {
        (void)snprintf(c->file.path, sizeof c->file.path, "%s/%s", c->dir,
                       c->list->entries[c->next].name);
        read = config_files_read_path(c->file.path, &c->file, &text, &c->fault);
    }
    if (read)
        c->mask = config_mask_new(buf_str(&text), text.n, &c->fault);
    if (c->mask)
        config_mask_includes(c->mask, c->dir);
    if (c->mask)
        (void)config_mask_sound(c->mask, &c->fault);
    buf_wipe(&text);
}

static void in_worker(uv_work_t *w)
{
    struct check *c = w->data;
    if (!c->label && !c->list && !(c->list = config_files_list(c->dir, &c->fault))) {
        c->failed = true;
        return;
    }
    if (c->label || c->next < c->list->count)
        read_next(c);
}

static size_t total(const struct check *c)
{
    return c->label ? 1 : c->list->count;
}

static void note(struct check *c, int code, const char *out, const char *said)
{
    const char *name = strrchr(c->file.path, '/');
    const char *label = c->label ? c->label : c->list->entries[c->next].label;
    json_t *one =
        json_pack("{s:s+,s:o,s:b,s:i,s:s+,s:s+}", "file", name ? name + 1 : "", "", "label",
                  *label ? json_string(label) : json_null(), "valid", code == 0, "returncode", code,
                  "stdout", out ? out : "", "", "stderr", said ? said : "", "");
    (void)json_array_append_new(c->answers, one ? one : json_null());
    c->next++;
}

static void finish(struct operation *op, struct check *c)
{
    struct buf doc;
    buf_init(&doc, LIMIT_REPLY);
    if (json_write(c->answers, &doc))
        job_take_document(operation_job(op), &doc);
    buf_done(&doc);
    bool valid = true;
    size_t i;
    json_t *one;
    json_array_foreach(c->answers, i, one) valid = valid && json_get_bool(one, "valid", false);
    operation_end_well(op, valid ? "valid" : "invalid",
                       valid ? "borgmatic takes what was asked about"
                             : "borgmatic refuses what was asked about",
                       NULL);
}

static bool ask(struct operation *op, struct check *c, struct err *e)
{
    struct config_check_argv argv;
    const struct secret *const *s = c->mask ? config_mask_secrets(c->mask) : NULL;
    for (; s && *s; s++)
        if (!operation_mask(op, *s))
            return err_set(e, ERR_NO_MEMORY, "too many secrets to mask");
    if (!config_check_argv(operation_context(op)->tools, c->file.path, &argv, e))
        return false;
    return operation_program(
        op,
        &(struct operation_program){.file = argv.file, .argv = argv.argv, .out = OPERATION_LINES},
        e);
}

static void look_on(struct operation *op, struct check *c);

static void after_worker(uv_work_t *w, int status)
{
    struct check *c = w->data;
    struct err e = c->fault;
    c->working = false;
    if (c->failed || c->stopped) {
        operation_fail(c->op, &e);
        return;
    }
    if (c->next >= total(c)) {
        finish(c->op, c);
        return;
    }
    if (c->fault.code != ERR_NONE) {
        note(c, 1, "", c->fault.msg);
        look_on(c->op, c);
        return;
    }
    if (!ask(c->op, c, &e))
        operation_fail(c->op, &e);
}

static void look_on(struct operation *op, struct check *c)
{
    struct err e;
    c->op = op;
    c->work.data = c;
    if (c->label && c->next == 1) {
        finish(op, c);
        return;
    }
    c->working = uv_queue_work(operation_context(op)->loop, &c->work, in_worker, after_worker) == 0;
    if (c->working)
        return;
    (void)err_set(&e, ERR_NO_MEMORY, "no memory to read the configuration");
    operation_fail(op, &e);
}

static void check_step(struct operation *op, void *data, const struct operation_result *last)
{
    struct check *c = data;
    struct err e;
    if (last->stopped || operation_stopping(op)) {
        (void)err_set(&e, ERR_TIMEOUT, "borgmatic did not end in time");
        operation_fail(op, &e);
        return;
    }
    if (last->ran)
        note(c, last->code, last->stdout_tail, last->stderr_tail);
    look_on(op, c);
}

static bool check_stop(struct operation *op, void *data, enum job_stop why)
{
    struct check *c = data;
    if (!c->working)
        return false;
    c->stopped = true; /* the file is read in a moment */
    (void)err_set(&c->fault, ERR_TIMEOUT, "the job was ended while files were read");
    return true;
}

const struct operation_plan config_check_plan = {
    .step = check_step, .stop = check_stop, .free = check_free};
