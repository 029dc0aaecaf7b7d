/* How the process ends. */
#ifndef SERVER_EXIT_CODE_H
#define SERVER_EXIT_CODE_H

#include "proto/fault.h"

enum exit_code {
    EXIT_GOOD = 0,
    EXIT_FAILED = 1, /* something could not be had: starting again may help */
    EXIT_CONFIG = 2, /* the operator has to mend something first */
};

static inline enum exit_code exit_code_of(const struct fault *fault)
{
    return fault->status == 503 ? EXIT_FAILED : EXIT_CONFIG;
}

#endif
