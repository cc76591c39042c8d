/* confine: a use of our own program: runs another one in the current folder, which cannot be
 * exchanged under it.
 *
 *   confine FOLDER PROGRAM ARG…       (argv[0] is "confine")
 *
 * borg asks for the name of its folder and then goes by that name, so whoever may rename a folder
 * on the way could lead it elsewhere. Therefore the folder is bound to FOLDER (ours alone) in a
 * mount namespace of the program. Where the system does not allow that, every folder above must be
 * one that nobody but root and we may rename; else the program is not started. */
#ifndef BACKUP_RESTORE_CONFINE_H
#define BACKUP_RESTORE_CONFINE_H

/* Does not return when the program starts; else 2, and says why on stderr as borg would. */
int confine_main(int argc, char **argv);

/* Whether nobody but root and this process's user may rename the current folder or one above it. */
int confine_path_is_safe(void);

#endif
