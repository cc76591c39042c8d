#include "sys/mountinfo.h"

#include <stdio.h>
#include <string.h>

enum { LINE = 3 * PATH_MAX };

/* The next word of the line, unescaped; false when there is none or it does not fit. */
static bool word(const char **at, char *out, size_t size)
{
    const char *s = *at;
    size_t n = 0;
    s += strspn(s, " ");
    while (*s && *s != ' ' && *s != '\n') {
        if (n + 1 >= size)
            return false;
        if (s[0] == '\\' && strspn(s + 1, "01234567") >= 3) {
            int byte = (s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0');
            if (byte < 1 || byte > 0xFF) /* the word would end there, unseen */
                return false;
            out[n++] = (char)byte;
            s += 4;
        } else {
            out[n++] = *s++;
        }
    }
    out[n] = '\0';
    *at = s;
    return n > 0;
}

bool mountinfo_parse(const char *line, struct mountinfo *m)
{
    char skipped[512];
    const char *at = line;
    for (int i = 0; i < 2; i++) /* the mount's number and its parent's */
        if (!word(&at, skipped, sizeof skipped))
            return false;
    if (!word(&at, m->device, sizeof m->device) || !word(&at, m->root, sizeof m->root) ||
        !word(&at, m->point, sizeof m->point))
        return false;
    const char *dash = strstr(at, " - "); /* options and any number of tags end here */
    if (!dash)
        return false;
    at = dash + 3;
    return word(&at, m->type, sizeof m->type) && word(&at, m->source, sizeof m->source);
}

void mountinfo_each(void (*each)(void *arg, const struct mountinfo *m), void *arg)
{
    FILE *in = fopen("/proc/self/mountinfo", "re");
    char line[LINE];
    struct mountinfo one;
    while (in && fgets(line, sizeof line, in))
        if (mountinfo_parse(line, &one))
            each(arg, &one);
    if (in)
        (void)fclose(in);
}

struct finding {
    const char *point;
    struct mountinfo *out;
    bool found;
};

static void compare(void *arg, const struct mountinfo *m)
{
    struct finding *f = arg;
    if (strcmp(m->point, f->point) != 0)
        return;
    *f->out = *m;
    f->found = true;
}

bool mountinfo_find(const char *point, struct mountinfo *out)
{
    struct finding f = {.point = point, .out = out};
    mountinfo_each(compare, &f);
    return f.found;
}

bool mountinfo_is_borg(const struct mountinfo *m)
{
    return (strcmp(m->type, "fuse") == 0 || strncmp(m->type, "fuse.", 5) == 0) &&
           strcmp(m->source, "borgfs") == 0;
}
