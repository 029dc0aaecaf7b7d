#include "server/payload.h"

size_t payload_size(const struct payload *payload)
{
    size_t size = payload->bytes.head.size;
    for (size_t i = 0; i < payload->bytes.tail_count; i++)
        size += payload->bytes.tail[i].size;
    return size;
}

void payload_release(struct payload *payload)
{
    if (payload->release != NULL)
        payload->release(payload->owner);
    if (payload->held != 0)
        budget_give(payload->budget, payload->held);
    payload->bytes.head.size = payload->bytes.tail_count = payload->held = 0;
    payload->release = NULL;
}
