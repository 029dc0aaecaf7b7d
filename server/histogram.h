/* How often durations fell between fixed bounds: 10 us to 50 s, three bounds a decade. Adding one
 * takes a few nanoseconds and no lock.
 *
 * Threads: histogram_add and histogram_read from any thread; a reader may see a duration that is
 * being added in the sum before it is in the counts, or the other way round. */
#ifndef SERVER_HISTOGRAM_H
#define SERVER_HISTOGRAM_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_BOUNDS 21

/* Upper bounds in nanoseconds, ascending; a duration belongs to the first it does not exceed. */
extern const uint64_t histogram_bounds[HISTOGRAM_BOUNDS];

struct histogram {
    atomic_uint_fast64_t counts[HISTOGRAM_BOUNDS + 1]; /* the last one: over every bound */
    atomic_uint_fast64_t sum;                          /* ns */
};

/* What was counted at one moment. */
struct histogram_counts {
    uint64_t cumulative[HISTOGRAM_BOUNDS]; /* durations up to each bound */
    uint64_t count;                        /* all of them, so never less than the last bound's */
    uint64_t sum;                          /* ns */
};

void histogram_init(struct histogram *histogram);
void histogram_add(struct histogram *histogram, uint64_t ns);
void histogram_read(struct histogram *histogram, struct histogram_counts *counts);

#endif
