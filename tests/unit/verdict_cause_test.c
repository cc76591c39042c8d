/* What borg's failures are called. */
#include "verdict_kit.h"

#include "backup/create/verdict_cause.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define CACHE_ID "beed783f2e3d5e68cde9f7bc89ee59ccdd3bcea5d8867b201782ae759876efcd"
#define CLOSED \
    ERROR("ConnectionClosedWithHint", \
          "Connection closed by remote host. Is borg working on the server?")
#define REMOTE(text) \
    "{\"type\": \"log_message\", \"time\": 1.5, \"message\": \"Remote: " text \
    "\", \"levelname\": \"WARNING\", \"name\": \"root\"}"
#define TRACEBACK \
    LOG("ERROR", "", \
        "Traceback (most recent call last):\\n  File \\\"x.py\\\", line 194, in close\\n" \
        "OSError: [Errno 28] No space left on device\\n\\nPlatform: Linux vm\\nPID: 14139\\n")
#define BUG \
    LOG("ERROR", "", \
        "Traceback (most recent call last):\\n  File \\\"x.py\\\", line 1, in f\\nValueError: " \
        "strange\\n\\nPlatform: Linux vm\\nPID: 14139\\n")

static const struct {
    const char *line;
    int code;
    const char *word;
    enum err_code api;
} failures[] = {
    {ERROR("PassphraseWrong", "passphrase supplied in BORG_PASSPHRASE, by BORG_PASSCOMMAND or "
                              "via BORG_PASSPHRASE_FD is incorrect."),
     52, "wrong_passphrase", ERR_WRONG_PASSPHRASE},
    {"Enter passphrase for key /r: " ERROR("NoPassphraseFailure", "can not"), 2, "no_passphrase",
     ERR_WRONG_PASSPHRASE},
    {ERROR("NoPassphraseFailure", "can not acquire a passphrase: BORG_PASSPHRASE is not set."), 50,
     "no_passphrase", ERR_WRONG_PASSPHRASE},
    {ERROR("PasscommandFailure", "passcommand supplied in BORG_PASSCOMMAND failed: x"), 51,
     "passcommand_failed", ERR_BACKUP_FAILED},
    {ERROR("Repository.DoesNotExist", "Repository /tmp/br/none does not exist."), 13,
     "repository_not_found", ERR_REPOSITORY_NOT_FOUND},
    {ERROR("Repository.InvalidRepository", "/n is not a valid repository. Check repo config."), 15,
     "repository_invalid", ERR_REPOSITORY_NOT_FOUND},
    {ERROR("Archive.DoesNotExist", "Archive nope does not exist"), 31, "archive_not_found",
     ERR_ARCHIVE_NOT_FOUND},
    {ERROR("Archive.AlreadyExists", "Archive a1 already exists"), 30, "archive_exists",
     ERR_ALREADY_EXISTS},
    {ERROR("LockTimeout", "Failed to create/acquire the lock /srv/repo/lock.exclusive (timeout)."),
     73, "repository_locked", ERR_REPOSITORY_LOCKED},
    {ERROR("LockTimeout", "Failed to create/acquire the lock /srv/repo/lock (timeout)."), 2,
     "repository_locked", ERR_REPOSITORY_LOCKED},
    {ERROR("LockTimeout", "Failed to create/acquire the lock /root/.cache/borg/" CACHE_ID
                          "/lock.exclusive (timeout)."),
     2, "cache_locked", ERR_REPOSITORY_LOCKED},
    {ERROR("LockFailed", "Failed to create/acquire the lock /r/lock.exclusive ([Errno 13] "
                         "Permission denied: '/r/lock.exclusive.c.tmp')."),
     2, "repository_denied", ERR_BACKUP_FAILED},
    {ERROR("LockFailed", "Failed to create/acquire the lock /r/lock.exclusive ([Errno 28] No "
                         "space left on device)."),
     2, "disk_full", ERR_BACKUP_FAILED},
    {ERROR("LockFailed", "Failed to create/acquire the lock /r/lock.exclusive ([Errno 5] x)."), 2,
     "lock_failed", ERR_BACKUP_FAILED},
    {CLOSED, 81, "connection_closed", ERR_BACKUP_FAILED},
    {ERROR("CancelledByUser", "Cancelled by user."), 3, "prompt_refused", ERR_BACKUP_FAILED},
    {ERROR("Cache.RepositoryAccessAborted", "Repository access aborted"), 62,
     "repository_relocated", ERR_BACKUP_FAILED},
    {ERROR("Cache.CacheInitAbortedError", "Cache initialization aborted"), 60,
     "repository_unknown_unencrypted", ERR_BACKUP_FAILED},
    {ERROR("Cache.RepositoryReplay", "Cache is newer than repository."), 64, "repository_replay",
     ERR_BACKUP_FAILED},
    {TRACEBACK, 2, "disk_full", ERR_BACKUP_FAILED},
    {BUG, 2, "borg_failed", ERR_BACKUP_FAILED},
    {LOG("ERROR", "", "Got Ctrl-C / SIGINT."), 2, "borg_killed", ERR_BACKUP_FAILED},
    {ERROR("Signal.SIGTERM", "Received SIGTERM"), 143, "borg_killed", ERR_BACKUP_FAILED},
    {ERROR("Signal.SIGHUP", "Received SIGHUP."), 129, "borg_killed", ERR_BACKUP_FAILED},
    {ERROR("Repository.InsufficientFreeSpaceError", "Insufficient free space"), 14, "disk_full",
     ERR_BACKUP_FAILED},
    {ERROR("Repository.StorageQuotaExceeded", "The storage quota (1) has been exceeded (2)."), 20,
     "quota_exceeded", ERR_BACKUP_FAILED},
    {ERROR("PlaceholderError", "Formatting Error"), 5, "bad_placeholder", ERR_BACKUP_FAILED},
    {ERROR("IntegrityError", "Data integrity error: x"), 90, "repository_damaged",
     ERR_BACKUP_FAILED},
    {ERROR("RepoKeyNotFoundError", "No key entry found"), 44, "key_problem", ERR_BACKUP_FAILED},
    {ERROR("SomethingNew", "A new fault."), 2, "borg_failed", ERR_BACKUP_FAILED},
    {"{}", 2, "borg_failed", ERR_BACKUP_FAILED},
};

