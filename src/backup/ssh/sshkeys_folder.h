/* sshkeys_folder: the folder of ssh keys on disk, and what keeps it whole.
 *
 * SSH_DIR holds `id_<label>` and `id_<label>.pub`. Its subfolder `.borgmatic-api` (0700, the same
 * filesystem; ssh takes no key from there) holds what is not in place:
 *
 *   new-<hex>/id_<label>[.pub]     being made by ssh-keygen
 *   id_<label>.next[.pub]          made, not yet in place: waits for its proof
 *   id_<label>.old-<time>[.pub]    was in place until that Unix time
 *
 * A private file comes into place and leaves it by one rename; before that the old one has a second
 * name aside, so that at no instant there is none. The public file in place is taken away first and
 * put back last: ssh would believe a wrong one, and does without a missing one. What a crash leaves
 * in between is put right by whoever opens the folder to change it next, and at the start.
 * Links are followed nowhere. Everything here blocks: worker threads only, or while nothing else
 * runs. */
#ifndef BACKUP_SSH_SSHKEYS_FOLDER_H
#define BACKUP_SSH_SSHKEYS_FOLDER_H

#include "backup/ssh/sshkey_text.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/param.h>
#include <sys/stat.h>

enum { SSHKEYS_NAME = LIMIT_LABEL + 48 };

#define SSHKEYS_WORK ".borgmatic-api"

struct sshkeys_folder {
    const char *path;
    int dir, work; /* −1: there is none (only when it was opened to read) */
    bool locked;
};

/* To change: makes the folders where they are missing, refuses (ERR_UNAVAILABLE) one in which
 * others may write, waits for other threads, mends and sweeps. To read: changes nothing; a folder
 * that is not there is one without keys. Close in either case of success. */
bool sshkeys_open(struct sshkeys_folder *f, const char *path, bool change, struct err *e);
void sshkeys_close(struct sshkeys_folder *f);
/* Opens it to change it and closes it again; a folder that is not there is left so. */
bool sshkeys_mend(const char *path, struct err *e);

/* "id_<label>", and what a name in the work folder says. */
void sshkeys_name(const char *label, char out[SSHKEYS_NAME]);
struct sshkeys_aside {
    char label[LIMIT_LABEL + 1];
    bool next, pub; /* else it is an old one */
    int64_t at; /* Unix time it was moved aside, or a little more: after all others of its label */
};
bool sshkeys_aside_parse(const char *name, struct sshkeys_aside *out);

/* One key file of a folder, looked at without reading more of a private one than its outside. */
struct sshkeys_file {
    bool there, regular;
    struct stat st;
    bool parsed;               /* it is what its name says: a private key, or a public one */
    struct sshkey_private key; /* for a public file only .pub */
};
void sshkeys_look(int dir, const char *name, bool pub, struct sshkeys_file *out);

/* Calls `each` for the names of a folder, at most SSHKEYS_LOOKED; −1 as `dir` has none. */
void sshkeys_each(int dir, void (*each)(void *arg, const char *name), void *arg);

#endif
