#include "api/aio_audit.h"

#include "api/app.h"
#include "policy/audit.h"

/* It has passed the whitelist and is under way: a line that cannot be written stops nothing. */
void aio_audit_executed(void *app, const char *job, const char *container, const char *command)
{
    const struct app *a = app;
    const struct audit_entry entry = {.action = "docker_exec",
                                      .role = "daemon",
                                      .label = container,
                                      .reason = command,
                                      .job = job,
                                      .outcome = "allowed"};
    (void)audit_write(a->audit, &entry);
}
