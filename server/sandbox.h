/* Takes away from this process what serving does not need, so that whoever should get into it finds
 * little to do: no file but those named, no connection to elsewhere, no other program, no look at
 * other processes; no core file with clients' data in it. Landlock and seccomp, as far as the
 * kernel has them.
 *
 * Before the first thread of those to be bound by it; there is no way back. */
#ifndef SERVER_SANDBOX_H
#define SERVER_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

struct sandbox_path {
    const char
        *path; /* a file, or a folder with all that is in it; one that is not there is left out */
    bool writable;
};

/* What could not be done, for a line of the log; NULL: all was. Never fails: a server without it
 * serves the same. */
const char *sandbox_enter(const struct sandbox_path *paths, size_t count);

#endif
