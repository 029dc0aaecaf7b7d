/* Reads a Python pickle (protocols 2 to 5) without Python: the opcodes that torch.save writes, and
 * of all the functions and classes a pickle may call only those that make dicts and tensors.
 * What scripts keep beside the weights (NumPy's numbers, paths, dates) makes a value of which no
 * more is known, and so does everything else, whose name is kept: who looks for weights where it
 * stands refuses it. Nothing is ever executed.
 *
 * Values stand in one table and refer to each other by number, so a pickle that refers to itself
 * costs nothing: whoever walks the values bounds his own steps. */
#ifndef DEPLOY_CONVERT_PICKLE_H
#define DEPLOY_CONVERT_PICKLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "deploy/convert/state_dict.h"
#include "proto/fault.h"

#define PICKLE_SIZE_MAX   ((size_t)64 << 20) /* bytes of a pickle */
#define PICKLE_VALUES_MAX ((size_t)4 << 20)  /* in the table, on the stack, remembered */
#define PICKLE_ITEMS_MAX  ((size_t)16 << 20) /* in all containers together */

enum pickle_type {
    PICKLE_NONE,
    PICKLE_BOOL,
    PICKLE_INT,
    PICKLE_LONG, /* an int of more than 64 bits, as its bytes */
    PICKLE_FLOAT,
    PICKLE_TEXT, /* str and bytes */
    PICKLE_TUPLE,
    PICKLE_LIST,
    PICKLE_DICT, /* dict, OrderedDict and defaultdict */
    PICKLE_GLOBAL,
    PICKLE_STORAGE,
    PICKLE_TENSOR,
    PICKLE_ASIDE,   /* what no weights are in */
    PICKLE_UNKNOWN, /* a class or a function, or what came of calling it; weights may be in it */
};

typedef uint32_t pickle_ref; /* a value's number */

struct pickle_text {
    const unsigned char *bytes; /* in the pickle */
    size_t size;
};

struct pickle_items {
    pickle_ref *refs; /* of a dict: key, value, key, value... */
    size_t count, capacity;
};

struct pickle_storage {
    enum array_type type;
    pickle_ref key; /* PICKLE_TEXT */
    size_t elements;
};

struct pickle_tensor {
    pickle_ref storage, shape, strides; /* PICKLE_STORAGE and two PICKLE_TUPLEs of one length, whose
                                         * items are PICKLE_INTs of at least 0 */
    size_t offset;                      /* in elements */
    bool marked;                        /* its numbers are not simply those of the storage */
    pickle_ref mark; /* why: the first key of PyTorch's metadata, "neg", "conj" */
};

struct pickle_unknown {
    const unsigned char *module, *name; /* in the pickle */
    uint32_t module_size, name_size;
    bool called;
};

struct pickle_value {
    enum pickle_type type;
    union {
        int64_t integer; /* PICKLE_BOOL, PICKLE_INT */
        double number;
        struct pickle_text text;   /* PICKLE_LONG, PICKLE_TEXT */
        struct pickle_items items; /* PICKLE_TUPLE, PICKLE_LIST, PICKLE_DICT */
        unsigned global;
        struct pickle_storage storage;
        struct pickle_tensor tensor;
        struct pickle_unknown unknown;
    } as;
};

struct pickle {
    size_t count, capacity;
    struct pickle_value *values;
    pickle_ref root; /* what the pickle is of */
    size_t size;     /* bytes of it: others may stand behind */
};

/* Reads one pickle from the beginning of the bytes, which must stay readable until pickle_fini. On
 * failure (400, 503 without memory) nothing is held. */
bool pickle_init(struct pickle *pickle, const unsigned char *bytes, size_t size,
                 struct fault *fault);
void pickle_fini(struct pickle *pickle);

const struct pickle_value *pickle_get(const struct pickle *pickle, pickle_ref ref);
bool pickle_text_equals(const struct pickle_text *text, const char *other);
bool pickle_is_text(const struct pickle *pickle, pickle_ref ref, const char *text);

/* Refuses a PICKLE_UNKNOWN where weights may be in it: "the pickle wants 'os.system'..."; false. */
bool pickle_refuse_unknown(const struct pickle_value *value, struct fault *fault);

/* The value of a dict's key, the last one when there are several; NULL when value is no dict or has
 * no such key. */
const struct pickle_value *pickle_lookup(const struct pickle *pickle,
                                         const struct pickle_value *value, const char *key);

#endif
