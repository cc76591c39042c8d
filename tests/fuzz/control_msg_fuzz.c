/* control_msg_decode on any bytes: it refuses them, or gives fields that are in range and a rest
 * inside the bytes, whose encoding is the very bytes again. */
#include "backup/control/control_msg.h"
#include "limits.h"

#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

static void must(bool ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct control_msg m;
    if (!control_msg_decode(data, n, &m))
        return 0;
    must(n <= CONTROL_MSG);
    must((const uint8_t *)m.rest + m.n == data + n);
    if (m.type == CONTROL_HELLO || m.type == CONTROL_ENV) {
        size_t bytes = 0;
        for (const char *at = control_msg_next(&m, NULL); at; at = control_msg_next(&m, at))
            bytes += strlen(at) + 1;
        must(bytes == m.n);
    }
    struct buf out;
    buf_init(&out, CONTROL_MSG);
    must(control_msg_encode(&m, &out));
    must(out.n == n && memcmp(out.p, data, n) == 0);
    buf_done(&out);
    return 0;
}
