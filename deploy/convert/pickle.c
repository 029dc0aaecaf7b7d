#include "deploy/convert/pickle.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/excerpt.h"

/* ---- what may be named ---- */

enum global {
    GLOBAL_ORDERED_DICT,
    GLOBAL_REBUILD_TENSOR,
    GLOBAL_REBUILD_PARAMETER,
    GLOBAL_STORAGE,
};

static const struct {
    const char *module, *name;
    enum global global;
    enum array_type type; /* of a storage */
} globals[] = {
    {"collections", "OrderedDict", GLOBAL_ORDERED_DICT, 0},
    {"torch._utils", "_rebuild_tensor", GLOBAL_REBUILD_TENSOR, 0},
    {"torch._utils", "_rebuild_tensor_v2", GLOBAL_REBUILD_TENSOR, 0},
    {"torch._utils", "_rebuild_parameter", GLOBAL_REBUILD_PARAMETER, 0},
    {"torch", "DoubleStorage", GLOBAL_STORAGE, ARRAY_F64},
    {"torch", "FloatStorage", GLOBAL_STORAGE, ARRAY_F32},
    {"torch", "HalfStorage", GLOBAL_STORAGE, ARRAY_F16},
    {"torch", "BFloat16Storage", GLOBAL_STORAGE, ARRAY_BF16},
    {"torch", "LongStorage", GLOBAL_STORAGE, ARRAY_I64},
    {"torch", "IntStorage", GLOBAL_STORAGE, ARRAY_I32},
    {"torch", "ShortStorage", GLOBAL_STORAGE, ARRAY_I16},
    {"torch", "CharStorage", GLOBAL_STORAGE, ARRAY_I8},
    {"torch", "ByteStorage", GLOBAL_STORAGE, ARRAY_U8},
    {"torch", "BoolStorage", GLOBAL_STORAGE, ARRAY_BOOL},
};

/* ---- the machine ---- */

struct refs {
    pickle_ref *list;
    size_t count, capacity;
};

#define NOT_REMEMBERED UINT32_MAX

struct machine {
    struct pickle *pickle;
    const unsigned char *bytes;
    size_t size, at;
    struct refs stack, marks, memo; /* marks: heights of the stack */
    size_t items;                   /* in all containers */
    bool stopped;
    struct fault *fault;
};

static bool fail(struct machine *m, const char *what)
{
    return fault_set(m->fault, 400, "pickle: %s at byte %zu", what, m->at);
}

static bool out_of_memory(struct machine *m)
{
    return fault_set(m->fault, 503, "pickle: out of memory");
}

/* Room for one more in a list of count elements. */
static bool grow(struct machine *m, void **list, size_t count, size_t *capacity, size_t size)
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

static bool append(struct machine *m, struct refs *refs, pickle_ref ref)
{
    void *list = refs->list;
    if (!grow(m, &list, refs->count, &refs->capacity, sizeof *refs->list))
        return false;
    refs->list = list;
    refs->list[refs->count++] = ref;
    return true;
}

static bool append_item(struct machine *m, pickle_ref container, pickle_ref ref)
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
static bool push(struct machine *m, const struct pickle_value *value)
{
    struct pickle *p = m->pickle;
    void *values = p->values;
    if (!grow(m, &values, p->count, &p->capacity, sizeof *p->values))
        return false;
    p->values = values;
    p->values[p->count++] = *value;
    return append(m, &m->stack, (pickle_ref)(p->count - 1));
}

static bool push_empty(struct machine *m, enum pickle_type type)
{
    return push(m, &(struct pickle_value){.type = type});
}

static struct pickle_value *value_of(struct machine *m, pickle_ref ref)
{
    return &m->pickle->values[ref];
}

/* The lowest place on the stack that belongs to what came after the last mark. */
static size_t floor_of(const struct machine *m)
{
    return m->marks.count > 0 ? m->marks.list[m->marks.count - 1] : 0;
}

static bool pop(struct machine *m, pickle_ref *ref)
{
    if (m->stack.count <= floor_of(m))
        return fail(m, "nothing on the stack");
    *ref = m->stack.list[--m->stack.count];
    return true;
}

