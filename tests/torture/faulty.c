#include "faulty.h"

#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static atomic_int armed;
static atomic_ulong calls, first_bad, last_bad;
static atomic_bool hit;

static bool fails(enum fault fault)
{
    if (atomic_load(&armed) != (int)fault)
        return false;
    unsigned long k = atomic_fetch_add(&calls, 1) + 1;
    if (k < atomic_load(&first_bad) || k > atomic_load(&last_bad))
        return false;
    atomic_store(&hit, true);
    return true;
}

void faulty_arm(enum fault fault, unsigned long n, unsigned long times)
{
    atomic_store(&armed, FAULT_NONE);
    atomic_store(&calls, 0);
    atomic_store(&first_bad, n);
    atomic_store(&last_bad, n + times - 1);
    atomic_store(&hit, false);
    atomic_store(&armed, fault);
}

bool faulty_disarm(void)
{
    atomic_store(&armed, FAULT_NONE);
    return atomic_load(&hit);
}

unsigned long faulty_calls(void)
{
    return atomic_load(&calls);
}

/* ---- files: ours stands before the real one in one piece of memory ---- */
struct file {
    sqlite3_file base;
    sqlite3_file *real;
};

static sqlite3_file *real(sqlite3_file *f)
{
    return ((struct file *)(void *)f)->real;
}

static int file_close(sqlite3_file *f)
{
    return real(f)->pMethods->xClose(real(f));
}

static int file_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
    return real(f)->pMethods->xRead(real(f), p, n, at);
}

static int file_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
    int rc = fails(FAULT_WRITE_FULL)    ? SQLITE_FULL
             : fails(FAULT_WRITE_ERROR) ? SQLITE_IOERR_WRITE
                                        : SQLITE_OK;
    if (rc != SQLITE_OK) {
        (void)real(f)->pMethods->xWrite(real(f), p, n / 2, at);
        return rc;
    }
    return real(f)->pMethods->xWrite(real(f), p, n, at);
}

static int file_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    return fails(FAULT_TRUNCATE) ? SQLITE_IOERR_TRUNCATE
                                 : real(f)->pMethods->xTruncate(real(f), size);
}

static int file_sync(sqlite3_file *f, int flags)
{
    return fails(FAULT_SYNC) ? SQLITE_IOERR_FSYNC : real(f)->pMethods->xSync(real(f), flags);
}

static int file_size(sqlite3_file *f, sqlite3_int64 *size)
{
    return real(f)->pMethods->xFileSize(real(f), size);
}

static int file_lock(sqlite3_file *f, int level)
{
    return real(f)->pMethods->xLock(real(f), level);
}

static int file_unlock(sqlite3_file *f, int level)
{
    return real(f)->pMethods->xUnlock(real(f), level);
}

static int file_reserved(sqlite3_file *f, int *out)
{
    return real(f)->pMethods->xCheckReservedLock(real(f), out);
}

static int file_control(sqlite3_file *f, int op, void *arg)
{
    return real(f)->pMethods->xFileControl(real(f), op, arg);
}

static int file_sector(sqlite3_file *f)
{
    return real(f)->pMethods->xSectorSize(real(f));
}

static int file_traits(sqlite3_file *f)
{
    return real(f)->pMethods->xDeviceCharacteristics(real(f));
}

static int file_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **p)
{
    return real(f)->pMethods->xShmMap(real(f), page, size, extend, p);
}

static int file_shm_lock(sqlite3_file *f, int at, int n, int flags)
{
    return real(f)->pMethods->xShmLock(real(f), at, n, flags);
}

static void file_shm_barrier(sqlite3_file *f)
{
    real(f)->pMethods->xShmBarrier(real(f));
}

static int file_shm_unmap(sqlite3_file *f, int delete)
{
    return real(f)->pMethods->xShmUnmap(real(f), delete);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector,
    .xDeviceCharacteristics = file_traits,
    .xShmMap = file_shm_map,
    .xShmLock = file_shm_lock,
    .xShmBarrier = file_shm_barrier,
    .xShmUnmap = file_shm_unmap,
};

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out)
{
    struct file *ours = (struct file *)(void *)f;
    sqlite3_vfs *under = vfs->pAppData;
    ours->base.pMethods = NULL;
    ours->real = (sqlite3_file *)(void *)(ours + 1);
    if (fails(FAULT_OPEN))
        return SQLITE_CANTOPEN;
    int rc = under->xOpen(under, name, ours->real, flags, out);
    if (ours->real->pMethods)
        ours->base.pMethods = &methods;
    return rc;
}

/* ---- memory ---- */
static sqlite3_mem_methods memory;

static void *memory_alloc(int n)
{
    return fails(FAULT_MEMORY) ? NULL : memory.xMalloc(n);
}

static void *memory_realloc(void *p, int n)
{
    return fails(FAULT_MEMORY) ? NULL : memory.xRealloc(p, n);
}

void faulty_install(void)
{
    static sqlite3_vfs vfs;
    (void)sqlite3_config(SQLITE_CONFIG_GETMALLOC, &memory);
    sqlite3_mem_methods ours = memory;
    ours.xMalloc = memory_alloc;
    ours.xRealloc = memory_realloc;
    if (sqlite3_config(SQLITE_CONFIG_MALLOC, &ours) != SQLITE_OK)
        abort();
    sqlite3_vfs *under = sqlite3_vfs_find(NULL);
    vfs = *under; /* path names, time and the like need no file of ours */
    vfs.szOsFile = (int)sizeof(struct file) + under->szOsFile;
    vfs.zName = "faulty";
    vfs.pAppData = under;
    vfs.xOpen = vfs_open;
    if (sqlite3_vfs_register(&vfs, 1) != SQLITE_OK)
        abort();
}
