#include "backup/run/operation.h"

#include "backup/run/operation_internal.h"
#include "base/jsonw.h"
#include "base/mem.h"

#include <string.h>

static void operation_begin(struct job *j, void *work)
{
    struct operation *op = work;
    op->job = j;
    op->plan->step(op, op->data, &op->result);
}

static void operation_stop(struct job *j, void *work, enum job_stop why)
{
    struct operation *op = work;
    op->stopping = true;
    if (op->plan->stop && op->plan->stop(op, op->data, why))
        return;
    if (op->run)
        run_stop(op->run);
}

/* ---- life ---- */

static void operation_free(void *work)
{
    struct operation *op = work;
    if (!op)
        return;
    if (op->plan->free)
        op->plan->free(op->data);
    operation_drop_reports(op);
    resolved_unref(op->config);
    secret_free(op->borg_passphrase);
    secret_free(op->ssh_passphrase);
    secret_free(op->more_masked);
    for (size_t i = 0; i < op->mask_count; i++)
        secret_free(op->masks[i]);
    buf_wipe(&op->out);
    mem_free(op->repository);
    mem_free(op->out_tail);
    mem_free(op->err_tail);
    mem_free(op);
}

const struct job_ops operation_ops = {
    .start = operation_begin, .stop = operation_stop, .free = operation_free};

static bool concerned(const struct operation_spec *s, const struct resolved_repo *repo)
{
    return !s->repository || strcmp(s->repository, repo->location) == 0;
}

void *operation_new(const struct operation_spec *s)
{
    struct operation *op = mem_zalloc(sizeof *op);
    if (!op) {
        if (s->plan->free)
            s->plan->free(s->data);
        return NULL;
    }
    op->plan = s->plan;
    op->data = s->data;
    op->context = *s->context;
    op->tools = *s->context->tools;
    op->context.tools = &op->tools;
    op->config = s->config ? resolved_ref(s->config) : NULL;
    op->repository = mem_strdup(s->repository);
    op->borg_passphrase = secret_dup(s->borg_passphrase);
    op->ssh_passphrase = secret_dup(s->ssh_passphrase);
    op->more_masked = secret_dup(s->more_masked);
    op->done_word = s->done_word ? s->done_word : "done";
    op->done_sentence = s->done_sentence ? s->done_sentence : "borg ended without fault";
    progress_show_init(&op->progress, s->progress_lines);
    buf_init(&op->out, LIMIT_SPOOL);
    for (size_t i = 0; op->config && i < op->config->count; i++)
        if (concerned(s, &op->config->repos[i]))
            op->repos[op->repo_count++] =
                (struct operation_repo){.repo = &op->config->repos[i], .run = OPERATION_NO_RUN};
    if ((op->repository || !s->repository) && (op->borg_passphrase || !s->borg_passphrase) &&
        (op->ssh_passphrase || !s->ssh_passphrase) && (op->more_masked || !s->more_masked))
        return op;
    operation_free(op);
    return NULL;
}

char *operation_private(const struct operation_spec *s, const char *more)
{
    struct buf b;
    struct jsonw w;
    buf_init(&b, LIMIT_RECORD);
    jsonw_init(&w, &b);
    jsonw_begin_object(&w);
    jsonw_kstr(&w, "file", s->config ? s->config->file : NULL);
    jsonw_key(&w, "repositories");
    jsonw_begin_array(&w);
    for (size_t i = 0; s->config && i < s->config->count; i++)
        if (concerned(s, &s->config->repos[i]))
            jsonw_str(&w, s->config->repos[i].normal);
    jsonw_end_array(&w);
    if (more)
        (void)buf_printf(&b, ",%s", more);
    jsonw_end_object(&w);
    return buf_take(&b, NULL);
}

void operation_keys(const void *work, struct job_spec *job)
{
    const struct operation *op = work;
    for (size_t i = 0; i < op->repo_count && job->key_count < JOB_KEYS_MAX; i++)
        job->keys[job->key_count++] = op->repos[i].repo->normal;
}

void operation_env(struct operation *op, const char *const *env)
{
    op->more_env = env;
}

void operation_print(struct operation *op, const char *text)
{
    mem_free(op->out_tail);
    op->out_tail = mem_strdup(text);
    while (*text) {
        size_t n = strcspn(text, "\n");
        hub_append(job_hub(op->job), EVENT_STDOUT, text, n, NULL);
        text += n + (text[n] == '\n');
    }
}

/* ---- getters ---- */

struct job *operation_job(struct operation *op)
{
    return op->job;
}

const struct backup_context *operation_context(const struct operation *op)
{
    return &op->context;
}

const struct resolved *operation_config(const struct operation *op)
{
    return op->config;
}

const struct secret *operation_passphrase(const struct operation *op)
{
    return op->borg_passphrase;
}

bool operation_stopping(const struct operation *op)
{
    return op->stopping;
}

bool operation_mask(struct operation *op, const struct secret *s)
{
    struct secret *copy = op->mask_count < LIMIT_YAML_MASKS ? secret_dup(s) : NULL;
    if (copy)
        op->masks[op->mask_count++] = copy;
    return copy != NULL;
}

size_t operation_repo_count(const struct operation *op)
{
    return op->repo_count;
}

struct operation_repo *operation_repo(struct operation *op, size_t i)
{
    return &op->repos[i];
}

struct run *operation_run(struct operation *op)
{
    return op->run;
}

const struct operation_result *operation_last(const struct operation *op)
{
    return &op->result;
}
