#include "backup/repo/passphrase_change.h"

#include "backup/run/run.h"
#include "base/mem.h"
#include "sys/pty.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

enum phase { ASK_BORG, TRY_OLD, TRY_NEW };

struct change {
    struct secret *old, *fresh;
    bool in_config;
    bool changed;         /* borg says so */
    struct operation *op; /* while a terminal is open */
    struct pty *pty;
    struct buf seen; /* on the terminal, since the last answer */
    unsigned answers;
    enum phase phase;
    char doubt[200]; /* why it is not known whether the old one is refused, or "" */
};

static void change_free(void *data)
{
    struct change *ch = data;
    if (!ch)
        return;
    pty_free(ch->pty);
    buf_wipe(&ch->seen);
    secret_free(ch->old);
    secret_free(ch->fresh);
    mem_free(ch);
}

void *passphrase_change_new(const struct secret *old, const struct secret *fresh, bool in_config)
{
    struct change *ch = mem_zalloc(sizeof *ch);
    if (!ch)
        return NULL;
    ch->old = secret_dup(old);
    ch->fresh = secret_dup(fresh);
    ch->in_config = in_config;
    buf_init(&ch->seen, PROMPT_BYTES);
    if (ch->old && ch->fresh)
        return ch;
    change_free(ch);
    return NULL;
}

/* ---- the dialogue ---- */

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), k = strlen(end);
    return n >= k && strcmp(text + n - k, end) == 0;
}

enum prompt passphrase_prompt(const char *text)
{
    /* ssh asks alike, but quotes the key's file; it is kept from asking, and gets nothing here. */
    static const char old[] = "Enter passphrase for key ";
    if (ends_with(text, "Enter new passphrase: "))
        return PROMPT_NEW;
    if (ends_with(text, "Enter same passphrase again: "))
        return PROMPT_AGAIN;
    const char *at = strstr(text, old);
    if (at && at[sizeof old - 1] != '\'' && ends_with(text, ": "))
        return PROMPT_OLD;
    return PROMPT_NONE;
}

static bool type(struct change *ch, const struct secret *s)
{
    char line[LIMIT_SECRET + 1];
    size_t n = secret_len(s);
    memcpy(line, secret_bytes(s), n);
    line[n] = '\n';
    bool sent = pty_send(ch->pty, line, n + 1);
    sodium_memzero(line, sizeof line);
    return sent;
}

static void on_terminal(void *arg, const char *p, size_t n)
{
    struct change *ch = arg;
    struct run *run = operation_run(ch->op);
    bool whole = buf_append(&ch->seen, p, n);
    enum prompt asked = passphrase_prompt(buf_str(&ch->seen));
    if (whole && asked == PROMPT_NONE)
        return;
    buf_wipe(&ch->seen);
    bool more = whole && ch->answers++ < PROMPT_ANSWERS;
    if (run && (!more || !type(ch, asked == PROMPT_OLD ? ch->old : ch->fresh)))
        run_stop(run); /* borg would wait for ever */
}

static bool ask_borg(struct operation *op, struct change *ch, struct err *e)
{
    static const char *const verb[] = {"key", "change-passphrase", NULL};
    job_stage(operation_job(op), "change");
    ch->op = op;
    ch->pty = pty_new(operation_context(op)->loop, on_terminal, ch, e);
    if (!ch->pty)
        return false;
    const struct operation_borg b = {.repo = operation_repo(op, 0),
                                     .verb = verb,
                                     .out = OPERATION_KEEP,
                                     .keep_max = LIMIT_KEY,
                                     .tty_fd = pty_child_fd(ch->pty)};
    return operation_borg(op, &b, e);
}

/* ---- the proof ---- */

static bool try(struct operation *op, struct change *ch, enum phase phase, struct err *e)
{
    static const char *const verb[] = {"list", "--json", "--last", "1", NULL};
    ch->phase = phase;
    job_stage(operation_job(op), phase == TRY_OLD ? "old_is_refused" : "new_opens");
    const struct operation_borg b = {.repo = operation_repo(op, 0),
                                     .verb = verb,
                                     .passphrase = phase == TRY_OLD ? ch->old : ch->fresh,
                                     .out = OPERATION_KEEP};
    return operation_borg(op, &b, e);
}