static void each_failure_of_borg_has_its_word_and_status(void **state)
{
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++) {
        const char *const lines[] = {failures[i].line, NULL};
        struct verdict_result r = created(failures[i].code, NULL, lines);
        assert_string_equal(r.word, failures[i].word);
        assert_int_equal(r.api, failures[i].api);
        assert_int_equal(r.state, VERDICT_FAILED);
    }
}

static void the_sentence_says_it_in_borgs_words_where_they_tell_more(void **state)
{
    const char *const lock[] = {ERROR("LockTimeout",
                                      "Failed to create/acquire the lock /srv/repo/lock.exclusive "
                                      "(timeout)."),
                                NULL};
    assert_string_equal(created(73, NULL, lock).sentence,
                        "the repository is locked: another borg uses it, or one died without "
                        "unlocking (Failed to create/acquire the lock /srv/repo/lock.exclusive "
                        "(timeout))");
    const char *const bug[] = {LOG("ERROR", ", \"msgid\": \"Exception\"", "Local Exception"), BUG,
                               NULL};
    assert_string_equal(created(2, NULL, bug).sentence, "borg failed (ValueError: strange)");
    const char *const none[] = {NULL};
    assert_string_equal(created(2, NULL, none).sentence, "borg failed with exit code 2");
}

static void a_full_repository_shows_as_a_failed_read(void **state)
{
    const char *const lines[] = {LOG("WARNING", "",
                                     "big: read: [Errno 28] No space left on "
                                     "device"),
                                 LOG("ERROR", ", \"msgid\": \"Exception\"", "Local Exception"), BUG,
                                 NULL};
    assert_string_equal(created(2, NULL, lines).word, "disk_full");
}

static void ssh_words_win_over_a_closed_connection(void **state)
{
    static const struct {
        const char *line, *word;
    } rows[] = {
        {REMOTE("ssh: connect to host 127.0.0.1 port 1: Connection refused"), "connection_refused"},
        {REMOTE("root@h: Permission denied (publickey)."), "ssh_auth_failed"},
        {REMOTE("Host key verification failed."), "host_key_unknown"},
        {"ssh: Could not resolve hostname nosuch.invalid: Name or service not known",
         "name_unresolved"},
        {"ssh: connect to host h port 22: No route to host", "host_unreachable"},
        {"ssh: connect to host h port 22: Connection timed out", "connect_timeout"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct verdict *v = verdict_new();
        hear(v, rows[i].line);
        hear(v, CLOSED);
        verdict_exit(v, 2, 0);
        assert_false(verdict_wants_probe(v));
        assert_string_equal(result_of(v).word, rows[i].word);
        assert_int_equal(result_of(v).api, ERR_BACKUP_FAILED);
        verdict_free(v);
    }
}

static void a_closed_connection_without_words_wants_a_probe(void **state)
{
    struct verdict *v = verdict_new();
    assert_false(verdict_wants_probe(v));
    hear(v, CLOSED);
    verdict_exit(v, 2, 0);
    assert_true(verdict_wants_probe(v));
    verdict_probe(v, "ok", "");
    assert_string_equal(result_of(v).word, "connection_closed");
    verdict_probe(v, "host_key_changed", "WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!");
    assert_string_equal(result_of(v).word, "host_key_changed");
    assert_false(verdict_wants_probe(v));
    struct buf b;
    buf_init(&b, 64 * 1024);
    verdict_json(v, &b);
    assert_non_null(strstr(buf_str(&b), "ssh: WARNING: REMOTE HOST"));
    buf_done(&b);
    verdict_free(v);
}

static void a_cache_lock_is_known_by_its_place(void **state)
{
    assert_true(verdict_lock_is_cache("the lock /x/" CACHE_ID "/lock.exclusive (timeout)."));
    assert_true(verdict_lock_is_cache("the lock /x/lock/" CACHE_ID "/lock.roster"));
    assert_false(verdict_lock_is_cache("the lock /x/lock.exclusive (timeout)."));
    assert_false(verdict_lock_is_cache("the lock /x/" CACHE_ID "a/lock.exclusive"));
    assert_false(
        verdict_lock_is_cache("the lock /x/0123456789abcdef0123456789abcdef0123456789abcdef"
                              "0123456789abcdeg/lock"));
    assert_false(verdict_lock_is_cache("/lock"));
    assert_false(verdict_lock_is_cache(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_failure_of_borg_has_its_word_and_status),
        cmocka_unit_test(the_sentence_says_it_in_borgs_words_where_they_tell_more),
        cmocka_unit_test(a_full_repository_shows_as_a_failed_read),
        cmocka_unit_test(ssh_words_win_over_a_closed_connection),
        cmocka_unit_test(a_closed_connection_without_words_wants_a_probe),
        cmocka_unit_test(a_cache_lock_is_known_by_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
