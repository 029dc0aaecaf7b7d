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

#define SANDBOX_PATHS_MAX 1024

struct sandbox_plan {
    size_t count;
    struct {
        int fd; /* of a file or a folder */
        bool writable;
    } paths[SANDBOX_PATHS_MAX];
};

/* With the few places that the machine itself is asked in. */
void sandbox_plan_init(struct sandbox_plan *plan);

/* A file, or a folder with all that is in it; or the folder that the file is in, and the one it
 * really is in if it is a link. What is not there is left out. */
void sandbox_allow(struct sandbox_plan *plan, const char *path, bool writable);
void sandbox_allow_beside(struct sandbox_plan *plan, const char *path, bool writable);

/* Ends the plan. What could not be done is said in a line of the log: a server without it serves
 * the same. */
void sandbox_enter(struct sandbox_plan *plan);

#endif
