/* repo_create: a plan that has borgmatic make the configuration's repositories and opens each new
 * one afterwards. Loop's thread only. */
#ifndef BACKUP_REPO_REPO_CREATE_H
#define BACKUP_REPO_REPO_CREATE_H

#include "backup/run/operation.h"

/* The plan's data; `options` of BORGMATIC_REPO_CREATE, encryption and storage_quota (at most 31
 * bytes each) are copied. The result has "command", borgmatic's arguments (no secret is among
 * them), and each new repository's entry "id" and "encryption". NULL when memory is gone. */
void *repo_create_new(const struct borgmatic_options *options);
extern const struct operation_plan repo_create_plan;

/* "500M", "1.5T": what borg reads as a quota. */
bool repo_create_quota_ok(const char *text);

#endif
