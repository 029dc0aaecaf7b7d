#include "deploy/convert/pickle.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/convert/pickle_machine.h"

#define NOT_REMEMBERED UINT32_MAX

/* ---- numbers and texts ---- */

static bool do_none(struct pickle_machine *m)
{
    return machine_push_empty(m, PICKLE_NONE);
}

static bool push_integer(struct pickle_machine *m, enum pickle_type type, int64_t value)
{
    return machine_push(m, &(struct pickle_value){.type = type, .as.integer = value});
}

static bool do_true(struct pickle_machine *m)
{
    return push_integer(m, PICKLE_BOOL, 1);
}

static bool do_false(struct pickle_machine *m)
{
    return push_integer(m, PICKLE_BOOL, 0);
}

static bool do_int32(struct pickle_machine *m)
{
    uint64_t bits = 0;
    return machine_take_number(m, 4, &bits) && push_integer(m, PICKLE_INT, (int32_t)(uint32_t)bits);
}

static bool do_uint8(struct pickle_machine *m)
{
    uint64_t bits = 0;
    return machine_take_number(m, 1, &bits) && push_integer(m, PICKLE_INT, (int64_t)bits);
}

static bool do_uint16(struct pickle_machine *m)
{
    uint64_t bits = 0;
    return machine_take_number(m, 2, &bits) && push_integer(m, PICKLE_INT, (int64_t)bits);
}

/* Two's complement of any length. */
static bool push_long(struct pickle_machine *m, const struct pickle_text *text)
{
    if (text->size > 8)
        return machine_push(m, &(struct pickle_value){.type = PICKLE_LONG, .as.text = *text});
    uint64_t bits = text->size > 0 && text->bytes[text->size - 1] >= 0x80 ? UINT64_MAX : 0;
    for (size_t i = text->size; i-- > 0;)
        bits = bits << 8 | text->bytes[i];
    int64_t value;
    memcpy(&value, &bits, sizeof value);
    return push_integer(m, PICKLE_INT, value);
}

static bool do_long1(struct pickle_machine *m)
{
    struct pickle_text text = {0};
    return machine_take_text(m, 1, &text) && push_long(m, &text);
}

static bool do_long4(struct pickle_machine *m)
{
    struct pickle_text text = {0};
    return machine_take_text(m, 4, &text) && push_long(m, &text);
}

static bool do_float(struct pickle_machine *m)
{
    const unsigned char *bytes = NULL;
    uint64_t bits = 0;
    struct pickle_value value = {.type = PICKLE_FLOAT};
    if (!machine_take(m, 8, &bytes))
        return false;
    for (size_t i = 0; i < 8; i++)
        bits = bits << 8 | bytes[i];
    memcpy(&value.as.number, &bits, sizeof bits);
    return machine_push(m, &value);
}

static bool push_text(struct pickle_machine *m, size_t length_size)
{
    struct pickle_value value = {.type = PICKLE_TEXT};
    return machine_take_text(m, length_size, &value.as.text) && machine_push(m, &value);
}

static bool do_text1(struct pickle_machine *m)
{
    return push_text(m, 1);
}

static bool do_text4(struct pickle_machine *m)
{
    return push_text(m, 4);
}

static bool do_text8(struct pickle_machine *m)
{
    return push_text(m, 8);
}

/* ---- containers ---- */

static bool do_mark(struct pickle_machine *m)
{
    return machine_append(m, &m->marks, (pickle_ref)m->stack.count);
}

static bool do_empty_tuple(struct pickle_machine *m)
{
    return machine_push_empty(m, PICKLE_TUPLE);
}

static bool do_empty_list(struct pickle_machine *m)
{
    return machine_push_empty(m, PICKLE_LIST);
}

static bool do_empty_dict(struct pickle_machine *m)
{
    return machine_push_empty(m, PICKLE_DICT);
}

/* All that stands on the stack from bottom becomes items of the container. */
static bool move_items(struct pickle_machine *m, size_t bottom, pickle_ref container)
{
    for (size_t i = bottom; i < m->stack.count; i++)
        if (!machine_append_item(m, container, m->stack.list[i]))
            return false;
    m->stack.count = bottom;
    return true;
}

static bool make_tuple(struct pickle_machine *m, size_t bottom)
{
    pickle_ref tuple;
    return machine_push_empty(m, PICKLE_TUPLE) && machine_pop(m, &tuple) &&
           move_items(m, bottom, tuple) && machine_append(m, &m->stack, tuple);
}

static bool do_tuple(struct pickle_machine *m)
{
    size_t bottom = 0;
    return machine_pop_mark(m, &bottom) && make_tuple(m, bottom);
}

static bool make_tuple_of(struct pickle_machine *m, size_t count)
{
    if (m->stack.count - machine_floor_of(m) < count)
        return machine_fail(m, "nothing on the stack");
    return make_tuple(m, m->stack.count - count);
}

static bool do_tuple1(struct pickle_machine *m)
{
    return make_tuple_of(m, 1);
}

static bool do_tuple2(struct pickle_machine *m)
{
    return make_tuple_of(m, 2);
}

