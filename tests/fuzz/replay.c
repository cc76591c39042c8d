/* Feeds every file of the corpus folder named by the first argument to the fuzz target, so that
 * each build, not only the fuzzers' own, goes through all inputs that were ever interesting. */
#include "fuzz.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum { INPUT_MAX = 1024 * 1024 };
static uint8_t input[INPUT_MAX];

static bool replay(const char *folder, const char *name)
{
    char path[4096];
    int n = snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = n > 0 && (size_t)n < sizeof path ? fopen(path, "rbe") : NULL;
    if (f == NULL)
        return false;
    size_t len = fread(input, 1, sizeof input, f);
    bool ok = !ferror(f) && feof(f);
    (void)fclose(f);
    if (!ok)
        return false;
    /* A copy of its exact size, so that the sanitizer sees a read past the end. */
    uint8_t *exact = malloc(len > 0 ? len : 1);
    if (exact == NULL)
        return false;
    for (size_t i = 0; i < len; i++)
        exact[i] = input[i];
    (void)LLVMFuzzerTestOneInput(exact, len);
    free(exact);
    return true;
}

int main(int argc, char **argv)
{
    DIR *d = argc == 2 ? opendir(argv[1]) : NULL;
    if (d == NULL) {
        (void)fprintf(stderr, "usage: replay FOLDER\n");
        return 1;
    }
    int done = 0;
    int bad = 0;
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        if (e->d_name[0] == '.')
            continue;
        if (replay(argv[1], e->d_name))
            done++;
        else
            bad++;
    }
    (void)closedir(d);
    (void)printf("%d inputs replayed, %d unreadable\n", done, bad);
    return done > 0 && bad == 0 ? 0 : 1;
}
