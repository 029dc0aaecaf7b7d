#include "server/histogram.h"

const uint64_t histogram_bounds[HISTOGRAM_BOUNDS] = {
    10000,     20000,      50000,      100000,     200000,      500000,      1000000,
    2000000,   5000000,    10000000,   20000000,   50000000,    100000000,   200000000,
    500000000, 1000000000, 2000000000, 5000000000, 10000000000, 20000000000, 50000000000,
};

void histogram_init(struct histogram *histogram)
{
    for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++)
        atomic_init(&histogram->counts[i], 0);
    atomic_init(&histogram->sum, 0);
}

/* The first bound that ns does not exceed, by halving. */
static size_t bucket_of(uint64_t ns)
{
    size_t low = 0, high = HISTOGRAM_BOUNDS;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (ns <= histogram_bounds[middle])
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

void histogram_add(struct histogram *histogram, uint64_t ns)
{
    atomic_fetch_add_explicit(&histogram->counts[bucket_of(ns)], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->sum, ns, memory_order_relaxed);
}

void histogram_read(struct histogram *histogram, struct histogram_counts *counts)
{
    counts->sum = atomic_load_explicit(&histogram->sum, memory_order_relaxed);
    counts->count = 0;
    for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++) {
        counts->count += atomic_load_explicit(&histogram->counts[i], memory_order_relaxed);
        if (i < HISTOGRAM_BOUNDS)
            counts->cumulative[i] = counts->count;
    }
}
