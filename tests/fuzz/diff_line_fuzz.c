/* A line of borg's differences on any bytes: the path that is taken out is not empty, and both
 * parts stay within the line. */
#include "backup/archives/archive_diff.h"

#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *line = malloc(n + 1);
    const char *path;
    if (!line)
        return 0;
    memcpy(line, data, n);
    line[n] = '\0';
    size_t whole = strlen(line);
    if (diff_line_path(line, &path) &&
        (!*path || strlen(line) + strlen(path) >= whole || path < line || path > line + whole))
        abort();
    free(line);
    return 0;
}
