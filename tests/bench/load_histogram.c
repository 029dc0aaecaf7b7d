#include "tests/bench/load_histogram.h"

#include <math.h>

#define BITS LOAD_HISTOGRAM_BITS

/* Below 2^(BITS + 1) the shift is 0 and a value is its own index. */
static unsigned shift_of(uint64_t value)
{
    const unsigned top = 63 - (unsigned)__builtin_clzll(value | 1);
    return top > BITS ? top - BITS : 0;
}

static size_t index_of(uint64_t value)
{
    const uint64_t largest = (UINT64_C(1) << LOAD_HISTOGRAM_TOP) - 1;
    const uint64_t counted = value < largest ? value : largest;
    const unsigned shift = shift_of(counted);
    return ((size_t)shift << BITS) + (size_t)(counted >> shift);
}

/* The largest value of a bucket. */
static uint64_t edge_of(size_t index)
{
    const size_t shift = index >> BITS > 1 ? (index >> BITS) - 1 : 0;
    return ((uint64_t)(index - (shift << BITS) + 1) << shift) - 1;
}

void load_histogram_add(struct load_histogram *histogram, uint64_t value)
{
    histogram->buckets[index_of(value)]++;
    histogram->count++;
    if (value > histogram->max)
        histogram->max = value;
}

void load_histogram_merge(struct load_histogram *histogram, const struct load_histogram *other)
{
    for (size_t i = 0; i < LOAD_HISTOGRAM_BUCKETS; i++)
        histogram->buckets[i] += other->buckets[i];
    histogram->count += other->count;
    if (other->max > histogram->max)
        histogram->max = other->max;
}

uint64_t load_histogram_quantile(const struct load_histogram *histogram, double share)
{
    if (histogram->count == 0)
        return 0;
    const double wanted = ceil(share * (double)histogram->count);
    uint64_t seen = 0;
    size_t index = 0;
    while (index + 1 < LOAD_HISTOGRAM_BUCKETS) {
        seen += histogram->buckets[index];
        if (seen > 0 && (double)seen >= wanted)
            break;
        index++;
    }
    const uint64_t edge = edge_of(index);
    return edge < histogram->max && index + 1 < LOAD_HISTOGRAM_BUCKETS ? edge : histogram->max;
}
