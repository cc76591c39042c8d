#include "docker/frames.h"

enum { TYPE_STDERR = 2, TYPE_MAX = 3 };

static bool head_byte(struct frames *f, unsigned char c)
{
    bool sound = f->have == 0 ? c <= TYPE_MAX : f->have > 3 || c == 0;
    if (!sound)
        return false;
    f->head[f->have++] = c;
    if (f->have == FRAME_HEAD)
        f->left = (uint32_t)f->head[4] << 24 | (uint32_t)f->head[5] << 16 |
                  (uint32_t)f->head[6] << 8 | f->head[7];
    return true;
}

bool frames_feed(struct frames *f, const char *p, size_t n,
                 bool (*data)(void *arg, bool is_stderr, const char *p, size_t n), void *arg)
{
    while (n && !f->broken) {
        if (f->have < FRAME_HEAD) {
            f->broken = !head_byte(f, (unsigned char)*p);
            p++;
            n--;
        } else {
            size_t piece = n < f->left ? n : f->left;
            bool go_on = data(arg, f->head[0] >= TYPE_STDERR, p, piece);
            f->left -= (uint32_t)piece;
            p += piece;
            n -= piece;
            if (!go_on)
                return true;
        }
        if (f->have == FRAME_HEAD && f->left == 0)
            f->have = 0;
    }
    return !f->broken;
}

bool frames_whole(const struct frames *f)
{
    return !f->broken && f->have == 0;
}
