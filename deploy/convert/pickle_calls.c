/* What a pickle may name and call. */
#include <string.h>

#include "deploy/convert/pickle_machine.h"

#define METADATA 6 /* which argument of _rebuild_tensor_v2 */

/* ---- what may be named ---- */

enum global {
    GLOBAL_ORDERED_DICT,
    GLOBAL_DEFAULT_DICT,
    GLOBAL_REBUILD_TENSOR,
    GLOBAL_REBUILD_PARAMETER,
    GLOBAL_STORAGE,
    GLOBAL_ASIDE,
};

static const struct {
    const char *module, *name;
    enum global global;
    enum array_type type; /* of a storage */
} globals[] = {
    {"collections", "OrderedDict", GLOBAL_ORDERED_DICT, 0},
    {"collections", "defaultdict", GLOBAL_DEFAULT_DICT, 0},
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
    {"torch", "device", GLOBAL_ASIDE, 0},
    {"torch", "Size", GLOBAL_ASIDE, 0},
    {"argparse", "Namespace", GLOBAL_ASIDE, 0},
    /* A number's; an array's begin with _reconstruct. An array may be one of the weights. */
    {"numpy.core.multiarray", "scalar", GLOBAL_ASIDE, 0},
    {"numpy._core.multiarray", "scalar", GLOBAL_ASIDE, 0},
    {"numpy", "dtype", GLOBAL_ASIDE, 0},
    {"_codecs", "encode", GLOBAL_ASIDE, 0},
    {"collections", "Counter", GLOBAL_ASIDE, 0},
    {"collections", "deque", GLOBAL_ASIDE, 0},
    {"datetime", "date", GLOBAL_ASIDE, 0},
    {"datetime", "datetime", GLOBAL_ASIDE, 0},
    {"datetime", "time", GLOBAL_ASIDE, 0},
    {"datetime", "timedelta", GLOBAL_ASIDE, 0},
    {"datetime", "timezone", GLOBAL_ASIDE, 0},
    {"pathlib", "PosixPath", GLOBAL_ASIDE, 0},
    {"pathlib", "WindowsPath", GLOBAL_ASIDE, 0},
    {"pathlib", "PurePosixPath", GLOBAL_ASIDE, 0},
    {"pathlib", "PureWindowsPath", GLOBAL_ASIDE, 0},
    {"pathlib._local", "PosixPath", GLOBAL_ASIDE, 0},
    {"pathlib._local", "WindowsPath", GLOBAL_ASIDE, 0},
    /* Protocol 2 has the names of Python 2. */
    {"__builtin__", "set", GLOBAL_ASIDE, 0},
    {"__builtin__", "frozenset", GLOBAL_ASIDE, 0},
    {"builtins", "set", GLOBAL_ASIDE, 0},
    {"builtins", "frozenset", GLOBAL_ASIDE, 0},
};

/* ---- names ---- */

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

bool machine_push_global(struct pickle_machine *m, const struct pickle_text *module,
                         const struct pickle_text *name)
{
    for (unsigned i = 0; i < sizeof globals / sizeof globals[0]; i++)
        if (pickle_text_equals(module, globals[i].module) &&
            pickle_text_equals(name, globals[i].name))
            return machine_push(m, &(struct pickle_value){.type = PICKLE_GLOBAL, .as.global = i});
    return machine_push(m,
                        &(struct pickle_value){.type = PICKLE_UNKNOWN,
                                               .as.unknown = {.module = module->bytes,
                                                              .name = name->bytes,
                                                              .module_size = (uint32_t)module->size,
                                                              .name_size = (uint32_t)name->size}});
}

bool pickle_refuse_unknown(const struct pickle_value *value, struct fault *fault)
{
    const struct pickle_unknown *unknown = &value->as.unknown;
    const struct pickle_text module = {unknown->module, unknown->module_size};
    const struct pickle_text name = {unknown->name, unknown->name_size};
    return fault_set(fault, 400,
                     "the pickle wants '%s.%s': only tensors, dicts, lists, numbers and texts are "
                     "built (save model.state_dict() rather than the model or other objects)",
                     shorten(&module).text, shorten(&name).text);
}

/* ---- calls ---- */

/* The tuple's i-th item, when it is of that type. */
static bool argument(struct pickle_machine *m, pickle_ref tuple, size_t i, enum pickle_type type,
                     pickle_ref *ref)
{
    const struct pickle_items *items = &machine_value_of(m, tuple)->as.items;
    if (i >= items->count)
        return machine_fail(m, "an argument is missing");
    *ref = items->refs[i];
    return machine_value_of(m, *ref)->type == type ||
           machine_fail(m, "an argument of another type expected");
}

