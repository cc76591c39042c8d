#include "backup/create/verdict_file.h"

#include <stdlib.h>
#include <string.h>

/* borg writes "PATH: stat: [Errno 2] …" or, when it knows no operation, "PATH: [Errno 2] …". */
static const char *const operations[] = {
    "stat",     "lstat",      "fstat",   "open",
    "read",     "readlink",   "opendir", "scandir",
    "dir_open", "flistxattr", "xattr",   "listxattr",
    "getxattr", "acls",       "unknown", "extended attributes",
};

static const char *reason_of_errno(long number)
{
    switch (number) {
    case 2:
        return "missing";
    case 1:
    case 13:
        return "denied";
    case 5:
        return "io_error";
    default:
        return "error";
    }
}

/* The length of the path when its last ": operation" is taken off. */
static size_t without_operation(const char *text, size_t n)
{
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        size_t k = strlen(operations[i]);
        if (n > k + 2 && strncmp(text + n - k, operations[i], k) == 0 &&
            strncmp(text + n - k - 2, ": ", 2) == 0)
            return n - k - 2;
    }
    return n;
}

const char *verdict_file_reason(const char *text, size_t *path_len)
{
    static const char changed[] = ": file changed while we backed it up";
    size_t n = strlen(text);
    size_t k = sizeof changed - 1;
    if (n > k && strcmp(text + n - k, changed) == 0) {
        *path_len = n - k;
        return "changed";
    }
    const char *mark = strstr(text, ": [Errno ");
    if (!mark || mark == text)
        return NULL;
    *path_len = without_operation(text, (size_t)(mark - text));
    return reason_of_errno(strtol(mark + 9, NULL, 10));
}
