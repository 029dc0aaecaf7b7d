#include "server/budget.h"

#include <assert.h>

void budget_init(struct budget *budget, size_t limit)
{
    budget->limit = limit;
    atomic_init(&budget->used, 0);
}

bool budget_take(struct budget *budget, size_t bytes, size_t held, struct fault *fault)
{
    if (held > budget->limit || bytes > budget->limit - held)
        return fault_set(fault, 413,
                         "the request needs more memory than the server's whole budget of %zu "
                         "bytes (max_memory_bytes)",
                         budget->limit);
    size_t used = atomic_load_explicit(&budget->used, memory_order_relaxed);
    do {
        if (bytes > budget->limit - used)
            return fault_set(fault, 503, "the server's memory budget is used up, try again");
    } while (!atomic_compare_exchange_weak_explicit(&budget->used, &used, used + bytes,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

void budget_give(struct budget *budget, size_t bytes)
{
    const size_t before = atomic_fetch_sub_explicit(&budget->used, bytes, memory_order_relaxed);
    assert(before >= bytes);
}
