#include "api/handlers/repository_create.h"

#include "api/config_call.h"
#include "api/idempotency.h"
#include "backup/repo/repo_create.h"
#include "base/json.h"
#include "base/mem.h"

#include <string.h>

/* "command", as the reference API has it, out of the job's result. */
static void add_command(struct call *c, struct jsonw *w, const struct job *j)
{
    const char *text = job_result(j);
    json_t *result = text ? json_parse(text, strlen(text), NULL) : NULL;
    json_t *command = json_object_get(result, "command");
    struct buf b;
    buf_init(&b, LIMIT_RECORD);
    if (command)
        (void)json_write(command, &b);
    jsonw_kraw(w, "command", b.n ? buf_str(&b) : NULL);
    buf_done(&b);
    json_decref(result);
}

static bool has_passphrase(const struct resolved_repo *r)
{
    static const char command[] = "BORG_PASSCOMMAND=";
    for (const char *const *v = r->env; v && *v; v++)
        if (strncmp(*v, command, sizeof command - 1) == 0)
            return true;
    return secret_len(r->passphrase) > 0;
}

/* borg would ask on a terminal that is not there, and say so less clearly. */
static bool passphrases_are_there(struct config_call *cc, const char *encryption)
{
    if (strcmp(encryption, "none") == 0 || call_secret(cc->c, "borg_passphrase"))
        return true;
    for (size_t i = 0; i < cc->config->count; i++) {
        const struct resolved_repo *r = &cc->config->repos[i];
        if ((cc->only && cc->only != r) || has_passphrase(r))
            continue;
        struct err e;
        (void)err_field(&e, ERR_INVALID_SECRETS, "borg_passphrase",
                        "an encrypted repository needs a passphrase, and the configuration has "
                        "none");
        call_error(cc->c, &e);
        return false;
    }
    return true;
}

static void create(struct config_call *cc)
{
    struct call *c = cc->c;
    struct err e = {0};
    const struct borgmatic_options o = {
        .verbosity =
            call_has(c, "verbosity") ? (int)call_int(c, "verbosity", 0) : BORGMATIC_VERBOSITY_UNSET,
        .encryption = call_str(c, "encryption", "repokey-blake2"),
        .storage_quota = call_str(c, "storage_quota", NULL),
        .append_only = call_bool(c, "append_only", false),
        .make_parent_dirs = call_bool(c, "make_parent_dirs", false),
    };
    if (!borgmatic_argv(&c->req->arena, &cc->tools, BORGMATIC_REPO_CREATE, cc->file, &o, &e)) {
        call_error(c, &e);
        return;
    }
    if (!passphrases_are_there(cc, o.encryption))
        return;
    c->members = add_command;
    config_call_job(cc, &(struct config_job){.kind = "repo-create",
                                             .deadline_s = REPO_CREATE_DEADLINE_S,
                                             .done_word = "repository_created",
                                             .done_sentence = "the repository was made and opened",
                                             .plan = &repo_create_plan,
                                             .data = repo_create_new(&o)});
}

static void create_now(struct call *c)
{
    struct err e = {0};
    const char *quota = call_str(c, "storage_quota", NULL);
    if (quota && !repo_create_quota_ok(quota)) {
        (void)err_field(&e, ERR_BAD_REQUEST, "storage_quota",
                        "must be a number, perhaps with one of K, M, G, T, P behind it");
        call_error(c, &e);
        return;
    }
    config_call(c, call_str(c, "label", ""), create);
}

void repository_create(struct call *c)
{
    call_idempotent(c, create_now);
}