static bool do_tuple3(struct pickle_machine *m)
{
    return make_tuple_of(m, 3);
}

static bool is_closed(enum pickle_type type)
{
    return type == PICKLE_ASIDE || type == PICKLE_UNKNOWN;
}

/* The container stands right below what is to be added. */
static bool add_above(struct pickle_machine *m, size_t bottom, enum pickle_type type)
{
    if (bottom <= machine_floor_of(m))
        return machine_fail(m, "nothing on the stack");
    const pickle_ref container = m->stack.list[bottom - 1];
    if (is_closed(machine_value_of(m, container)->type)) {
        m->stack.count = bottom;
        return true;
    }
    if (machine_value_of(m, container)->type != type)
        return machine_fail(m, "a value of another type expected");
    if (type == PICKLE_DICT && (m->stack.count - bottom) % 2 != 0)
        return machine_fail(m, "a key without a value");
    return move_items(m, bottom, container);
}

static bool add_last(struct pickle_machine *m, size_t count, enum pickle_type type)
{
    if (m->stack.count - machine_floor_of(m) < count)
        return machine_fail(m, "nothing on the stack");
    return add_above(m, m->stack.count - count, type);
}

static bool add_marked(struct pickle_machine *m, enum pickle_type type)
{
    size_t bottom = 0;
    return machine_pop_mark(m, &bottom) && add_above(m, bottom, type);
}

static bool do_append(struct pickle_machine *m)
{
    return add_last(m, 1, PICKLE_LIST);
}

static bool do_appends(struct pickle_machine *m)
{
    return add_marked(m, PICKLE_LIST);
}

static bool do_set_item(struct pickle_machine *m)
{
    return add_last(m, 2, PICKLE_DICT);
}

static bool do_set_items(struct pickle_machine *m)
{
    return add_marked(m, PICKLE_DICT);
}

/* Sets hold no weights that a name leads to. */
static bool do_empty_set(struct pickle_machine *m)
{
    return machine_push_empty(m, PICKLE_ASIDE);
}

static bool do_add_items(struct pickle_machine *m)
{
    return add_marked(m, PICKLE_ASIDE);
}

static bool do_frozenset(struct pickle_machine *m)
{
    size_t bottom = 0;
    if (!machine_pop_mark(m, &bottom))
        return false;
    m->stack.count = bottom;
    return machine_push_empty(m, PICKLE_ASIDE);
}

/* ---- memory ---- */

static bool remember(struct pickle_machine *m, size_t place)
{
    if (m->stack.count <= machine_floor_of(m))
        return machine_fail(m, "nothing on the stack");
    /* Places are given out one after the other, as values come. */
    if (place >= m->pickle->count)
        return machine_fail(m, "a place in memory beyond all values");
    const pickle_ref ref = m->stack.list[m->stack.count - 1];
    while (m->memo.count <= place)
        if (!machine_append(m, &m->memo, NOT_REMEMBERED))
            return false;
    m->memo.list[place] = ref;
    return true;
}

static bool recall(struct pickle_machine *m, size_t place)
{
    if (place >= m->memo.count || m->memo.list[place] == NOT_REMEMBERED)
        return machine_fail(m, "a value that was never remembered");
    return machine_append(m, &m->stack, m->memo.list[place]);
}

static bool do_put1(struct pickle_machine *m)
{
    uint64_t place = 0;
    return machine_take_number(m, 1, &place) && remember(m, (size_t)place);
}

static bool do_put4(struct pickle_machine *m)
{
    uint64_t place = 0;
    return machine_take_number(m, 4, &place) && remember(m, (size_t)place);
}

static bool do_memoize(struct pickle_machine *m)
{
    return remember(m, m->memo.count);
}

static bool do_get1(struct pickle_machine *m)
{
    uint64_t place = 0;
    return machine_take_number(m, 1, &place) && recall(m, (size_t)place);
}

static bool do_get4(struct pickle_machine *m)
{
    uint64_t place = 0;
    return machine_take_number(m, 4, &place) && recall(m, (size_t)place);
}

/* ---- names and calls ---- */

static bool do_global(struct pickle_machine *m)
{
    struct pickle_text module = {0}, name = {0};
    return machine_take_line(m, &module) && machine_take_line(m, &name) &&
           machine_push_global(m, &module, &name);
}

static bool do_stack_global(struct pickle_machine *m)
{
    pickle_ref module, name;
    if (!machine_pop_type(m, PICKLE_TEXT, &name) || !machine_pop_type(m, PICKLE_TEXT, &module))
        return false;
    const struct pickle_text module_text = machine_value_of(m, module)->as.text;
    const struct pickle_text name_text = machine_value_of(m, name)->as.text;
    return machine_push_global(m, &module_text, &name_text);
}

/* Attributes of a dict (a state_dict's _metadata) and of what is not looked into are dropped. */
static bool do_build(struct pickle_machine *m)
{
    pickle_ref state, object;
    if (!machine_pop(m, &state) || !machine_pop(m, &object))
        return false;
    const enum pickle_type type = machine_value_of(m, object)->type;
    return type == PICKLE_DICT || is_closed(type)
               ? machine_append(m, &m->stack, object)
               : machine_fail(m, "a value of another type expected");
}

