#include "server/status_counts.h"

#include <assert.h>

static atomic_uint_fast64_t *count_of(struct status_counts *counts, int status)
{
    assert(status >= STATUS_FIRST && status <= STATUS_LAST);
    return &counts->counts[status - STATUS_FIRST];
}

void status_counts_init(struct status_counts *counts)
{
    for (int status = STATUS_FIRST; status <= STATUS_LAST; status++)
        atomic_init(count_of(counts, status), 0);
}

void status_counts_add(struct status_counts *counts, int status)
{
    atomic_fetch_add_explicit(count_of(counts, status), 1, memory_order_relaxed);
}

uint64_t status_counts_of(struct status_counts *counts, int status)
{
    return atomic_load_explicit(count_of(counts, status), memory_order_relaxed);
}
