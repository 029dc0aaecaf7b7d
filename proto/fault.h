/* Why something the world gave us was refused. A status in HTTP's numbers, because both wires
 * answer with those, and a text that names the place, what was found and what was wanted. Texts are
 * shown to clients: they never hold a path of this machine or the name of an internal thing. */
#ifndef PROTO_FAULT_H
#define PROTO_FAULT_H

#include <stdbool.h>

struct fault {
    int status; /* 0: no fault */
    char text[512];
};

/* Fills fault and returns false, so that a function can end with `return fault_set(...)`. The text
 * is UTF-8 whatever the arguments were: cut at a whole character, bytes of no character shown as
 * '?'. fault must not be NULL. */
bool fault_set(struct fault *fault, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "prefix: " before the text that is there already: each level names its own place. */
bool fault_prefix(struct fault *fault, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