/* ---- the loop ---- */

static bool do_protocol(struct pickle_machine *m)
{
    uint64_t version = 0;
    if (!machine_take_number(m, 1, &version))
        return false;
    return (version >= 2 && version <= 5) ||
           machine_fail(m, "protocol 2 to 5 expected, got another");
}

static bool do_frame(struct pickle_machine *m)
{
    uint64_t size = 0;
    if (!machine_take_number(m, 8, &size))
        return false;
    return size <= m->size - m->at || machine_fail(m, "the end came too early");
}

static bool do_stop(struct pickle_machine *m)
{
    m->stopped = true;
    return machine_pop(m, &m->pickle->root);
}

/* clang-format off */
static bool (*const opcodes[256])(struct pickle_machine *m) = {
    ['('] = do_mark, [')'] = do_empty_tuple, ['.'] = do_stop, ['B'] = do_text4,
    ['C'] = do_text1, ['G'] = do_float, ['J'] = do_int32, ['K'] = do_uint8, ['M'] = do_uint16,
    ['N'] = do_none, ['Q'] = machine_push_storage, ['R'] = machine_call, ['T'] = do_text4,
    ['U'] = do_text1, ['X'] = do_text4, [']'] = do_empty_list, ['a'] = do_append,
    ['b'] = do_build, ['c'] = do_global, ['e'] = do_appends, ['h'] = do_get1, ['j'] = do_get4,
    ['q'] = do_put1, ['r'] = do_put4, ['s'] = do_set_item, ['t'] = do_tuple,
    ['u'] = do_set_items, ['}'] = do_empty_dict, [0x80] = do_protocol,
    [0x81] = machine_new, [0x85] = do_tuple1,
    [0x86] = do_tuple2, [0x87] = do_tuple3, [0x88] = do_true, [0x89] = do_false,
    [0x8a] = do_long1, [0x8b] = do_long4, [0x8c] = do_text1, [0x8d] = do_text8,
    [0x8e] = do_text8, [0x8f] = do_empty_set, [0x90] = do_add_items, [0x91] = do_frozenset,
    [0x92] = machine_new_named, [0x96] = do_text8, [0x93] = do_stack_global, [0x94] = do_memoize, [0x95] = do_frame,
};
/* clang-format on */

static bool run(struct pickle_machine *m)
{
    while (!m->stopped) {
        const unsigned char *opcode = NULL;
        if (!machine_take(m, 1, &opcode))
            return false;
        if (opcodes[*opcode] == NULL)
            return fault_set(m->fault, 400,
                             "pickle: opcode 0x%02x at byte %zu is none that saving tensors takes",
                             *opcode, m->at - 1);
        if (!opcodes[*opcode](m))
            return false;
    }
    return true;
}

bool pickle_init(struct pickle *pickle, const unsigned char *bytes, size_t size,
                 struct fault *fault)
{
    struct pickle_machine m = {.pickle = pickle,
                               .bytes = bytes,
                               .size = size < PICKLE_SIZE_MAX ? size : PICKLE_SIZE_MAX,
                               .fault = fault};
    *pickle = (struct pickle){0};
    if (size == 0 || bytes[0] != 0x80)
        return fault_set(fault, 400, "a pickle of protocol 2 to 5 expected");
    const bool done = run(&m);
    pickle->size = m.at;
    free(m.stack.list);
    free(m.marks.list);
    free(m.memo.list);
    if (!done)
        pickle_fini(pickle);
    return done;
}

void pickle_fini(struct pickle *pickle)
{
    for (size_t i = 0; i < pickle->count; i++) {
        const enum pickle_type type = pickle->values[i].type;
        if (type == PICKLE_TUPLE || type == PICKLE_LIST || type == PICKLE_DICT)
            free(pickle->values[i].as.items.refs);
    }
    free(pickle->values);
    *pickle = (struct pickle){0};
}

const struct pickle_value *pickle_get(const struct pickle *pickle, pickle_ref ref)
{
    assert(ref < pickle->count);
    return &pickle->values[ref];
}

bool pickle_text_equals(const struct pickle_text *text, const char *other)
{
    return strlen(other) == text->size && memcmp(text->bytes, other, text->size) == 0;
}

bool pickle_is_text(const struct pickle *pickle, pickle_ref ref, const char *text)
{
    const struct pickle_value *value = pickle_get(pickle, ref);
    return value->type == PICKLE_TEXT && pickle_text_equals(&value->as.text, text);
}

const struct pickle_value *pickle_lookup(const struct pickle *pickle,
                                         const struct pickle_value *value, const char *key)
{
    if (value->type != PICKLE_DICT)
        return NULL;
    for (size_t i = value->as.items.count; i >= 2; i -= 2)
        if (pickle_is_text(pickle, value->as.items.refs[i - 2], key))
            return pickle_get(pickle, value->as.items.refs[i - 1]);
    return NULL;
}
