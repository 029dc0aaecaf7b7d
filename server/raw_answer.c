#include "server/raw_answer.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

void raw_answer_set(struct raw_answer *answer, int status, const char *reason, const char *error)
{
    const int size = snprintf(answer->bytes, sizeof answer->bytes,
                              "HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Type: "
                              "application/json\r\nContent-Length: %zu\r\n\r\n%s",
                              status, reason, strlen(error), error);
    assert(size > 0 && (size_t)size < sizeof answer->bytes);
    answer->size = (size_t)size;
}
