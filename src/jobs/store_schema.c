/* The database file: how it is opened, its schema and the way from older ones. */
#include "jobs/store_internal.h"

#include "base/mem.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* "bmAP": tells our file from any other SQLite database. */
#define APPLICATION_ID 0x626D4150

/* One text a version, applied in order, never changed once released: user_version counts them.
 * In job the long columns come last, so that looking through rows does not read them. Events are
 * blocks of record text (event.h); a block's job is its number there, first_id … its event ids. */
static const char *const migrations[] = {
    "CREATE TABLE job("
    " seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,"
    " kind TEXT, label TEXT, state TEXT, queued_ms INTEGER NOT NULL,"
    " started_ms INTEGER NOT NULL, ended_ms INTEGER NOT NULL, terminal INTEGER NOT NULL,"
    " reading INTEGER NOT NULL, owner TEXT, last_event_id INTEGER NOT NULL,"
    " private TEXT, record TEXT) STRICT;"
    "CREATE INDEX job_ended ON job(reading DESC, ended_ms) WHERE terminal;"
    "CREATE INDEX job_unfinished ON job(seq) WHERE NOT terminal;"
    "CREATE TABLE job_log("
    " job INTEGER PRIMARY KEY REFERENCES job(seq), mark INTEGER NOT NULL,"
    " bytes INTEGER NOT NULL, events INTEGER NOT NULL, blocks INTEGER NOT NULL,"
    " tail INTEGER NOT NULL) STRICT;"
    "CREATE TABLE block("
    " n INTEGER PRIMARY KEY, job INTEGER NOT NULL REFERENCES job(seq),"
    " first_id INTEGER NOT NULL, count INTEGER NOT NULL,"
    " first_gid INTEGER NOT NULL, last_gid INTEGER NOT NULL,"
    " bytes INTEGER NOT NULL, text TEXT NOT NULL, UNIQUE(job, first_id)) STRICT;"
    "CREATE INDEX block_gid ON block(first_gid, last_gid);"
    "CREATE TABLE idem_key("
    " key TEXT PRIMARY KEY, fingerprint TEXT, job TEXT NOT NULL, made_ms INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX idem_key_made ON idem_key(made_ms);"
    "CREATE TABLE number(name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;",
};
enum { SCHEMA = sizeof migrations / sizeof migrations[0] };

bool store_exec(struct store *s, const char *sql)
{
    int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        s->rc = rc;
    return rc == SQLITE_OK;
}

static bool exec_number(struct store *s, const char *pragma, int64_t v)
{
    char sql[96];
    (void)snprintf(sql, sizeof sql, "PRAGMA %s=%lld", pragma, (long long)v);
    return store_exec(s, sql);
}

static bool ask_number(struct store *s, const char *sql, int64_t *v)
{
    sqlite3_stmt *st = NULL;
    s->rc = sqlite3_prepare_v2(s->db, sql, -1, &st, NULL);
    if (s->rc == SQLITE_OK)
        s->rc = sqlite3_step(st);
    if (s->rc == SQLITE_ROW)
        *v = sqlite3_column_int64(st, 0);
    bool ok = s->rc == SQLITE_ROW;
    (void)sqlite3_finalize(st);
    return ok;
}

static bool db_failed(struct store *s, const char *path, struct err *e)
{
    int rc = s->rc & 0xFF;
    return err_set(e, ERR_UNAVAILABLE, "%s: %s", path,
                   rc == SQLITE_NOTADB ? "this file is no database" : sqlite3_errstr(rc));
}

static bool migrate_one(struct store *s, int version)
{
    if (!store_exec(s, "BEGIN IMMEDIATE"))
        return false;
    if (store_exec(s, migrations[version]) && exec_number(s, "user_version", version + 1) &&
        exec_number(s, "application_id", APPLICATION_ID) && store_exec(s, "COMMIT"))
        return true;
    int rc = s->rc;
    if (!sqlite3_get_autocommit(s->db))
        (void)store_exec(s, "ROLLBACK");
    s->rc = rc;
    return false;
}

static bool migrate(struct store *s, const char *path, struct err *e)
{
    int64_t version, app, tables;
    if (!ask_number(s, "PRAGMA user_version", &version) ||
        !ask_number(s, "PRAGMA application_id", &app) ||
        !ask_number(s, "SELECT count(*) FROM sqlite_schema", &tables))
        return db_failed(s, path, e);
    if (tables && app != APPLICATION_ID)
        return err_set(e, ERR_UNAVAILABLE, "%s: this database is not one of ours", path);
    if (version > SCHEMA)
        return err_set(e, ERR_UNAVAILABLE,
                       "%s: schema %lld was made by a newer version (this one knows %d)", path,
                       (long long)version, (int)SCHEMA);
    for (int v = (int)version; v < SCHEMA; v++) {
        if (!migrate_one(s, v))
            return db_failed(s, path, e);
    }
    return true;
}

/* auto_vacuum and page_size count only while the file is empty. secure_delete, a default of
 * Debian's, would write every deleted page once more; nothing secret is ever stored. */
static bool settings(struct store *s)
{
    (void)sqlite3_busy_timeout(s->db, STORE_BUSY_MS);
    return store_exec(s, "PRAGMA page_size=4096") &&
           store_exec(s, "PRAGMA auto_vacuum=INCREMENTAL") &&
           store_exec(s, "PRAGMA journal_mode=WAL") && store_exec(s, "PRAGMA synchronous=NORMAL") &&
           store_exec(s, "PRAGMA foreign_keys=ON") && store_exec(s, "PRAGMA temp_store=MEMORY") &&
           store_exec(s, "PRAGMA mmap_size=0") && store_exec(s, "PRAGMA secure_delete=OFF") &&
           store_exec(s, "PRAGMA trusted_schema=OFF") &&
           exec_number(s, "cache_size", -STORE_CACHE_KB) &&
           exec_number(s, "wal_autocheckpoint", STORE_WAL_PAGES) &&
           exec_number(s, "journal_size_limit", STORE_WAL_KEEP);
}

bool store_db_open(struct store *s, const char *path, struct err *e)
{
    /* Made by us first: SQLite would make it readable for all, and its -wal takes the mode over. */
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0)
        (void)close(fd);
    s->rc = sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    s->full_sync = false;
    if (s->rc != SQLITE_OK || !settings(s))
        (void)db_failed(s, path, e);
    else if (migrate(s, path, e) && (numbers_load(s) || db_failed(s, path, e)))
        return true;
    int rc = s->rc;
    store_db_close(s);
    s->rc = rc;
    return false;
}

void store_db_close(struct store *s)
{
    for (int k = 0; k < STMTS; k++) {
        (void)sqlite3_finalize(s->stmt[k]);
        s->stmt[k] = NULL;
    }
    (void)sqlite3_close(s->db);
    s->db = NULL;
}
