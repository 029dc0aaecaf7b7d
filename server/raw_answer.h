/* An error as the bytes of a whole answer, for where the HTTP library takes no response. Nothing of
 * another answer may have been sent, and the connection must be closed behind it. */
#ifndef SERVER_RAW_ANSWER_H
#define SERVER_RAW_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

/* Longest error there is: a fault's text, escaped. */
#define RAW_ANSWER_ERROR_MAX 4096

struct raw_answer {
    size_t size;
    char bytes[RAW_ANSWER_ERROR_MAX + 256];
};

/* reason: the status's phrase. error: JSON, size bytes of it, at most RAW_ANSWER_ERROR_MAX;
 * with_body: false where the request's method is HEAD. */
void raw_answer_set(struct raw_answer *answer, int status, const char *reason, const char *error,
                    size_t size, bool with_body);

#endif
