#include "backup/ssh/sshkeys_job.h"

#include "backup/ssh/sshkeys.h"
#include "backup/ssh/sshkeys_change.h"
#include "backup/ssh/sshkeys_folder.h"
#include "base/arena.h"
#include "base/jsonw.h"
#include "base/mem.h"
#include "sys/proc.h"

#include <stdio.h>
#include <string.h>

enum phase { PREPARING, MAKING, KEEPING, TESTING, PLACING, CLEANING };

struct making {
    struct sshkeys_job spec;
    char *dir, *label, *comment;
    enum phase phase;
    struct ssh_test *test;
    struct sshkeys_stage stage;
    char waits[PATH_MAX]; /* the new key, made and not yet in place; "" while there is none */
    struct buf members;
    struct err e; /* of what was done on a worker thread, or why all is given up */
    bool ok, started;
};

static void making_free(void *data)
{
    struct making *m = data;
    if (!m)
        return;
    ssh_test_free(m->test);
    buf_done(&m->members);
    mem_free(m->dir);
    mem_free(m->label);
    mem_free(m->comment);
    mem_free(m);
}

void *sshkeys_job_new(const struct sshkeys_job *spec)
{
    struct making *m = mem_zalloc(sizeof *m);
    if (!m)
        return NULL;
    m->spec = *spec;
    m->dir = mem_strdup(spec->dir);
    m->label = mem_strdup(spec->label);
    m->comment = mem_strdup(spec->comment);
    buf_init(&m->members, LIMIT_RECORD);
    if (spec->test)
        m->test = ssh_test_new(&(struct ssh_test_spec){.host_only = spec->host_only});
    if (m->dir && m->label && !m->comment == !spec->comment && !m->test == !spec->test)
        return m;
    making_free(m);
    return NULL;
}

/* ---- on a worker thread ---- */

static bool take_old_comment(struct making *m)
{
    struct sshkeys_folder f;
    struct sshkeys_file pub;
    char name[SSHKEYS_NAME + 4];
    if (!sshkeys_open(&f, m->dir, false, &m->e))
        return false;
    (void)snprintf(name, sizeof name, "id_%s.pub", m->label);
    sshkeys_look(f.dir, name, true, &pub);
    sshkeys_close(&f);
    if (!pub.parsed || !pub.key.pub.comment[0])
        return true;
    m->comment = mem_strdup(pub.key.pub.comment);
    return m->comment || err_set(&m->e, ERR_NO_MEMORY, "no memory to make a key");
}

/* A key that was made by an earlier call and is to be proven now. */
static bool use_waiting(struct making *m)
{
    bool encrypted = false;
    struct err e;
    if (!m->spec.test || m->spec.fresh)
        return true;
    if (!sshkeys_waiting(m->dir, m->label, m->waits, &encrypted, &e)) {
        m->waits[0] = '\0';
        return true;
    }
    if (encrypted == m->spec.passphrase)
        return true;
    return err_field(&m->e, ERR_BAD_REQUEST, "ssh_passphrase",
                     "the new key that waits was made %s a passphrase: ask so again, or with "
                     "\"fresh\": true for another key",
                     encrypted ? "with" : "without");
}

static void prepare(void *data)
{
    struct making *m = data;
    m->ok = use_waiting(m);
    if (!m->ok || m->waits[0])
        return;
    m->ok = (m->comment || !m->spec.keep_comment || take_old_comment(m)) &&
            (m->comment || (m->comment = mem_printf("borgmatic-api %s", m->label)) ||
             err_set(&m->e, ERR_NO_MEMORY, "no memory to make a key")) &&
            sshkeys_stage(m->dir, m->label, m->spec.replace, &m->stage, &m->e);
}

static void keep(void *data)
{
    struct making *m = data;
    m->ok = sshkeys_keep(m->dir, m->label, &m->stage, m->waits, &m->e);
}

/* The new key that waits, so that it can be made known to the server. */
static void tell_waiting(struct making *m)
{
    struct buf line;
    struct err e;
    const struct sshkeys_line what = {.label = m->label, .next = true};
    buf_init(&line, SSHKEY_LINE * 2);
    if (sshkeys_pub(m->dir, &what, &line, &e))
        (void)buf_printf(&m->members, "%s\"new_key\":{%s}", m->members.n ? "," : "",
                         buf_str(&line));
    buf_done(&line);
}

static void place(void *data)
{
    struct making *m = data;
    buf_reset(&m->members);
    (void)buf_printf(&m->members, "\"%s\":true,", m->spec.replace ? "replaced" : "created");
    m->ok = sshkeys_place(m->dir, m->label, m->spec.replace, &m->members, &m->e);
}

static void clean(void *data)
{
    struct making *m = data;
    sshkeys_unstage(m->dir, &m->stage);
    if (m->waits[0])
        tell_waiting(m);
}

/* ---- ssh-keygen ---- */