static bool pop_type(struct machine *m, enum pickle_type type, pickle_ref *ref)
{
    if (!pop(m, ref))
        return false;
    return value_of(m, *ref)->type == type || fail(m, "a value of another type expected");
}

/* The container that is to be added to stays on the stack. */
static bool top_type(struct machine *m, enum pickle_type type, pickle_ref *ref)
{
    if (m->stack.count <= floor_of(m))
        return fail(m, "nothing on the stack");
    *ref = m->stack.list[m->stack.count - 1];
    return value_of(m, *ref)->type == type || fail(m, "a value of another type expected");
}

/* Takes the last mark; what was pushed after it stays above *bottom. */
static bool pop_mark(struct machine *m, size_t *bottom)
{
    if (m->marks.count == 0)
        return fail(m, "no mark on the stack");
    *bottom = m->marks.list[--m->marks.count];
    return true;
}

/* ---- bytes ---- */

static bool take(struct machine *m, size_t size, const unsigned char **bytes)
{
    if (size > m->size - m->at)
        return fail(m, "the end came too early");
    *bytes = m->bytes + m->at;
    m->at += size;
    return true;
}

/* Little-endian, size <= 8. */
static bool take_number(struct machine *m, size_t size, uint64_t *number)
{
    const unsigned char *bytes = NULL;
    if (!take(m, size, &bytes))
        return false;
    *number = 0;
    for (size_t i = 0; i < size; i++)
        *number |= (uint64_t)bytes[i] << (8 * i);
    return true;
}

static bool take_text(struct machine *m, size_t length_size, struct pickle_text *text)
{
    uint64_t size = 0;
    if (!take_number(m, length_size, &size))
        return false;
    if (size > m->size)
        return fail(m, "the end came too early");
    text->size = (size_t)size;
    return take(m, text->size, &text->bytes);
}

static bool take_line(struct machine *m, struct pickle_text *text)
{
    const unsigned char *end = memchr(m->bytes + m->at, '\n', m->size - m->at);
    if (end == NULL)
        return fail(m, "a line without an end");
    text->size = (size_t)(end - (m->bytes + m->at));
    if (!take(m, text->size, &text->bytes))
        return false;
    m->at++;
    return true;
}

/* ---- numbers and texts ---- */

static bool do_none(struct machine *m)
{
    return push_empty(m, PICKLE_NONE);
}

static bool push_integer(struct machine *m, enum pickle_type type, int64_t value)
{
    return push(m, &(struct pickle_value){.type = type, .as.integer = value});
}

static bool do_true(struct machine *m)
{
    return push_integer(m, PICKLE_BOOL, 1);
}

static bool do_false(struct machine *m)
{
    return push_integer(m, PICKLE_BOOL, 0);
}

static bool do_int32(struct machine *m)
{
    uint64_t bits = 0;
    return take_number(m, 4, &bits) && push_integer(m, PICKLE_INT, (int32_t)(uint32_t)bits);
}

static bool do_uint8(struct machine *m)
{
    uint64_t bits = 0;
    return take_number(m, 1, &bits) && push_integer(m, PICKLE_INT, (int64_t)bits);
}

static bool do_uint16(struct machine *m)
{
    uint64_t bits = 0;
    return take_number(m, 2, &bits) && push_integer(m, PICKLE_INT, (int64_t)bits);
}

/* Two's complement of any length. */
static bool push_long(struct machine *m, const struct pickle_text *text)
{
    if (text->size > 8)
        return push(m, &(struct pickle_value){.type = PICKLE_LONG, .as.text = *text});
    uint64_t bits = text->size > 0 && text->bytes[text->size - 1] >= 0x80 ? UINT64_MAX : 0;
    for (size_t i = text->size; i-- > 0;)
        bits = bits << 8 | text->bytes[i];
    int64_t value;
    memcpy(&value, &bits, sizeof value);
    return push_integer(m, PICKLE_INT, value);
}

