#include "backup/verdict.h"

#include "backup/lock_holder.h"
#include "backup/verdict_cause.h"
#include "backup/verdict_file.h"
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* Lines as the real borg wrote them (1.2.4; 1.4.0 differs in msgids of warnings only). */
#define LOG(level, id, text) \
    "{\"type\": \"log_message\", \"time\": 1795401954.6, \"message\": \"" text \
    "\", \"levelname\": \"" level "\", \"name\": \"borg.archiver\"" id "}"
#define ERROR(id, text) LOG("ERROR", ", \"msgid\": \"" id "\"", text)
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

static void hear(struct verdict *v, const char *line)
{
    json_t *m = json_parse(line, strlen(line), NULL);
    if (m)
        verdict_message(v, m);
    else
        verdict_text(v, line, strlen(line));
    json_decref(m);
}

static struct verdict_result result_of(const struct verdict *v)
{
    struct verdict_result r;
    verdict_result(v, &r);
    assert_true(strlen(r.word) > 0 && strlen(r.sentence) > 0);
    return r;
}

static json_t *archive_named(const char *name)
{
    return json_pack("{s:s, s:s, s:s, s:f, s:[s], s:{s:i, s:i}}", "name", name, "id", "48ec",
                     "start", "2026-11-23T02:45:54.000000", "duration", 0.5, "command_line", "borg",
                     "stats", "nfiles", 3, "original_size", 600000);
}

static struct verdict_result created(int code, const char *name, const char *const *lines)
{
    struct verdict *v = verdict_new();
    json_t *a = name ? archive_named(name) : NULL;
    for (; lines && *lines; lines++)
        hear(v, *lines);
    verdict_exit(v, code, 0);
    verdict_archive(v, true, true, a, NULL);
    struct verdict_result r = result_of(v);
    json_decref(a);
    verdict_free(v);
    return r;
}

