/* What the process takes of its machine, as the kernel tells in /proc.
 *
 * Threads: any. */
#ifndef SERVER_PROCESS_USAGE_H
#define SERVER_PROCESS_USAGE_H

#include <stdbool.h>
#include <stdint.h>

struct process_usage {
    uint64_t cpu_ns; /* of all threads, in user and kernel mode */
    uint64_t resident_bytes, virtual_bytes;
    uint64_t open_files, open_files_limit;
    uint64_t start_ms; /* since 1970; the same in every answer */
};

/* false: there is no /proc to read; nothing is known then. */
bool process_usage_read(struct process_usage *usage);

#endif