static bool do_long1(struct machine *m)
{
    struct pickle_text text = {0};
    return take_text(m, 1, &text) && push_long(m, &text);
}

static bool do_long4(struct machine *m)
{
    struct pickle_text text = {0};
    return take_text(m, 4, &text) && push_long(m, &text);
}

static bool do_float(struct machine *m)
{
    const unsigned char *bytes = NULL;
    uint64_t bits = 0;
    struct pickle_value value = {.type = PICKLE_FLOAT};
    if (!take(m, 8, &bytes))
        return false;
    for (size_t i = 0; i < 8; i++)
        bits = bits << 8 | bytes[i];
    memcpy(&value.as.number, &bits, sizeof bits);
    return push(m, &value);
}

static bool push_text(struct machine *m, size_t length_size)
{
    struct pickle_value value = {.type = PICKLE_TEXT};
    return take_text(m, length_size, &value.as.text) && push(m, &value);
}

static bool do_text1(struct machine *m)
{
    return push_text(m, 1);
}

static bool do_text4(struct machine *m)
{
    return push_text(m, 4);
}

static bool do_text8(struct machine *m)
{
    return push_text(m, 8);
}

/* ---- containers ---- */

static bool do_mark(struct machine *m)
{
    return append(m, &m->marks, (pickle_ref)m->stack.count);
}

static bool do_empty_tuple(struct machine *m)
{
    return push_empty(m, PICKLE_TUPLE);
}

static bool do_empty_list(struct machine *m)
{
    return push_empty(m, PICKLE_LIST);
}

static bool do_empty_dict(struct machine *m)
{
    return push_empty(m, PICKLE_DICT);
}

/* All that stands on the stack from bottom becomes items of the container. */
static bool move_items(struct machine *m, size_t bottom, pickle_ref container)
{
    for (size_t i = bottom; i < m->stack.count; i++)
        if (!append_item(m, container, m->stack.list[i]))
            return false;
    m->stack.count = bottom;
    return true;
}

static bool make_tuple(struct machine *m, size_t bottom)
{
    pickle_ref tuple;
    return push_empty(m, PICKLE_TUPLE) && pop(m, &tuple) && move_items(m, bottom, tuple) &&
           append(m, &m->stack, tuple);
}

static bool do_tuple(struct machine *m)
{
    size_t bottom = 0;
    return pop_mark(m, &bottom) && make_tuple(m, bottom);
}

static bool make_tuple_of(struct machine *m, size_t count)
{
    if (m->stack.count - floor_of(m) < count)
        return fail(m, "nothing on the stack");
    return make_tuple(m, m->stack.count - count);
}

static bool do_tuple1(struct machine *m)
{
    return make_tuple_of(m, 1);
}

static bool do_tuple2(struct machine *m)
{
    return make_tuple_of(m, 2);
}

static bool do_tuple3(struct machine *m)
{
    return make_tuple_of(m, 3);
}

/* The container stands right below what is to be added. */
static bool add_above(struct machine *m, size_t bottom, enum pickle_type type)
{
    if (bottom <= floor_of(m))
        return fail(m, "nothing on the stack");
    const pickle_ref container = m->stack.list[bottom - 1];
    if (value_of(m, container)->type != type)
        return fail(m, "a value of another type expected");
    if (type == PICKLE_DICT && (m->stack.count - bottom) % 2 != 0)
        return fail(m, "a key without a value");
    return move_items(m, bottom, container);
}

static bool add_last(struct machine *m, size_t count, enum pickle_type type)
{
    if (m->stack.count - floor_of(m) < count)
        return fail(m, "nothing on the stack");
    return add_above(m, m->stack.count - count, type);
}

static bool add_marked(struct machine *m, enum pickle_type type)
{
    size_t bottom = 0;
    return pop_mark(m, &bottom) && add_above(m, bottom, type);
}

static bool do_append(struct machine *m)
{
    return add_last(m, 1, PICKLE_LIST);
}

static bool do_appends(struct machine *m)
{
    return add_marked(m, PICKLE_LIST);
}

