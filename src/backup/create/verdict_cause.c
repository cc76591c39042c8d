#include "backup/create/verdict_cause.h"

#include <stddef.h>
#include <string.h>

#define KNOWN(word, api, quote, sentence) \
    { \
        word, ERR_##api, CAUSE_RANK_KNOWN, quote, sentence \
    }
#define CONNECTION(word, sentence) \
    { \
        word, ERR_BACKUP_FAILED, CAUSE_RANK_CONNECTION, true, sentence \
    }
#define SSH(word, sentence) \
    { \
        word, ERR_BACKUP_FAILED, CAUSE_RANK_SURE, true, sentence \
    }

static const struct verdict_cause causes[] = {
    KNOWN("wrong_passphrase", WRONG_PASSPHRASE, false, "the passphrase of the repository is wrong"),
    KNOWN("no_passphrase", WRONG_PASSPHRASE, false,
          "the repository needs a passphrase and none was given"),
    KNOWN("passcommand_failed", BACKUP_FAILED, true,
          "the command that should give the passphrase failed"),
    KNOWN("repository_locked", REPOSITORY_LOCKED, true,
          "the repository is locked: another borg uses it, or one died without unlocking"),
    KNOWN("cache_locked", REPOSITORY_LOCKED, true,
          "borg's local cache of this repository is locked by another borg on this machine"),
    KNOWN("lock_failed", BACKUP_FAILED, true, "the repository could not be locked"),
    KNOWN("lock_lost", BACKUP_FAILED, true, "the repository's lock was broken while borg worked"),
    KNOWN("repository_not_found", REPOSITORY_NOT_FOUND, true, "the repository does not exist"),
    KNOWN("repository_invalid", REPOSITORY_NOT_FOUND, true,
          "there is no valid borg repository at that place"),
    KNOWN("repository_exists", ALREADY_EXISTS, true, "there is a repository already"),
    KNOWN("repository_denied", BACKUP_FAILED, true, "the repository may not be accessed"),
    KNOWN("repository_damaged", BACKUP_FAILED, true, "the repository is damaged; check it"),
    KNOWN("repository_relocated", BACKUP_FAILED, false,
          "the repository was at another place before and borg was not allowed to accept the move"),
    KNOWN("repository_unknown_unencrypted", BACKUP_FAILED, false,
          "the repository is not encrypted and not known on this machine, and borg was not allowed "
          "to use it"),
    KNOWN("repository_replay", BACKUP_FAILED, true,
          "the repository is older than borg remembers it: restored from a copy, or tampered with"),
    KNOWN("encryption_changed", BACKUP_FAILED, true,
          "the repository's encryption is not the one that borg remembers"),
    KNOWN("key_problem", BACKUP_FAILED, true, "the repository's key is missing or damaged"),
    KNOWN("quota_exceeded", BACKUP_FAILED, true, "the repository's storage quota is used up"),
    {"disk_full", ERR_BACKUP_FAILED, CAUSE_RANK_SURE, true, "the disk is full"},
    KNOWN("no_retention", INVALID_CONFIG, true,
          "the configuration says nothing of what prune should keep"),
    KNOWN("not_encrypted", BAD_REQUEST, false, "the repository is not encrypted: it has no key"),
    KNOWN("archive_exists", ALREADY_EXISTS, true, "an archive of that name exists already"),
    KNOWN("archive_not_found", ARCHIVE_NOT_FOUND, true, "the archive does not exist"),
    KNOWN("bad_placeholder", BACKUP_FAILED, true, "borg cannot make sense of a placeholder"),
    KNOWN("prompt_refused", BACKUP_FAILED, true, "borg asked a question and nobody may answer it"),
    KNOWN("version_mismatch", BACKUP_FAILED, true, "the borg of the server does not fit ours"),
    {"borg_killed", ERR_BACKUP_FAILED, CAUSE_RANK_SURE, true, "borg was ended before it was done"},
    CONNECTION("connection_closed", "the connection to the repository's host was closed"),
    SSH("name_unresolved", "the name of the repository's host is not known"),
    SSH("connection_refused", "the repository's host refused the connection"),
    SSH("host_unreachable", "the repository's host cannot be reached"),
    SSH("connect_timeout", "the repository's host did not answer in time"),
    SSH("host_key_changed", "the repository's host shows another key than the known one"),
    SSH("host_key_unknown", "the key of the repository's host is not known"),
    SSH("ssh_auth_failed", "the repository's host did not accept our ssh key"),
    SSH("ssh_failed", "ssh to the repository's host failed"),
    {"borg_failed", ERR_BACKUP_FAILED, CAUSE_RANK_ANY, true, "borg failed"},
};

