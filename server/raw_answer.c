#include "server/raw_answer.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

void raw_answer_set(struct raw_answer *answer, int status, const char *reason, const char *error,
                    size_t size, bool with_body)
{
    const int head = snprintf(answer->bytes, sizeof answer->bytes,
                              "HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Type: "
                              "application/json\r\nContent-Length: %zu\r\n\r\n",
                              status, reason, size);
    assert(head > 0 && (size_t)head < sizeof answer->bytes);
    assert(size <= RAW_ANSWER_ERROR_MAX && size <= sizeof answer->bytes - (size_t)head);
    answer->size = (size_t)head;
    if (!with_body)
        return;
    memcpy(answer->bytes + head, error, size);
    answer->size += size;
}