static bool do_set_item(struct machine *m)
{
    return add_last(m, 2, PICKLE_DICT);
}

static bool do_set_items(struct machine *m)
{
    return add_marked(m, PICKLE_DICT);
}

/* ---- memory ---- */

static bool remember(struct machine *m, size_t place)
{
    if (m->stack.count <= floor_of(m))
        return fail(m, "nothing on the stack");
    /* Places are given out one after the other, as values come. */
    if (place >= m->pickle->count)
        return fail(m, "a place in memory beyond all values");
    const pickle_ref ref = m->stack.list[m->stack.count - 1];
    while (m->memo.count <= place)
        if (!append(m, &m->memo, NOT_REMEMBERED))
            return false;
    m->memo.list[place] = ref;
    return true;
}

static bool recall(struct machine *m, size_t place)
{
    if (place >= m->memo.count || m->memo.list[place] == NOT_REMEMBERED)
        return fail(m, "a value that was never remembered");
    return append(m, &m->stack, m->memo.list[place]);
}

static bool do_put1(struct machine *m)
{
    uint64_t place = 0;
    return take_number(m, 1, &place) && remember(m, (size_t)place);
}

static bool do_put4(struct machine *m)
{
    uint64_t place = 0;
    return take_number(m, 4, &place) && remember(m, (size_t)place);
}

static bool do_memoize(struct machine *m)
{
    return remember(m, m->memo.count);
}

static bool do_get1(struct machine *m)
{
    uint64_t place = 0;
    return take_number(m, 1, &place) && recall(m, (size_t)place);
}

static bool do_get4(struct machine *m)
{
    uint64_t place = 0;
    return take_number(m, 4, &place) && recall(m, (size_t)place);
}

/* ---- names ---- */

static bool text_equals(const struct pickle_text *text, const char *other)
{
    return strlen(other) == text->size && memcmp(text->bytes, other, text->size) == 0;
}

/* A text as a C string for messages, cut. */
struct short_text {
    char text[80];
};

static struct short_text shorten(const struct pickle_text *text)
{
    struct short_text out = {0};
    const size_t size = text->size < sizeof out.text - 1 ? text->size : sizeof out.text - 1;
    for (size_t i = 0; i < size; i++)
        out.text[i] = text->bytes[i] > 0x20 && text->bytes[i] < 0x7f ? (char)text->bytes[i] : '?';
    return out;
}

static bool push_global(struct machine *m, const struct pickle_text *module,
                        const struct pickle_text *name)
{
    for (unsigned i = 0; i < sizeof globals / sizeof globals[0]; i++)
        if (text_equals(module, globals[i].module) && text_equals(name, globals[i].name))
            return push(m, &(struct pickle_value){.type = PICKLE_GLOBAL, .as.global = i});
    return fault_set(m->fault, 400,
                     "the pickle wants '%s.%s': only tensors, dicts, lists, numbers and texts are "
                     "built (save model.state_dict() rather than the model or other objects)",
                     shorten(module).text, shorten(name).text);
}

static bool do_global(struct machine *m)
{
    struct pickle_text module = {0}, name = {0};
    return take_line(m, &module) && take_line(m, &name) && push_global(m, &module, &name);
}

static bool do_stack_global(struct machine *m)
{
    pickle_ref module, name;
    if (!pop_type(m, PICKLE_TEXT, &name) || !pop_type(m, PICKLE_TEXT, &module))
        return false;
    const struct pickle_text module_text = value_of(m, module)->as.text;
    const struct pickle_text name_text = value_of(m, name)->as.text;
    return push_global(m, &module_text, &name_text);
}

/* ---- calls ---- */

/* The tuple's i-th item, when it is of that type. */
static bool argument(struct machine *m, pickle_ref tuple, size_t i, enum pickle_type type,
                     pickle_ref *ref)
{
    const struct pickle_items *items = &value_of(m, tuple)->as.items;
    if (i >= items->count)
        return fail(m, "an argument is missing");
    *ref = items->refs[i];
    return value_of(m, *ref)->type == type || fail(m, "an argument of another type expected");
}