static void say(struct verdict_result *v, enum verdict_state state, const char *word,
                const char *sentence)
{
    *v = (struct verdict_result){.state = state};
    v->api = state == VERDICT_FAILED ? ERR_COMMAND_FAILED : ERR_NONE;
    (void)snprintf(v->word, sizeof v->word, "%s", word);
    (void)snprintf(v->sentence, sizeof v->sentence, "%s", sentence);
}

/* However it ends, the result tells whether the old passphrase is still the one. `v` NULL: the
 * repository's own verdict. */
static void end(struct operation *op, const struct change *ch, const struct verdict_result *v)
{
    char members[80];
    (void)snprintf(members, sizeof members, "\"changed\":%s,\"config_needs_update\":%s",
                   ch->changed ? "true" : "false", ch->changed && ch->in_config ? "true" : "false");
    if (v)
        operation_end_as(op, v, members);
    else
        operation_end_worst(op, members);
}

static void finish(struct operation *op, struct change *ch, const struct operation_result *last)
{
    struct verdict_result v, opened;
    char sentence[300];
    verdict_result(last->verdict, &opened);
    if (opened.state != VERDICT_FAILED && !ch->doubt[0]) {
        end(op, ch, NULL);
        return;
    }
    if (strcmp(opened.word, "wrong_passphrase") == 0)
        say(&v, VERDICT_FAILED, "change_not_confirmed",
            "borg reports success, but the new passphrase does not open the repository");
    else {
        (void)snprintf(sentence, sizeof sentence,
                       "borg reports success, but that could not be proved: %.200s",
                       ch->doubt[0] ? ch->doubt : opened.sentence);
        say(&v, VERDICT_WARNING, "unverified", sentence);
    }
    end(op, ch, &v);
}

/* True when it is over and has been said. */
static bool after_change(struct operation *op, struct change *ch,
                         const struct operation_result *last)
{
    struct operation_repo *r = operation_repo(op, 0);
    struct verdict_result v;
    if (last->code != 0) /* that a repository has no key is told there */
        verdict_text(r->verdict, last->out, last->out_len);
    verdict_result(r->verdict, &v);
    if (v.state != VERDICT_FAILED)
        return false;
    end(op, ch, NULL);
    return true;
}

static bool after_old(struct operation *op, struct change *ch, const struct operation_result *last)
{
    struct verdict_result v, said;
    verdict_result(last->verdict, &v);
    if (strcmp(v.word, "wrong_passphrase") == 0)
        return false;
    if (v.state == VERDICT_FAILED) {
        (void)snprintf(ch->doubt, sizeof ch->doubt, "%.199s", v.sentence);
        return false;
    }
    say(&said, VERDICT_FAILED, "old_passphrase_works",
        "borg reports success, but the old passphrase still opens the repository");
    end(op, ch, &said);
    return true;
}

static void change_step(struct operation *op, void *data, const struct operation_result *last)
{
    struct change *ch = data;
    struct err e = {0};
    pty_free(TAKE(ch->pty));
    if (last->ran && ch->phase == ASK_BORG)
        ch->changed = last->code == 0;
    if (last->stopped || operation_stopping(op)) {
        end(op, ch, NULL);
        return;
    }
    if (last->ran && ch->phase == TRY_NEW) {
        finish(op, ch, last);
        return;
    }
    if (last->ran && (ch->phase == ASK_BORG ? after_change(op, ch, last) : after_old(op, ch, last)))
        return;
    bool started = !last->ran              ? ask_borg(op, ch, &e)
                   : ch->phase == ASK_BORG ? try(op, ch, TRY_OLD, &e)
                                           : try(op, ch, TRY_NEW, &e);
    if (!started)
        operation_fail(op, &e);
}

const struct operation_plan passphrase_change_plan = {.step = change_step, .free = change_free};