static void each_failure_of_borg_has_its_word_and_status(void **state)
{
    static const struct {
        const char *line;
        int code;
        const char *word;
        enum err_code api;
    } rows[] = {
        {ERROR("PassphraseWrong", "passphrase supplied in BORG_PASSPHRASE, by BORG_PASSCOMMAND or "
                                  "via BORG_PASSPHRASE_FD is incorrect."),
         52, "wrong_passphrase", ERR_WRONG_PASSPHRASE},
        {"Enter passphrase for key /r: " ERROR("NoPassphraseFailure", "can not"), 2,
         "no_passphrase", ERR_WRONG_PASSPHRASE},
        {ERROR("NoPassphraseFailure", "can not acquire a passphrase: BORG_PASSPHRASE is not set."),
         50, "no_passphrase", ERR_WRONG_PASSPHRASE},
        {ERROR("PasscommandFailure", "passcommand supplied in BORG_PASSCOMMAND failed: x"), 51,
         "passcommand_failed", ERR_BACKUP_FAILED},
        {ERROR("Repository.DoesNotExist", "Repository /tmp/br/none does not exist."), 13,
         "repository_not_found", ERR_REPOSITORY_NOT_FOUND},
        {ERROR("Repository.InvalidRepository", "/n is not a valid repository. Check repo config."),
         15, "repository_invalid", ERR_REPOSITORY_NOT_FOUND},
        {ERROR("Archive.DoesNotExist", "Archive nope does not exist"), 31, "archive_not_found",
         ERR_ARCHIVE_NOT_FOUND},
        {ERROR("Archive.AlreadyExists", "Archive a1 already exists"), 30, "archive_exists",
         ERR_ALREADY_EXISTS},
        {ERROR("LockTimeout",
               "Failed to create/acquire the lock /srv/repo/lock.exclusive (timeout)."),
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
        {ERROR("LockFailed", "Failed to create/acquire the lock /r/lock.exclusive ([Errno 5] x)."),
         2, "lock_failed", ERR_BACKUP_FAILED},
        {CLOSED, 81, "connection_closed", ERR_BACKUP_FAILED},
        {ERROR("CancelledByUser", "Cancelled by user."), 3, "prompt_refused", ERR_BACKUP_FAILED},
        {ERROR("Cache.RepositoryAccessAborted", "Repository access aborted"), 62,
         "repository_relocated", ERR_BACKUP_FAILED},
        {ERROR("Cache.CacheInitAbortedError", "Cache initialization aborted"), 60,
         "repository_unknown_unencrypted", ERR_BACKUP_FAILED},
        {ERROR("Cache.RepositoryReplay", "Cache is newer than repository."), 64,
         "repository_replay", ERR_BACKUP_FAILED},
        {TRACEBACK, 2, "disk_full", ERR_BACKUP_FAILED},
        {BUG, 2, "borg_failed", ERR_BACKUP_FAILED},
        {LOG("ERROR", "", "Got Ctrl-C / SIGINT."), 2, "borg_killed", ERR_BACKUP_FAILED},
        {ERROR("Signal.SIGTERM", "Received SIGTERM"), 143, "borg_killed", ERR_BACKUP_FAILED},
        {ERROR("Signal.SIGHUP", "Received SIGHUP."), 129, "borg_killed", ERR_BACKUP_FAILED},
        {ERROR("Repository.InsufficientFreeSpaceError", "Insufficient free space"), 14, "disk_full",
         ERR_BACKUP_FAILED},
        {ERROR("Repository.StorageQuotaExceeded", "The storage quota (1) has been exceeded (2)."),
         20, "quota_exceeded", ERR_BACKUP_FAILED},
        {ERROR("PlaceholderError", "Formatting Error"), 5, "bad_placeholder", ERR_BACKUP_FAILED},
        {ERROR("IntegrityError", "Data integrity error: x"), 90, "repository_damaged",
         ERR_BACKUP_FAILED},
        {ERROR("RepoKeyNotFoundError", "No key entry found"), 44, "key_problem", ERR_BACKUP_FAILED},
        {ERROR("SomethingNew", "A new fault."), 2, "borg_failed", ERR_BACKUP_FAILED},
        {"{}", 2, "borg_failed", ERR_BACKUP_FAILED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *const lines[] = {rows[i].line, NULL};
        struct verdict_result r = created(rows[i].code, NULL, lines);
        assert_string_equal(r.word, rows[i].word);
        assert_int_equal(r.api, rows[i].api);
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

static void success_needs_the_archive(void **state)
{
    struct verdict_result r = created(0, "h-1", NULL);
    assert_int_equal(r.state, VERDICT_SUCCEEDED);
    assert_int_equal(r.api, ERR_NONE);
    assert_string_equal(r.word, "archive_created");
    assert_string_equal(r.sentence, "archive h-1 was made");
    r = created(0, NULL, NULL);
    assert_int_equal(r.state, VERDICT_FAILED);
    assert_string_equal(r.word, "archive_missing");
    assert_int_equal(r.api, ERR_BACKUP_FAILED);
    assert_string_equal(created(0, "h-1.checkpoint", NULL).word, "archive_missing");
    assert_string_equal(created(1, "h-1.checkpoint.2", NULL).word, "archive_missing");
    assert_string_equal(created(0, "my.checkpoints", NULL).word, "archive_created");
}

static void exit_codes_of_warnings_and_of_ends_are_told_apart(void **state)
{
    static const struct {
        int code;
        enum verdict_state state;
        const char *word;
    } rows[] = {
        {1, VERDICT_WARNING, "created_with_warnings"},
        {100, VERDICT_WARNING, "created_with_warnings"},
        {107, VERDICT_WARNING, "created_with_warnings"},
        {127, VERDICT_WARNING, "created_with_warnings"},
        {128, VERDICT_FAILED, "borg_killed"},
        {143, VERDICT_FAILED, "borg_killed"},
        {2, VERDICT_FAILED, "borg_failed"},
        {99, VERDICT_FAILED, "borg_failed"},
        {-1, VERDICT_FAILED, "borg_killed"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct verdict_result r = created(rows[i].code, "h", NULL);
        assert_int_equal(r.state, rows[i].state);
        assert_string_equal(r.word, rows[i].word);
    }
    struct verdict *v = verdict_new();
    assert_string_equal(result_of(v).word, "exit_unknown");
    verdict_exit(v, 137, 9);
    assert_string_equal(result_of(v).word, "borg_killed");
    verdict_free(v);
}

static void what_cannot_be_read_back_is_no_success(void **state)
{
    struct verdict *v = verdict_new();
    verdict_exit(v, 0, 0);
    assert_string_equal(result_of(v).word, "unverified");
    verdict_archive(v, true, false, NULL, "borg did not answer in 600 s");
    struct verdict_result r = result_of(v);
    assert_int_equal(r.state, VERDICT_WARNING);
    assert_string_equal(r.sentence, "borg reports success, but the archive could not be read back: "
                                    "borg did not answer in 600 s");
    verdict_archive(v, false, false, NULL, NULL);
    assert_string_equal(result_of(v).word, "dry_run_ok");
    assert_int_equal(result_of(v).state, VERDICT_SUCCEEDED);
    verdict_exit(v, 1, 0);
    assert_int_equal(result_of(v).state, VERDICT_WARNING);
    verdict_free(v);
}

static void files_of_warnings_are_listed_once_with_the_reason(void **state)
{
    static const char *const lines[] = {
        LOG("WARNING", "", "nosuch: [Errno 2] No such file or directory: 'nosuch'"),
        LOG("WARNING", ", \"msgid\": \"FileChangedWarning\"",
            "many/zz: file changed while we backed it up"),
        "{\"type\": \"file_status\", \"status\": \"C\", \"path\": \"many/zz\"}",
        "{\"type\": \"file_status\", \"status\": \"A\", \"path\": \"fine\"}",
        LOG("WARNING", "", "a: b: open: [Errno 13] Permission denied: 'b'"),
        LOG("WARNING", "", "dev: read: [Errno 5] Input/output error"),
        LOG("WARNING", "", "Include pattern 'x' never matched."),
        "{\"type\": \"log_message\", \"message\": \"Killed stale lock vm@1.2-0.\", \"levelname\": "
        "\"WARNING\", \"name\": \"borg.locking\"}",
        NULL};
    struct verdict *v = verdict_new();
    struct buf b;
    json_t *a = archive_named("h-1");
    for (size_t i = 0; lines[i]; i++)
        hear(v, lines[i]);
    verdict_exit(v, 107, 0);
    verdict_archive(v, true, true, a, NULL);
    assert_string_equal(result_of(v).sentence,
                        "archive h-1 was made; 4 files changed meanwhile or could not be read");
    buf_init(&b, 64 * 1024);
    verdict_json(v, &b);
    assert_non_null(strstr(buf_str(&b),
                           "\"files\":[{\"path\":\"nosuch\",\"reason\":\"missing\"},"
                           "{\"path\":\"many/zz\",\"reason\":\"changed\"},"
                           "{\"path\":\"a: b\",\"reason\":\"denied\"},"
                           "{\"path\":\"dev\",\"reason\":\"io_error\"}],"
                           "\"archive\":{\"name\":\"h-1\",\"id\":\"48ec\","
                           "\"start\":\"2026-11-23T02:45:54.000000\",\"duration\":0.500,"
                           "\"original_size\":600000,\"nfiles\":3}}}"));
    assert_non_null(strstr(buf_str(&b), "{\"exit_code\":107,\"messages\":["));
    assert_null(strstr(buf_str(&b), "command_line"));
    buf_done(&b);
    json_decref(a);
    verdict_free(v);
}

static void evidence_is_bounded(void **state)
{
    struct verdict *v = verdict_new();
    struct buf b;
    char line[8192];
    for (int i = 0; i < 500; i++) {
        (void)snprintf(line, sizeof line, LOG("WARNING", "", "f%05d%04000d: [Errno 2] x"), i, 0);
        hear(v, line);
    }
    verdict_exit(v, 1, 0);
    buf_init(&b, 1024 * 1024);
    verdict_json(v, &b);
    assert_false(b.failed);
    assert_non_null(strstr(buf_str(&b), "\"messages_total\":500"));
    assert_non_null(strstr(buf_str(&b), "\"files_total\":500"));
    assert_true(b.n < 300 * 1024);
    json_t *j = json_parse(buf_str(&b), b.n, NULL);
    const json_t *evidence = json_object_get(j, "evidence");
    assert_int_equal(json_array_size(json_object_get(evidence, "files")), VERDICT_FILES_MAX);
    assert_int_equal(json_array_size(json_object_get(evidence, "messages")), VERDICT_MESSAGES_MAX);
    json_decref(j);
    buf_done(&b);
    verdict_free(v);
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

static void paths_are_found_in_warnings(void **state)
{
    static const struct {
        const char *text, *reason;
        size_t n;
    } rows[] = {
        {"x: stat: [Errno 2] No such file", "missing", 1},
        {"/a b: [Errno 1] Operation not permitted", "denied", 4},
        {"/stat: [Errno 17] x", "error", 5},
        {"d: e: extended attributes: [Errno 95] x", "error", 4},
        {": [Errno 2] x", NULL, 0},
        {"nothing of this", NULL, 0},
        {": file changed while we backed it up", NULL, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t n = 0;
        const char *reason = verdict_file_reason(rows[i].text, &n);
        if (!rows[i].reason) {
            assert_null(reason);
            continue;
        }
        assert_string_equal(reason, rows[i].reason);
        assert_int_equal(n, rows[i].n);
    }
}

static void the_holder_of_a_lock_is_read_and_told(void **state)
{
    char dir[] = "/tmp/verdict_test.XXXXXX";
    char lock[64];
    char file[128];
    char line[512];
    char words[256];
    assert_non_null(mkdtemp(dir));
    (void)snprintf(lock, sizeof lock, "%s/lock.exclusive", dir);
    (void)snprintf(file, sizeof file, "%s/else.where@3281355014145.4242-0", lock);
    assert_false(lock_holder(lock, words, sizeof words));
    assert_int_equal(mkdir(lock, 0700), 0);
    assert_false(lock_holder(lock, words, sizeof words));
    FILE *f = fopen(file, "we");
    assert_non_null(f);
    assert_int_equal(fclose(f), 0);
    assert_true(lock_holder(lock, words, sizeof words));
    assert_non_null(strstr(words, "held by process 4242 on else.where since 20"));

    struct verdict *v = verdict_new();
    (void)snprintf(line, sizeof line,
                   ERROR("LockTimeout", "Failed to create/acquire the lock %s (timeout)."), lock);
    assert_null(verdict_lock(v));
    hear(v, line);
    verdict_exit(v, 73, 0);
    assert_string_equal(verdict_lock(v), lock);
    verdict_lock_holder(v, words);
    assert_non_null(strstr(result_of(v).sentence, "lock.exclusive, held by process 4242 on "));
    verdict_free(v);
    (void)unlink(file);
    (void)rmdir(lock);

    (void)snprintf(file, sizeof file, "%s/lock.roster", dir);
    (void)snprintf(lock, sizeof lock, "%s/lock", dir);
    f = fopen(file, "we");
    assert_non_null(f);
    assert_true(fputs("{\"shared\": [[\"vm@3281355014145\", 1512, 0]]}", f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_true(lock_holder(lock, words, sizeof words));
    assert_int_equal(strncmp(words, "held by process 1512 on vm since 20", 35), 0);
    (void)unlink(file);
    (void)rmdir(dir);
    assert_false(lock_holder(lock, words, sizeof words));
    assert_false(lock_holder("lock.exclusive", words, sizeof words));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_failure_of_borg_has_its_word_and_status),
        cmocka_unit_test(the_sentence_says_it_in_borgs_words_where_they_tell_more),
        cmocka_unit_test(success_needs_the_archive),
        cmocka_unit_test(exit_codes_of_warnings_and_of_ends_are_told_apart),
        cmocka_unit_test(what_cannot_be_read_back_is_no_success),
        cmocka_unit_test(files_of_warnings_are_listed_once_with_the_reason),
        cmocka_unit_test(evidence_is_bounded),
        cmocka_unit_test(a_full_repository_shows_as_a_failed_read),
        cmocka_unit_test(ssh_words_win_over_a_closed_connection),
        cmocka_unit_test(a_closed_connection_without_words_wants_a_probe),
        cmocka_unit_test(a_cache_lock_is_known_by_its_place),
        cmocka_unit_test(paths_are_found_in_warnings),
        cmocka_unit_test(the_holder_of_a_lock_is_read_and_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
