/* How many answers were given with each status of HTTP's.
 *
 * Threads: any. */
#ifndef SERVER_STATUS_COUNTS_H
#define SERVER_STATUS_COUNTS_H

#include <stdatomic.h>
#include <stdint.h>

#define STATUS_FIRST 100
#define STATUS_LAST  599

struct status_counts {
    atomic_uint_fast64_t counts[STATUS_LAST - STATUS_FIRST + 1];
};

void status_counts_init(struct status_counts *counts);

/* status: STATUS_FIRST to STATUS_LAST. */
void status_counts_add(struct status_counts *counts, int status);
uint64_t status_counts_of(struct status_counts *counts, int status);

#endif