static bool start_keygen(struct making *m, struct operation *op, struct err *e)
{
    AUTO_FREE char *file = proc_which("ssh-keygen", operation_context(op)->path);
    if (!file)
        return err_set(e, ERR_UNAVAILABLE, "ssh-keygen is not installed");
    const char *argv[16] = {"ssh-keygen", "-q",       "-t", "ed25519",
                            "-C",         m->comment, "-f", m->stage.path};
    if (!m->spec.passphrase) { /* else it asks, and our askpass answers */
        argv[8] = "-N";
        argv[9] = "";
    }
    const struct operation_program p = {
        .file = file, .argv = argv, .out = OPERATION_LINES, .new_key = true};
    return operation_program(op, &p, e);
}

/* ---- the course ---- */

static void end(struct making *m, struct operation *op, const struct verdict_result *v)
{
    struct buf b;
    buf_init(&b, LIMIT_RECORD);
    (void)buf_printf(&b, "{%s}", buf_str(&m->members));
    operation_end(op, v, buf_str(&b));
    buf_done(&b);
}

static void end_failed(struct making *m, struct operation *op)
{
    struct verdict_result v = {.state = VERDICT_FAILED, .api = m->e.code};
    (void)snprintf(v.word, sizeof v.word, "%s", err_word(m->e.code));
    (void)snprintf(v.sentence, sizeof v.sentence, "%s", m->e.msg);
    end(m, op, &v);
}

/* m->e says why; what was begun is taken away first. */
static void give_up(struct making *m, struct operation *op)
{
    struct err e;
    m->phase = CLEANING;
    if (!operation_worker(op, clean, &e))
        end_failed(m, op);
}

static void not_proven(struct making *m, struct operation *op)
{
    (void)err_set(
        &m->e, ERR_KEY_NOT_PROVEN,
        "the new key does not work there yet (%s: %.150s): the old one stays as it is; add "
        "the new key to the server and ask again",
        ssh_test_word(m->test), ssh_test_sentence(m->test));
    (void)buf_puts(&m->members, "\"test\":{");
    ssh_test_members(m->test, &m->members);
    (void)buf_putc(&m->members, '}');
    give_up(m, op);
}

static void go_on(struct making *m, struct operation *op, enum phase phase, void (*work)(void *))
{
    m->phase = phase;
    if (!operation_worker(op, work, &m->e))
        give_up(m, op);
}

static void prove(struct making *m, struct operation *op, const struct operation_result *last)
{
    if (!m->test) {
        go_on(m, op, PLACING, place);
        return;
    }
    if (m->phase != TESTING && !ssh_test_key(m->test, m->waits)) {
        (void)err_set(&m->e, ERR_NO_MEMORY, "no memory to prove the key");
        give_up(m, op);
        return;
    }
    m->phase = TESTING;
    enum ssh_test_next next = ssh_test_next(m->test, op, last, &m->e);
    if (next == SSH_TEST_BROKEN)
        give_up(m, op);
    else if (next == SSH_TEST_OVER && !ssh_test_passed(m->test))
        not_proven(m, op);
    else if (next == SSH_TEST_OVER)
        go_on(m, op, PLACING, place);
}

static void prepared(struct making *m, struct operation *op, const struct operation_result *last)
{
    if (m->waits[0]) {
        prove(m, op, last);
        return;
    }
    m->phase = MAKING;
    if (!start_keygen(m, op, &m->e))
        give_up(m, op);
}

static void made(struct making *m, struct operation *op, const struct operation_result *last)
{
    if (last->code == 0) {
        go_on(m, op, KEEPING, keep);
        return;
    }
    (void)err_set(&m->e, ERR_COMMAND_FAILED, "ssh-keygen failed: %.200s", last->stderr_tail);
    give_up(m, op);
}

static void placed(struct making *m, struct operation *op)
{
    struct verdict_result v = {.state = VERDICT_SUCCEEDED};
    operation_is_done(op);
    (void)snprintf(v.word, sizeof v.word, "%s", m->spec.replace ? "key_replaced" : "key_created");
    (void)snprintf(v.sentence, sizeof v.sentence, "%s",
                   m->spec.replace ? "the new key is in place, the old one is kept aside"
                                   : "the key is in place");
    end(m, op, &v);
}

static void making_step(struct operation *op, void *data, const struct operation_result *last)
{
    struct making *m = data;
    if (m->phase == PREPARING && !m->started) {
        m->started = true;
        go_on(m, op, PREPARING, prepare);
    } else if (m->phase == CLEANING) {
        end_failed(m, op);
    } else if (m->phase == PLACING && m->ok) {
        placed(m, op);
    } else if (last->stopped || operation_stopping(op)) {
        (void)err_set(&m->e, ERR_COMMAND_FAILED, "the making of the key was ended");
        give_up(m, op);
    } else if (m->phase == MAKING) {
        made(m, op, last);
    } else if (m->phase != TESTING && !m->ok) {
        give_up(m, op);
    } else if (m->phase == PREPARING) {
        prepared(m, op, last);
    } else {
        prove(m, op, last);
    }
}

const struct operation_plan sshkeys_job_plan = {.step = making_step, .free = making_free};