static const struct rule {
    const char *needle, *word;
} msgids[] = {
    {"PassphraseWrong", "wrong_passphrase"},
    {"PasswordRetriesExceeded", "wrong_passphrase"},
    {"NoPassphraseFailure", "no_passphrase"},
    {"PasscommandFailure", "passcommand_failed"},
    {"LockTimeout", "repository_locked"},
    {"LockFailed", "lock_failed"},
    {"LockError", "lock_failed"},
    {"LockErrorT", "lock_failed"},
    {"NotLocked", "lock_lost"},
    {"NotMyLock", "lock_lost"},
    {"Repository.DoesNotExist", "repository_not_found"},
    {"Repository.ParentPathDoesNotExist", "repository_not_found"},
    {"Repository.InvalidRepository", "repository_invalid"},
    {"Repository.InvalidRepositoryConfig", "repository_invalid"},
    {"Repository.AtticRepository", "repository_invalid"},
    {"Repository.AlreadyExists", "repository_exists"},
    {"Repository.PathAlreadyExists", "repository_exists"},
    {"Repository.PathPermissionDenied", "repository_denied"},
    {"PathNotAllowed", "repository_denied"},
    {"Repository.CheckNeeded", "repository_damaged"},
    {"Repository.ObjectNotFound", "repository_damaged"},
    {"NoManifestError", "repository_damaged"},
    {"IntegrityError", "repository_damaged"},
    {"FileIntegrityError", "repository_damaged"},
    {"DecompressionError", "repository_damaged"},
    {"ArchiveTAMInvalid", "repository_damaged"},
    {"TAMInvalid", "repository_damaged"},
    {"TAMRequiredError", "repository_damaged"},
    {"ArchiveTAMRequiredError", "repository_damaged"},
    {"TAMUnsupportedSuiteError", "repository_damaged"},
    {"Repository.InsufficientFreeSpaceError", "disk_full"},
    {"Repository.StorageQuotaExceeded", "quota_exceeded"},
    {"Cache.RepositoryAccessAborted", "repository_relocated"},
    {"Cache.CacheInitAbortedError", "repository_unknown_unencrypted"},
    {"Cache.RepositoryReplay", "repository_replay"},
    {"Cache.RepositoryIDNotUnique", "repository_replay"},
    {"Cache.EncryptionMethodMismatch", "encryption_changed"},
    {"KeyfileNotFoundError", "key_problem"},
    {"KeyfileInvalidError", "key_problem"},
    {"KeyfileMismatchError", "key_problem"},
    {"RepoKeyNotFoundError", "key_problem"},
    {"UnsupportedKeyFormatError", "key_problem"},
    {"UnsupportedPayloadError", "key_problem"},
    {"UnsupportedManifestError", "version_mismatch"},
    {"MandatoryFeatureUnsupported", "version_mismatch"},
    {"RPCServerOutdated", "version_mismatch"},
    {"InvalidRPCMethod", "version_mismatch"},
    {"UnexpectedRPCDataFormatFromServer", "connection_closed"},
    {"UnexpectedRPCDataFormatFromClient", "connection_closed"},
    {"ConnectionClosed", "connection_closed"},
    {"ConnectionClosedWithHint", "connection_closed"},
    {"ConnectionBrokenWithHint", "connection_closed"},
    {"Archive.AlreadyExists", "archive_exists"},
    {"Archive.DoesNotExist", "archive_not_found"},
    {"UnencryptedRepo", "not_encrypted"},
    {"PlaceholderError", "bad_placeholder"},
    {"InvalidPlaceholder", "bad_placeholder"},
    {"CancelledByUser", "prompt_refused"},
    {"Signal.SIGTERM", "borg_killed"},
    {"Signal.SIGHUP", "borg_killed"},
};

/* Words of an error that carries no id of its own, or a more general one. */
static const struct rule texts[] = {
    {"[Errno 28]", "disk_full"},
    {"No space left on device", "disk_full"},
    {"settings must be specified", "no_retention"},
    {"This repository is not encrypted", "not_encrypted"},
    {"Got Ctrl-C / SIGINT", "borg_killed"},
    {"Keyboard interrupt", "borg_killed"},
    {"[Errno 13] Permission denied", "repository_denied"},
    {"[Errno 30] Read-only file system", "repository_denied"},
};

const struct verdict_cause *verdict_cause_of_word(const char *word)
{
    for (size_t i = 0; i < sizeof causes / sizeof *causes; i++)
        if (strcmp(causes[i].word, word) == 0)
            return &causes[i];
    return NULL;
}

const struct verdict_cause *verdict_cause_of_msgid(const char *msgid)
{
    for (size_t i = 0; i < sizeof msgids / sizeof *msgids; i++)
        if (strcmp(msgids[i].needle, msgid) == 0)
            return verdict_cause_of_word(msgids[i].word);
    return NULL;
}

const struct verdict_cause *verdict_cause_of_text(const char *text)
{
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (strstr(text, texts[i].needle))
            return verdict_cause_of_word(texts[i].word);
    return NULL;
}

const struct verdict_cause *verdict_cause_unknown(void)
{
    return verdict_cause_of_word("borg_failed");
}

/* borg keeps its cache in <cache directory>/<repository id, 64 hex digits>/; a lock below such a
 * directory is the cache's own. */
bool verdict_lock_is_cache(const char *text)
{
    const char *lock = strstr(text, "/lock");
    for (const char *more = lock; more; more = strstr(more + 1, "/lock"))
        lock = more;
    if (!lock || lock - text < 65 || lock[-65] != '/')
        return false;
    return strspn(lock - 64, "0123456789abcdef") == 64;
}
