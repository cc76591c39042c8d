#include "api/destination_call.h"

#include "base/mem.h"

/* In the request's arena. */
struct asked {
    struct config_call *cc;
    void (*ready)(struct config_call *cc, struct destination *d);
};

static void on_opened(void *arg, struct destination *d, const struct err *e)
{
    struct asked *a = arg;
    struct resolved *config = a->cc->config;
    if (e)
        call_error(a->cc->c, e);
    else
        a->ready(a->cc, d);
    resolved_unref(config);
}

void destination_call(struct config_call *cc, const char *field, enum destination_kind kind,
                      void (*ready)(struct config_call *cc, struct destination *d))
{
    struct call *c = cc->c;
    const struct config *set = c->app->config;
    const char *repositories[LIMIT_REPOS];
    struct destination_rules rules = {.roots = set->extract_roots,
                                      .state_dir = set->state_dir,
                                      .config_dir = set->config_dir,
                                      .aio_config_file = set->aio_config_file,
                                      .repositories = repositories,
                                      .field = field};
    for (size_t i = 0; i < cc->config->count && i < LIMIT_REPOS; i++)
        if (!cc->config->repos[i].remote)
            repositories[rules.repository_count++] = cc->config->repos[i].location;
    struct asked *a = arena_alloc(&c->req->arena, sizeof *a);
    if (a) {
        *a = (struct asked){.cc = cc, .ready = ready};
        (void)resolved_ref(cc->config); /* until it is opened */
        if (destination_open_later(c->app->loop, &rules, call_str(c, field, ""), kind, on_opened,
                                   a))
            return;
        resolved_unref(cc->config);
    }
    call_error_memory(c);
}
