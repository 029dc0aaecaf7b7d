/* Takes away from this process what serving does not need, so that whoever should get into it finds
 * little to do: no file but those named, no connection to elsewhere, no other program, no look at
 * other processes; no core file with clients' data in it. Landlock and seccomp, as far as the
 * kernel has them.
 *
 * Before the first thread of those to be bound by it; there is no way back. */
#ifndef SERVER_SANDBOX_H
#define SERVER_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/fault.h"

struct sandbox_plan {
    int ruleset;    /* the kernel's, -1 where it has no Landlock */
    uint64_t files; /* what the ruleset forbids where it does not allow it */
    /* Of the first path that could not be added; status 0: all of them are there. */
    struct fault fault;
};

/* With the few places that the machine itself is asked in. sandbox_enter is due. */
void sandbox_plan_init(struct sandbox_plan *plan);

/* A file, or a folder with all that is in it; or the folder that the file is in, and the one it
 * really is in if it is a link. Any number of them; one that was there before gets the rights of
 * both. What is not there or cannot be reached is left out; what else could not be added,
 * sandbox_enter tells. */
void sandbox_allow(struct sandbox_plan *plan, const char *path, bool writable);
void sandbox_allow_beside(struct sandbox_plan *plan, const char *path, bool writable);

/* Ends the plan. false, 503: a path could not be added, its text names it, and nothing was taken
 * away. What the kernel does not have is said in a line of the log: a server without it serves the
 * same. */
bool sandbox_enter(struct sandbox_plan *plan, struct fault *fault);

#endif