static bool size_argument(struct machine *m, pickle_ref tuple, size_t i, size_t *size)
{
    pickle_ref ref = 0;
    if (!argument(m, tuple, i, PICKLE_INT, &ref))
        return false;
    const int64_t value = value_of(m, ref)->as.integer;
    if (value < 0 || (uint64_t)value > SIZE_MAX)
        return fail(m, "a size of at least 0 expected");
    *size = (size_t)value;
    return true;
}

static bool check_sizes(struct machine *m, pickle_ref tuple)
{
    const size_t count = value_of(m, tuple)->as.items.count;
    size_t ignored = 0;
    if (count > STATE_DICT_RANK_MAX)
        return fail(m, "a tensor of too many dimensions");
    for (size_t i = 0; i < count; i++)
        if (!size_argument(m, tuple, i, &ignored))
            return false;
    return true;
}

/* (storage, offset, shape, strides, ...) */
static bool rebuild_tensor(struct machine *m, pickle_ref arguments)
{
    struct pickle_value value = {.type = PICKLE_TENSOR};
    struct pickle_tensor *tensor = &value.as.tensor;
    if (!argument(m, arguments, 0, PICKLE_STORAGE, &tensor->storage) ||
        !size_argument(m, arguments, 1, &tensor->offset) ||
        !argument(m, arguments, 2, PICKLE_TUPLE, &tensor->shape) ||
        !argument(m, arguments, 3, PICKLE_TUPLE, &tensor->strides) ||
        !check_sizes(m, tensor->shape) || !check_sizes(m, tensor->strides))
        return false;
    if (value_of(m, tensor->shape)->as.items.count != value_of(m, tensor->strides)->as.items.count)
        return fail(m, "a tensor with as many strides as dimensions expected");
    return push(m, &value);
}

static bool rebuild_parameter(struct machine *m, pickle_ref arguments)
{
    pickle_ref tensor;
    return argument(m, arguments, 0, PICKLE_TENSOR, &tensor) && append(m, &m->stack, tensor);
}

/* Python 2 wrote the pairs as one argument: [[key, value], ...]. */
static bool fill_ordered_dict(struct machine *m, pickle_ref dict, pickle_ref pairs)
{
    const size_t count = value_of(m, pairs)->as.items.count;
    for (size_t i = 0; i < count; i++) {
        const pickle_ref pair = value_of(m, pairs)->as.items.refs[i];
        const struct pickle_value *value = value_of(m, pair);
        if ((value->type != PICKLE_LIST && value->type != PICKLE_TUPLE) ||
            value->as.items.count != 2)
            return fail(m, "pairs of a key and a value expected");
        const pickle_ref key = value->as.items.refs[0], item = value->as.items.refs[1];
        if (!append_item(m, dict, key) || !append_item(m, dict, item))
            return false;
    }
    return true;
}

static bool make_ordered_dict(struct machine *m, pickle_ref arguments)
{
    pickle_ref dict, pairs;
    if (!push_empty(m, PICKLE_DICT) || !top_type(m, PICKLE_DICT, &dict))
        return false;
    return value_of(m, arguments)->as.items.count == 0 ||
           (argument(m, arguments, 0, PICKLE_LIST, &pairs) && fill_ordered_dict(m, dict, pairs));
}

static bool do_reduce(struct machine *m)
{
    pickle_ref arguments, callable;
    if (!pop_type(m, PICKLE_TUPLE, &arguments) || !pop_type(m, PICKLE_GLOBAL, &callable))
        return false;
    switch (globals[value_of(m, callable)->as.global].global) {
    case GLOBAL_ORDERED_DICT:
        return make_ordered_dict(m, arguments);
    case GLOBAL_REBUILD_TENSOR:
        return rebuild_tensor(m, arguments);
    case GLOBAL_REBUILD_PARAMETER:
        return rebuild_parameter(m, arguments);
    case GLOBAL_STORAGE:
        break;
    }
    return fail(m, "a storage that is called");
}

