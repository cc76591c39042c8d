/* aio_audit: each exec in a container goes to the audit trail. */
#ifndef API_AIO_AUDIT_H
#define API_AIO_AUDIT_H

/* For aio_job_means: `app` is the struct app. Loop's thread. */
void aio_audit_executed(void *app, const char *job, const char *container, const char *command);

#endif
