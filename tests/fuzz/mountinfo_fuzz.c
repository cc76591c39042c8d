/* A line of the kernel's list of mounts on any bytes: what is taken for one has a place and a type.
 */
#include "sys/mountinfo.h"

#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct mountinfo mount;
    char *line = malloc(n + 1);
    if (!line)
        return 0;
    memcpy(line, data, n);
    line[n] = '\0';
    if (mountinfo_parse(line, &mount) && (!mount.point[0] || !mount.type[0]))
        abort();
    free(line);
    return 0;
}