/* Attributes of a dict (a state_dict's _metadata) are dropped. */
static bool do_build(struct machine *m)
{
    pickle_ref state, object;
    return pop(m, &state) && top_type(m, PICKLE_DICT, &object);
}

/* ('storage', type, key, location, elements[, view]) */
static bool do_persistent_id(struct machine *m)
{
    struct pickle_value value = {.type = PICKLE_STORAGE};
    struct pickle_storage *storage = &value.as.storage;
    pickle_ref id, kind, type;
    if (!pop_type(m, PICKLE_TUPLE, &id) || !argument(m, id, 0, PICKLE_TEXT, &kind))
        return false;
    if (!pickle_is_text(m->pickle, kind, "storage"))
        return fault_set(m->fault, 400,
                         "the pickle holds a '%s', not only tensors (save model.state_dict() "
                         "rather than the model)",
                         shorten(&value_of(m, kind)->as.text).text);
    if (!argument(m, id, 1, PICKLE_GLOBAL, &type) ||
        !argument(m, id, 2, PICKLE_TEXT, &storage->key) ||
        !size_argument(m, id, 4, &storage->elements))
        return false;
    const struct pickle_items *items = &value_of(m, id)->as.items;
    if (items->count > 5 && value_of(m, items->refs[5])->type != PICKLE_NONE)
        return fail(m, "a storage that is a view of another, which is not supported,");
    const unsigned global = value_of(m, type)->as.global;
    if (globals[global].global != GLOBAL_STORAGE)
        return fail(m, "a storage's type expected");
    storage->type = globals[global].type;
    return push(m, &value);
}

/* ---- the loop ---- */

static bool do_protocol(struct machine *m)
{
    uint64_t version = 0;
    if (!take_number(m, 1, &version))
        return false;
    return (version >= 2 && version <= 5) || fail(m, "protocol 2 to 5 expected, got another");
}

static bool do_frame(struct machine *m)
{
    uint64_t size = 0;
    if (!take_number(m, 8, &size))
        return false;
    return size <= m->size - m->at || fail(m, "the end came too early");
}

static bool do_stop(struct machine *m)
{
    m->stopped = true;
    return pop(m, &m->pickle->root);
}

static bool (*const opcodes[256])(struct machine *m) = {
    ['('] = do_mark,          [')'] = do_empty_tuple,   ['.'] = do_stop,
    ['B'] = do_text4,         ['C'] = do_text1,         ['G'] = do_float,
    ['J'] = do_int32,         ['K'] = do_uint8,         ['M'] = do_uint16,
    ['N'] = do_none,          ['Q'] = do_persistent_id, ['R'] = do_reduce,
    ['T'] = do_text4,         ['U'] = do_text1,         ['X'] = do_text4,
    [']'] = do_empty_list,    ['a'] = do_append,        ['b'] = do_build,
    ['c'] = do_global,        ['e'] = do_appends,       ['h'] = do_get1,
    ['j'] = do_get4,          ['q'] = do_put1,          ['r'] = do_put4,
    ['s'] = do_set_item,      ['t'] = do_tuple,         ['u'] = do_set_items,
    ['}'] = do_empty_dict,    [0x80] = do_protocol,     [0x85] = do_tuple1,
    [0x86] = do_tuple2,       [0x87] = do_tuple3,       [0x88] = do_true,
    [0x89] = do_false,        [0x8a] = do_long1,        [0x8b] = do_long4,
    [0x8c] = do_text1,        [0x8d] = do_text8,        [0x8e] = do_text8,
    [0x93] = do_stack_global, [0x94] = do_memoize,      [0x95] = do_frame,
};

static bool run(struct machine *m)
{
    while (!m->stopped) {
        const unsigned char *opcode = NULL;
        if (!take(m, 1, &opcode))
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
    struct machine m = {.pickle = pickle,
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

bool pickle_is_text(const struct pickle *pickle, pickle_ref ref, const char *text)
{
    const struct pickle_value *value = pickle_get(pickle, ref);
    return value->type == PICKLE_TEXT && text_equals(&value->as.text, text);
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