static bool size_argument(struct pickle_machine *m, pickle_ref tuple, size_t i, size_t *size)
{
    pickle_ref ref = 0;
    if (!argument(m, tuple, i, PICKLE_INT, &ref))
        return false;
    const int64_t value = machine_value_of(m, ref)->as.integer;
    if (value < 0 || (uint64_t)value > SIZE_MAX)
        return machine_fail(m, "a size of at least 0 expected");
    *size = (size_t)value;
    return true;
}

static bool check_sizes(struct pickle_machine *m, pickle_ref tuple)
{
    const size_t count = machine_value_of(m, tuple)->as.items.count;
    size_t ignored = 0;
    if (count > STATE_DICT_RANK_MAX)
        return machine_fail(m, "a tensor of too many dimensions");
    for (size_t i = 0; i < count; i++)
        if (!size_argument(m, tuple, i, &ignored))
            return false;
    return true;
}

/* {"neg": True}, {"conj": True}: a key alone turns the view into another one, whatever its value.
 * Written only where there is one; None and {} say nothing. */
static bool read_metadata(struct pickle_machine *m, pickle_ref arguments,
                          struct pickle_tensor *tensor)
{
    const struct pickle_items *items = &machine_value_of(m, arguments)->as.items;
    if (items->count <= METADATA || machine_value_of(m, items->refs[METADATA])->type == PICKLE_NONE)
        return true;
    pickle_ref metadata = 0;
    if (!argument(m, arguments, METADATA, PICKLE_DICT, &metadata))
        return false;
    const struct pickle_items *keys = &machine_value_of(m, metadata)->as.items;
    tensor->marked = keys->count > 0;
    if (tensor->marked)
        tensor->mark = keys->refs[0];
    return true;
}

/* (storage, offset, shape, strides, requires_grad, hooks, metadata) */
static bool rebuild_tensor(struct pickle_machine *m, pickle_ref arguments)
{
    struct pickle_value value = {.type = PICKLE_TENSOR};
    struct pickle_tensor *tensor = &value.as.tensor;
    if (!argument(m, arguments, 0, PICKLE_STORAGE, &tensor->storage) ||
        !size_argument(m, arguments, 1, &tensor->offset) ||
        !argument(m, arguments, 2, PICKLE_TUPLE, &tensor->shape) ||
        !argument(m, arguments, 3, PICKLE_TUPLE, &tensor->strides) ||
        !check_sizes(m, tensor->shape) || !check_sizes(m, tensor->strides) ||
        !read_metadata(m, arguments, tensor))
        return false;
    if (machine_value_of(m, tensor->shape)->as.items.count !=
        machine_value_of(m, tensor->strides)->as.items.count)
        return machine_fail(m, "a tensor with as many strides as dimensions expected");
    return machine_push(m, &value);
}

static bool rebuild_parameter(struct pickle_machine *m, pickle_ref arguments)
{
    pickle_ref tensor;
    return argument(m, arguments, 0, PICKLE_TENSOR, &tensor) &&
           machine_append(m, &m->stack, tensor);
}

/* Python 2 wrote the pairs as one argument: [[key, value], ...]. */
static bool fill_ordered_dict(struct pickle_machine *m, pickle_ref dict, pickle_ref pairs)
{
    const size_t count = machine_value_of(m, pairs)->as.items.count;
    for (size_t i = 0; i < count; i++) {
        const pickle_ref pair = machine_value_of(m, pairs)->as.items.refs[i];
        const struct pickle_value *value = machine_value_of(m, pair);
        if ((value->type != PICKLE_LIST && value->type != PICKLE_TUPLE) ||
            value->as.items.count != 2)
            return machine_fail(m, "pairs of a key and a value expected");
        const pickle_ref key = value->as.items.refs[0], item = value->as.items.refs[1];
        if (!machine_append_item(m, dict, key) || !machine_append_item(m, dict, item))
            return false;
    }
    return true;
}

static bool make_ordered_dict(struct pickle_machine *m, pickle_ref arguments)
{
    pickle_ref dict, pairs;
    if (!machine_push_empty(m, PICKLE_DICT) || !machine_top_type(m, PICKLE_DICT, &dict))
        return false;
    return machine_value_of(m, arguments)->as.items.count == 0 ||
           (argument(m, arguments, 0, PICKLE_LIST, &pairs) && fill_ordered_dict(m, dict, pairs));
}

