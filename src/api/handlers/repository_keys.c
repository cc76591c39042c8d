#include "api/handlers/repository_keys.h"

#include "api/config_call.h"
#include "api/idempotency.h"
#include "backup/repo/key_export.h"
#include "backup/repo/passphrase_change.h"
#include "base/json.h"

#include <string.h>

static bool refuse(struct call *c, enum err_code code, const char *field, const char *why)
{
    struct err e;
    (void)err_field(&e, code, field, "%s", why);
    call_error(c, &e);
    return false;
}

/* The only repository meant: keys are handled one at a time. NULL: the call is answered, and cc
 * gone with it. */
static const struct resolved_repo *the_one(struct config_call *cc)
{
    if (cc->config->count == 1)
        cc->only = &cc->config->repos[0];
    if (cc->only)
        return cc->only;
    (void)refuse(cc->c, ERR_BAD_REQUEST, "repository_label",
                 "the configuration has several repositories: say which one");
    return NULL;
}

/* ---- passphrase/change ---- */

static const struct secret *new_passphrase(const struct call *c)
{
    const struct secret *s = call_secret(c, "new_borg_passphrase");
    return s ? s : call_secret(c, "new_passphrase");
}

static void add_needs_update(struct call *c, struct jsonw *w, const struct job *j)
{
    const char *text = job_result(j);
    json_t *result = text ? json_parse(text, strlen(text), NULL) : NULL;
    jsonw_kbool(w, "config_needs_update", json_get_bool(result, "config_needs_update", false));
    json_decref(result);
}

static void change(struct config_call *cc)
{
    struct call *c = cc->c;
    const struct resolved_repo *r = the_one(cc);
    if (!r)
        return;
    const struct secret *fresh = new_passphrase(c);
    const struct secret *given = call_secret(c, "borg_passphrase");
    const struct secret *old = given ? given : r->passphrase;
    if (!old) {
        (void)refuse(c, ERR_INVALID_SECRETS, "borg_passphrase",
                     "the present passphrase is needed, and the configuration does not hold it");
        return;
    }
    if (secret_equal(old, fresh)) {
        (void)refuse(c, ERR_INVALID_SECRETS, "new_borg_passphrase",
                     "must differ from the present passphrase");
        return;
    }
    c->members = add_needs_update;
    config_call_job(cc, &(struct config_job){
                            .kind = "passphrase-change",
                            .deadline_s = KEY_DEADLINE_S,
                            .done_word = "passphrase_changed",
                            .done_sentence = "the new passphrase opens the repository, the old "
                                             "one does not",
                            .more_masked = fresh,
                            .plan = &passphrase_change_plan,
                            .data = passphrase_change_new(old, fresh, r->passphrase != NULL)});
}

static void change_now(struct call *c)
{
    const struct secret *fresh = new_passphrase(c);
    const struct secret *other = call_secret(c, "new_passphrase");
    if (!fresh)
        (void)refuse(c, ERR_BAD_REQUEST, "new_borg_passphrase", "is needed");
    else if (other && other != fresh)
        (void)refuse(c, ERR_INVALID_SECRETS, "new_passphrase",
                     "is another name of new_borg_passphrase: give one of them");
    else if (secret_len(fresh) > NEW_PASSPHRASE_MAX)
        (void)refuse(c, ERR_INVALID_SECRETS, "new_borg_passphrase",
                     "must be at most 1024 bytes long");
    else
        config_call(c, call_str(c, "label", ""), change);
}

void repository_passphrase_change(struct call *c)
{
    call_idempotent(c, change_now);
}

/* ---- key/export ---- */

static void add_key(struct call *c, struct jsonw *w, const struct job *j)
{
    jsonw_kstr(w, "format", call_str(c, "format", "plain"));
    /* Room for all that follows: a buffer that moves leaves the key behind. */
    (void)buf_reserve(w->b, LIMIT_KEY * 6 + LIMIT_RECORD);
    jsonw_kraw(w, "key", job_document(j));
}

static void export(struct config_call *cc)
{
    struct call *c = cc->c;
    const char *label = call_str(c, "label", "");
    if (!the_one(cc) || !call_audit(c, "key_export", label, NULL, NULL, "allowed"))
        return;
    bool paper = strcmp(call_str(c, "format", "plain"), "paper") == 0;
    c->members = add_key;
    config_call_job(cc, &(struct config_job){.kind = "key-export",
                                             .reading = true,
                                             .document = true,
                                             .deadline_s = KEY_DEADLINE_S,
                                             .done_word = "key_exported",
                                             .done_sentence = "the key was handed to the caller",
                                             .plan = &key_export_plan,
                                             .data = key_export_new(paper)});
}

void repository_key_export(struct call *c)
{
    const char *label = call_str(c, "label", "");
    if (call_confirmed(c, label))
        config_call(c, label, export);
}
