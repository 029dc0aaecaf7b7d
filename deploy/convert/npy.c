#include "deploy/convert/npy.h"

#include <string.h>

#include "core/checked.h"
#include "proto/little_endian.h"

/* The dict's text. */
struct text {
    const char *at, *end;
};

enum { KEY_DESCR = 1, KEY_ORDER = 2, KEY_SHAPE = 4, KEYS = 7 };

/* ---- words ---- */

static void skip_space(struct text *text)
{
    while (text->at < text->end && (*text->at == ' ' || *text->at == '\n' || *text->at == '\t'))
        text->at++;
}

static bool take(struct text *text, const char *word)
{
    const size_t size = strlen(word);
    skip_space(text);
    if ((size_t)(text->end - text->at) < size || memcmp(text->at, word, size) != 0)
        return false;
    text->at += size;
    return true;
}

static bool take_size(struct text *text, size_t *value)
{
    size_t digits = 0;
    skip_space(text);
    *value = 0;
    for (; text->at < text->end && *text->at >= '0' && *text->at <= '9'; text->at++, digits++)
        if (!checked_mul(*value, 10, value) ||
            !checked_add(*value, (size_t)(*text->at - '0'), value))
            return false;
    take(text, "L"); /* Python 2's long */
    return digits > 0;
}

/* ---- values ---- */

static bool parse_type(struct text *text, enum array_type *type, struct fault *fault)
{
    static const struct {
        const char *name;
        enum array_type type;
    } types[] = {{"'<f8'", ARRAY_F64}, {"'<f4'", ARRAY_F32}, {"'<f2'", ARRAY_F16},
                 {"'<i8'", ARRAY_I64}, {"'<i4'", ARRAY_I32}, {"'<i2'", ARRAY_I16},
                 {"'|i1'", ARRAY_I8},  {"'|u1'", ARRAY_U8},  {"'|b1'", ARRAY_BOOL}};
    char found[24] = "";
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (take(text, types[i].name)) {
            *type = types[i].type;
            return true;
        }
    skip_space(text);
    for (size_t i = 0; i + 1 < sizeof found && text->at + i < text->end; i++)
        found[i] = text->at[i] >= ' ' && text->at[i] < 0x7f ? text->at[i] : '?';
    return fault_set(fault, 400, "descr: '<f4', '<f8', '<f2', '<i8' or '<i4' expected, got %s",
                     found);
}

static bool parse_order(struct text *text, bool *fortran, struct fault *fault)
{
    *fortran = take(text, "True");
    return *fortran || take(text, "False") ||
           fault_set(fault, 400, "fortran_order: True or False expected");
}

static bool parse_shape(struct text *text, struct array *array, struct fault *fault)
{
    if (!take(text, "("))
        return fault_set(fault, 400, "shape: a tuple expected");
    bool more = true; /* a comma, or nothing yet, stands before */
    while (!take(text, ")")) {
        if (!more)
            return fault_set(fault, 400, "shape: a tuple expected");
        if (array->rank == STATE_DICT_RANK_MAX)
            return fault_set(fault, 400, "shape: at most %d dimensions expected",
                             STATE_DICT_RANK_MAX);
        if (!take_size(text, &array->shape[array->rank++]))
            return fault_set(fault, 400, "shape: whole numbers expected");
        more = take(text, ",");
    }
    return true;
}

static bool parse_entry(struct text *text, struct array *array, bool *fortran, unsigned *seen,
                        struct fault *fault)
{
    const unsigned key = take(text, "'descr'")           ? KEY_DESCR
                         : take(text, "'fortran_order'") ? KEY_ORDER
                         : take(text, "'shape'")         ? KEY_SHAPE
                                                         : 0;
    if (key == 0 || (*seen & key) != 0 || !take(text, ":"))
        return fault_set(fault, 400, "descr, fortran_order and shape expected, once each");
    *seen |= key;
    return key == KEY_DESCR   ? parse_type(text, &array->type, fault)
           : key == KEY_ORDER ? parse_order(text, fortran, fault)
                              : parse_shape(text, array, fault);
}

static bool parse_dict(struct text *text, struct array *array, struct fault *fault)
{
    bool fortran = false;
    unsigned seen = 0;
    if (!take(text, "{"))
        return fault_set(fault, 400, "a dict expected");
    while (!take(text, "}")) {
        if (!parse_entry(text, array, &fortran, &seen, fault))
            return false;
        take(text, ",");
    }
    skip_space(text);
    if (seen != KEYS || text->at != text->end)
        return fault_set(fault, 400, "descr, fortran_order and shape expected, no more");
    return array_set_strides(array, fortran) || fault_set(fault, 400, "shape: it overflows");
}

/* ---- the whole ---- */

bool npy_parse(const struct blob *file, struct array *array, size_t *data, struct fault *fault)
{
    const unsigned char *bytes = file->bytes;
    if (file->size < 12 || memcmp(bytes, "\x93NUMPY", 6) != 0 || bytes[6] < 1 || bytes[6] > 3)
        return fault_set(fault, 400, "an array of NumPy's format 1 to 3 expected");
    const size_t begin = bytes[6] == 1 ? 10 : 12;
    const size_t size =
        bytes[6] == 1 ? little_endian_read_u16(bytes + 8) : little_endian_read_u32(bytes + 8);
    if (size > NPY_HEADER_MAX || size > file->size - begin)
        return fault_set(fault, 400, "a header of %zu bytes does not fit", size);
    struct text text = {(const char *)bytes + begin, (const char *)bytes + begin + size};
    array->rank = 0;
    *data = begin + size;
    return parse_dict(&text, array, fault);
}
