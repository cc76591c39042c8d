/* The plan of a job that tests a key and does nothing else. */
#include "backup/ssh/ssh_test.h"

void *ssh_test_plan_new(const struct ssh_test_spec *spec)
{
    return ssh_test_new(spec);
}

static void plan_free(void *data)
{
    ssh_test_free(data);
}

static void end_stopped(struct operation *op)
{
    struct err e;
    (void)err_set(&e, ERR_COMMAND_FAILED, "the test was ended");
    operation_fail(op, &e);
}

static void plan_step(struct operation *op, void *data, const struct operation_result *last)
{
    struct ssh_test *t = data;
    struct err e = {0};
    struct buf b;
    if (last->stopped || operation_stopping(op)) {
        end_stopped(op);
        return;
    }
    enum ssh_test_next next = ssh_test_next(t, op, last, &e);
    if (next == SSH_TEST_BROKEN)
        operation_fail(op, &e);
    if (next != SSH_TEST_OVER)
        return;
    buf_init(&b, LIMIT_RECORD);
    (void)buf_putc(&b, '{');
    ssh_test_members(t, &b);
    (void)buf_putc(&b, '}');
    operation_end_well(op, ssh_test_word(t), ssh_test_sentence(t), buf_str(&b));
    buf_done(&b);
}

const struct operation_plan ssh_test_plan = {.step = plan_step, .free = plan_free};
