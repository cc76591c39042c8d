/* ssh_test: does a key open the door to a host, and what is behind it?
 *
 * A part of an operation whose repositories are the places to try. For each one behind ssh: `ssh …
 * true` tells of name, port, host key and authentication; then borg itself, over that ssh, tells of
 * `borg serve` and the repository. A key that the server restricts to `borg serve` passes the first
 * as well: whatever runs there, ssh came through. Loop's thread. */
#ifndef BACKUP_SSH_SSH_TEST_H
#define BACKUP_SSH_SSH_TEST_H

#include "backup/run/operation.h"
#include "base/buf.h"

struct ssh_test;

struct ssh_test_spec {
    const char *key; /* path of the private file, or NULL: as the configuration says */
    bool host_only;  /* the repository is invented: that it does not exist is what is hoped for */
};

struct ssh_test *ssh_test_new(const struct ssh_test_spec *spec); /* copied; NULL: no memory */
void ssh_test_free(struct ssh_test *t);                          /* NULL is a no-op */
/* Another key than at first; false: no memory. */
bool ssh_test_key(struct ssh_test *t, const char *key);

enum ssh_test_next { SSH_TEST_RUNS, SSH_TEST_OVER, SSH_TEST_BROKEN };
/* Starts the next program; pass the step's `last`. BROKEN: `e` says what could not be started. */
enum ssh_test_next ssh_test_next(struct ssh_test *t, struct operation *op,
                                 const struct operation_result *last, struct err *e);

/* Once it is over: every place was reached, and what is to be said of the first that was not. */
bool ssh_test_passed(const struct ssh_test *t);
const char *ssh_test_word(const struct ssh_test *t);
const char *ssh_test_sentence(const struct ssh_test *t);
/* "reachable","step","word","sentence","steps","repositories" as JSON members. */
void ssh_test_members(const struct ssh_test *t, struct buf *out);

/* The location of a repository that is not there, on the host; mem_free. `user` may be NULL, `port`
 * 0. ERR_BAD_REQUEST naming the field. */
char *ssh_test_place(const char *host, int port, const char *user, struct err *e);
/* ssh with no configuration but ours, for such a place; mem_free. ERR_UNAVAILABLE for a folder
 * whose name ssh would not read as it stands. */
char *ssh_test_rsh(const char *ssh_dir, struct err *e);

/* The plan of a job that does nothing else. */
extern const struct operation_plan ssh_test_plan;
void *ssh_test_plan_new(const struct ssh_test_spec *spec);

#endif
