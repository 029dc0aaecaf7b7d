/* How much of the machine this process may use. */
#ifndef SERVER_MACHINE_H
#define SERVER_MACHINE_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/fault.h"

/* Processors: the affinity mask's, or fewer where a control group's quota says so; at least 1. */
size_t machine_cpus(void);

/* Bytes of memory: the machine's, or fewer where a control group says so. */
size_t machine_memory(void);

/* Files that can be open at once, once the soft limit is raised as far as it goes. */
size_t machine_files(void);

/* Sees to it that this many files can be open at once, raising the soft limit if need be. */
bool machine_allow_files(size_t count, struct fault *fault);

#endif
