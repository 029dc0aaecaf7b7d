/* Latencies, counted in buckets that are 1/128 of their value wide: adding one costs an increment,
 * and a quantile is read with an error below 0.8 %, however many there are. (The idea is that of
 * HdrHistogram.) */
#ifndef TESTS_BENCH_LOAD_HISTOGRAM_H
#define TESTS_BENCH_LOAD_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

/* Up to 2^8 every value has a bucket of its own; from there each power of two has 2^7 of them, up
 * to 2^42: 73 minutes of nanoseconds. What is longer counts in the last bucket. */
enum {
    LOAD_HISTOGRAM_BITS = 7,
    LOAD_HISTOGRAM_TOP = 42,
    LOAD_HISTOGRAM_BUCKETS = (LOAD_HISTOGRAM_TOP - LOAD_HISTOGRAM_BITS + 1) << LOAD_HISTOGRAM_BITS,
};

struct load_histogram { /* all zeros: empty */
    uint64_t count;
    uint64_t max; /* exact */
    uint64_t buckets[LOAD_HISTOGRAM_BUCKETS];
};

void load_histogram_add(struct load_histogram *histogram, uint64_t value);

/* Adds everything that was added to other. */
void load_histogram_merge(struct load_histogram *histogram, const struct load_histogram *other);

/* The least value that at least this share (0..1) of the values do not exceed, as the upper edge of
 * its bucket, or max where that is less. 0 when empty. */
uint64_t load_histogram_quantile(const struct load_histogram *histogram, double share);

#endif
