#include "backup/maintain.h"

#include "base/mem.h"

struct maintain {
    enum borgmatic_verb verb;
    struct borgmatic_options options;
    const char *command;
};

static void maintain_free(void *data)
{
    mem_free(data);
}

void *maintain_new(enum borgmatic_verb verb, const struct borgmatic_options *options,
                   const char *command)
{
    struct maintain *m = mem_zalloc(sizeof *m);
    if (m)
        *m = (struct maintain){.verb = verb, .options = *options, .command = command};
    return m;
}

static void maintain_step(struct operation *op, void *data, const struct operation_result *last)
{
    struct maintain *m = data;
    struct err e = {0};
    if (last->ran)
        operation_end_worst(op, NULL);
    else if (!operation_borgmatic(op, m->verb, &m->options, m->command, &e))
        operation_fail(op, &e);
}

const struct operation_plan maintain_plan = {.step = maintain_step, .free = maintain_free};
