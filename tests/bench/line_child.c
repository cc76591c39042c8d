/* Stands before the real borgmatic on PATH: for `create` it first prints lines as fast, or as
 * slowly, as the plan says, then becomes the real one; every other verb is the real one at once.
 *
 * The plan is a file of the name "plan" in the folder of argv[0]'s program:
 *     <real borgmatic> <count> <bytes a line> <microseconds between lines>
 * A line is "line <number> <Unix time> xxx…", so that whoever receives it knows its age. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, LINE_BYTES = 4096 };

static void pause_us(long us)
{
    struct timespec t = {us / 1000000, us % 1000000 * 1000};
    while (us > 0 && nanosleep(&t, &t) != 0 && errno == EINTR) {
    }
}

static void print_lines(long count, int bytes, long us)
{
    char line[LINE_BYTES];
    for (long i = 0; i < count; i++) {
        struct timespec t;
        (void)clock_gettime(CLOCK_REALTIME, &t);
        int n =
            snprintf(line, sizeof line, "line %ld %lld.%09ld ", i, (long long)t.tv_sec, t.tv_nsec);
        for (; n < bytes - 1 && n < LINE_BYTES - 1; n++)
            line[n] = 'x';
        line[n++] = '\n';
        (void)fwrite_unlocked(line, 1, (size_t)n, stdout);
        if (us > 0) {
            (void)fflush(stdout);
            pause_us(us);
        }
    }
    (void)fflush(stdout);
}

int main(int argc, char **argv)
{
    char self[PATH_BYTES], plan[PATH_BYTES + 8], real[PATH_BYTES];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0)
        return 1;
    self[n] = '\0';
    *strrchr(self, '/') = '\0';
    (void)snprintf(plan, sizeof plan, "%s/plan", self);
    FILE *f = fopen(plan, "re");
    long count, us;
    int bytes;
    if (!f || fscanf(f, "%4095s %ld %d %ld", real, &count, &bytes, &us) != 4) {
        fprintf(stderr, "line_child: no plan in %s\n", plan);
        return 1;
    }
    (void)fclose(f);
    if (argc > 1 && strcmp(argv[1], "create") == 0)
        print_lines(count, bytes, us);
    argv[0] = real;
    (void)execv(real, argv);
    return 127;
}