/* Its factory is not needed: a pickle holds what it has made. */
static bool make_default_dict(struct pickle_machine *m)
{
    return machine_push_empty(m, PICKLE_DICT);
}

/* What is called is not one of the globals: a class that is not known, or what came of another. */
static bool call_unknown(struct pickle_machine *m, pickle_ref callable)
{
    struct pickle_value value = *machine_value_of(m, callable);
    if (value.type == PICKLE_ASIDE)
        return machine_push_empty(m, PICKLE_ASIDE);
    if (value.type != PICKLE_UNKNOWN)
        return machine_fail(m, "a value of another type expected");
    value.as.unknown.called = true;
    return machine_push(m, &value);
}

bool machine_call(struct pickle_machine *m)
{
    pickle_ref arguments, callable;
    if (!machine_pop_type(m, PICKLE_TUPLE, &arguments) || !machine_pop(m, &callable))
        return false;
    if (machine_value_of(m, callable)->type != PICKLE_GLOBAL)
        return call_unknown(m, callable);
    switch (globals[machine_value_of(m, callable)->as.global].global) {
    case GLOBAL_ORDERED_DICT:
        return make_ordered_dict(m, arguments);
    case GLOBAL_DEFAULT_DICT:
        return make_default_dict(m);
    case GLOBAL_REBUILD_TENSOR:
        return rebuild_tensor(m, arguments);
    case GLOBAL_REBUILD_PARAMETER:
        return rebuild_parameter(m, arguments);
    case GLOBAL_ASIDE:
        return machine_push_empty(m, PICKLE_ASIDE);
    case GLOBAL_STORAGE:
        break;
    }
    return machine_fail(m, "a storage that is called");
}

bool machine_new(struct pickle_machine *m)
{
    pickle_ref arguments, class;
    if (!machine_pop_type(m, PICKLE_TUPLE, &arguments) || !machine_pop(m, &class))
        return false;
    if (machine_value_of(m, class)->type != PICKLE_GLOBAL)
        return call_unknown(m, class);
    return globals[machine_value_of(m, class)->as.global].global == GLOBAL_ASIDE
               ? machine_push_empty(m, PICKLE_ASIDE)
               : machine_fail(m, "a new object of a class that is made otherwise");
}

bool machine_new_named(struct pickle_machine *m)
{
    pickle_ref named;
    return machine_pop_type(m, PICKLE_DICT, &named) && machine_new(m);
}

bool machine_push_storage(struct pickle_machine *m)
{
    struct pickle_value value = {.type = PICKLE_STORAGE};
    struct pickle_storage *storage = &value.as.storage;
    pickle_ref id, kind, type;
    if (!machine_pop_type(m, PICKLE_TUPLE, &id) || !argument(m, id, 0, PICKLE_TEXT, &kind))
        return false;
    /* PyTorch before 1.6: a module's class, with its source. */
    if (pickle_is_text(m->pickle, kind, "module") && argument(m, id, 1, PICKLE_UNKNOWN, &type))
        return machine_append(m, &m->stack, type);
    if (!pickle_is_text(m->pickle, kind, "storage"))
        return fault_set(m->fault, 400,
                         "the pickle holds a '%s', not only tensors (save model.state_dict() "
                         "rather than the model)",
                         shorten(&machine_value_of(m, kind)->as.text).text);
    const struct pickle_items *parts = &machine_value_of(m, id)->as.items;
    if (parts->count > 1 && machine_value_of(m, parts->refs[1])->type == PICKLE_UNKNOWN)
        return pickle_refuse_unknown(machine_value_of(m, parts->refs[1]), m->fault);
    if (!argument(m, id, 1, PICKLE_GLOBAL, &type) ||
        !argument(m, id, 2, PICKLE_TEXT, &storage->key) ||
        !size_argument(m, id, 4, &storage->elements))
        return false;
    const struct pickle_items *items = &machine_value_of(m, id)->as.items;
    if (items->count > 5 && machine_value_of(m, items->refs[5])->type != PICKLE_NONE)
        return machine_fail(m, "a storage that is a view of another, which is not supported,");
    const unsigned global = machine_value_of(m, type)->as.global;
    if (globals[global].global != GLOBAL_STORAGE)
        return machine_fail(m, "a storage's type expected");
    storage->type = globals[global].type;
    return machine_push(m, &value);
}
