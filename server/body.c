#include "server/body.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY ((size_t)16 << 10)

void body_init(struct body *body, struct budget *budget, size_t limit, size_t expected)
{
    assert(expected <= limit && limit < SIZE_MAX / 2);
    *body = (struct body){.limit = limit, .expected = expected, .budget = budget};
}

/* Doubling, but not past what was announced or is allowed. */
static size_t next_capacity(const struct body *body, size_t needed)
{
    const size_t most = (body->expected != 0 ? body->expected : body->limit) + 1;
    size_t capacity = body->capacity != 0 ? body->capacity * 2 : FIRST_CAPACITY;
    if (capacity < needed)
        capacity = needed;
    return capacity > most && needed <= most ? most : capacity;
}

static bool grow(struct body *body, size_t needed, struct fault *fault)
{
    const size_t capacity = next_capacity(body, needed);
    const size_t more = capacity - body->capacity;
    if (!budget_take(body->budget, more, body->capacity, fault))
        return false;
    char *text = realloc(body->text, capacity);
    if (text == NULL) {
        budget_give(body->budget, more);
        return fault_set(fault, 503, "out of memory");
    }
    body->text = text;
    body->capacity = capacity;
    return true;
}

static bool reserve(struct body *body, size_t size, struct fault *fault)
{
    if (size > body->limit - body->size)
        return fault_set(fault, 413, "the request body is larger than %zu bytes (max_body_bytes)",
                         body->limit);
    const size_t needed = body->size + size + 1;
    return needed <= body->capacity || grow(body, needed, fault);
}

bool body_append(struct body *body, const char *data, size_t size, struct fault *fault)
{
    if (!reserve(body, size, fault))
        return false;
    memcpy(body->text + body->size, data, size);
    body_extend(body, size);
    return true;
}

char *body_room(struct body *body, size_t *room, struct fault *fault)
{
    if (!reserve(body, 1, fault))
        return NULL;
    *room = body->capacity - 1 - body->size;
    return body->text + body->size;
}

void body_extend(struct body *body, size_t size)
{
    assert(size < body->capacity - body->size);
    body->size += size;
    body->text[body->size] = '\0';
}

void body_fini(struct body *body)
{
    free(body->text);
    budget_give(body->budget, body->capacity);
    body->text = NULL;
    body->size = body->capacity = 0;
}

void body_move(struct body *body, size_t head_size, struct payload *payload)
{
    const size_t tail_size = body->size - head_size;
    assert(head_size <= body->size);
    *payload = (struct payload){
        .bytes = {.head = {body->text, head_size}, .tail_count = tail_size != 0},
        .release = free,
        .owner = body->text,
        .budget = body->budget,
        .held = body->capacity,
    };
    if (tail_size != 0)
        payload->bytes.tail[0] = (struct infer_span){body->text + head_size, tail_size};
    body->text = NULL;
    body->size = body->capacity = 0;
}
