/* A packed body: its first byte says how (odd: gzip) and in pieces of what size it comes. No more
 * may come out than is allowed, and all memory must be given back. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "server/compression.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LIMIT = 100000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct budget budget;
    struct body body;
    struct fault fault = {0};
    if (size == 0)
        return 0;
    const enum content_coding coding = data[0] % 2 != 0 ? CODING_GZIP : CODING_DEFLATE;
    const size_t step = data[0] / 2 + 1u;
    const char *const packed = (const char *)data + 1;
    budget_init(&budget, (size_t)1 << 20);
    body_init(&body, &budget, LIMIT, 0);
    struct inflater *inflater = inflater_create(coding, &budget, &fault);
    assert(inflater != NULL);
    bool good = true;
    for (size_t at = 0; good && at < size - 1; at += step)
        good = inflater_append(inflater, packed + at, size - 1 - at < step ? size - 1 - at : step,
                               &body, &fault);
    if (good)
        good = inflater_finish(inflater, &fault);
    assert(good || fault.status == 400 || fault.status == 413);
    assert(body.size <= LIMIT);
    inflater_destroy(inflater);
    body_fini(&body);
    assert(atomic_load(&budget.used) == 0);
    return 0;
}
