#include "deploy/convert/pickle_machine.h"

#include <stdlib.h>
#include <string.h>

#include "proto/little_endian.h"

bool machine_fail(struct pickle_machine *m, const char *what)
{
    return fault_set(m->fault, 400, "pickle: %s at byte %zu", what, m->at);
}

static bool out_of_memory(struct pickle_machine *m)
{
    return fault_set(m->fault, 503, "pickle: out of memory");
}

/* Room for one more in a list of count elements. */
static bool grow(struct pickle_machine *m, void **list, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return true;
    if (count >= PICKLE_VALUES_MAX)
        return fault_set(m->fault, 400, "pickle: at most %zu values expected", PICKLE_VALUES_MAX);
    const size_t wanted = *capacity == 0 ? 8 : *capacity * 2;
    void *grown = realloc(*list, wanted * size);
    if (grown == NULL)
        return out_of_memory(m);
    *list = grown;
    *capacity = wanted;
    return true;
}

bool machine_append(struct pickle_machine *m, struct pickle_refs *refs, pickle_ref ref)
{
    void *list = refs->list;
    if (!grow(m, &list, refs->count, &refs->capacity, sizeof *refs->list))
        return false;
    refs->list = list;
    refs->list[refs->count++] = ref;
    return true;
}

bool machine_append_item(struct pickle_machine *m, pickle_ref container, pickle_ref ref)
{
    struct pickle_items *items = &m->pickle->values[container].as.items;
    void *list = items->refs;
    /* A list may be copied by a few bytes again and again. */
    if (m->items++ == PICKLE_ITEMS_MAX)
        return fault_set(m->fault, 400, "pickle: at most %zu items expected", PICKLE_ITEMS_MAX);
    if (!grow(m, &list, items->count, &items->capacity, sizeof *items->refs))
        return false;
    items->refs = list;
    items->refs[items->count++] = ref;
    return true;
}

/* Puts a new value into the table and on the stack. */
bool machine_push(struct pickle_machine *m, const struct pickle_value *value)
{
    struct pickle *p = m->pickle;
    void *values = p->values;
    if (!grow(m, &values, p->count, &p->capacity, sizeof *p->values))
        return false;
    p->values = values;
    p->values[p->count++] = *value;
    return machine_append(m, &m->stack, (pickle_ref)(p->count - 1));
}

bool machine_push_empty(struct pickle_machine *m, enum pickle_type type)
{
    return machine_push(m, &(struct pickle_value){.type = type});
}

struct pickle_value *machine_value_of(struct pickle_machine *m, pickle_ref ref)
{
    return &m->pickle->values[ref];
}

/* The lowest place on the stack that belongs to what came after the last mark. */
size_t machine_floor_of(const struct pickle_machine *m)
{
    return m->marks.count > 0 ? m->marks.list[m->marks.count - 1] : 0;
}

bool machine_pop(struct pickle_machine *m, pickle_ref *ref)
{
    if (m->stack.count <= machine_floor_of(m))
        return machine_fail(m, "nothing on the stack");
    *ref = m->stack.list[--m->stack.count];
    return true;
}

bool machine_pop_type(struct pickle_machine *m, enum pickle_type type, pickle_ref *ref)
{
    if (!machine_pop(m, ref))
        return false;
    return machine_value_of(m, *ref)->type == type ||
           machine_fail(m, "a value of another type expected");
}

/* The container that is to be added to stays on the stack. */
bool machine_top_type(struct pickle_machine *m, enum pickle_type type, pickle_ref *ref)
{
    if (m->stack.count <= machine_floor_of(m))
        return machine_fail(m, "nothing on the stack");
    *ref = m->stack.list[m->stack.count - 1];
    return machine_value_of(m, *ref)->type == type ||
           machine_fail(m, "a value of another type expected");
}

/* Takes the last mark; what was pushed after it stays above *bottom. */
bool machine_pop_mark(struct pickle_machine *m, size_t *bottom)
{
    if (m->marks.count == 0)
        return machine_fail(m, "no mark on the stack");
    *bottom = m->marks.list[--m->marks.count];
    return true;
}

/* ---- bytes ---- */

bool machine_take(struct pickle_machine *m, size_t size, const unsigned char **bytes)
{
    if (size > m->size - m->at)
        return machine_fail(m, "the end came too early");
    *bytes = m->bytes + m->at;
    m->at += size;
    return true;
}

/* Little-endian, size <= 8. */
bool machine_take_number(struct pickle_machine *m, size_t size, uint64_t *number)
{
    const unsigned char *bytes = NULL;
    if (!machine_take(m, size, &bytes))
        return false;
    *number = little_endian_read_sized(bytes, size);
    return true;
}

bool machine_take_text(struct pickle_machine *m, size_t length_size, struct pickle_text *text)
{
    uint64_t size = 0;
    if (!machine_take_number(m, length_size, &size))
        return false;
    if (size > m->size)
        return machine_fail(m, "the end came too early");
    text->size = (size_t)size;
    return machine_take(m, text->size, &text->bytes);
}

bool machine_take_line(struct pickle_machine *m, struct pickle_text *text)
{
    const unsigned char *end = memchr(m->bytes + m->at, '\n', m->size - m->at);
    if (end == NULL)
        return machine_fail(m, "a line without an end");
    text->size = (size_t)(end - (m->bytes + m->at));
    if (!machine_take(m, text->size, &text->bytes))
        return false;
    m->at++;
    return true;
}
