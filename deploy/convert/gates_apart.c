#include "deploy/convert/gates_apart.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/checked.h"
#include "proto/excerpt.h"

#define GATES  4
#define PREFIX "lstm."

/* PyTorch's order; g is called c as often. */
static const char *const letters[GATES] = {"i", "f", "gc", "o"};

/* The letter of "Wf" or "W_f" (kind 'W'), "bf" or "b_f" (kind 'b'); else '\0'. */
static char letter_of(const char *name, char kind)
{
    const size_t at = name[0] == kind && name[1] == '_' ? 2 : 1;
    return name[0] == kind && name[at] != '\0' && name[at + 1] == '\0' ? name[at] : '\0';
}

/* The first one from array `from` on. */
static struct array *find_from(const struct state_dict *dict, size_t from, char kind, size_t gate)
{
    for (size_t i = from; i < dict->count; i++) {
        const char letter = letter_of(dict->arrays[i].name, kind);
        if (letter != '\0' && strchr(letters[gate], letter) != NULL)
            return &dict->arrays[i];
    }
    return NULL;
}

static struct array *find(const struct state_dict *dict, char kind, size_t gate)
{
    return find_from(dict, 0, kind, gate);
}

/* Are there Wi, Wf, Wo and Wc or Wg (or W_i...)? */
static bool are_apart(const struct state_dict *dict)
{
    for (size_t gate = 0; gate < GATES; gate++)
        if (find(dict, 'W', gate) == NULL)
            return false;
    return true;
}

/* ---- shapes ---- */

/* [H], [H,1] and [1,H] are vectors alike. */
static bool is_vector(const struct array *array, size_t size)
{
    return array->elements == size && array->rank >= 1 && array->rank <= 2 &&
           (array->rank == 1 || array->shape[0] == 1 || array->shape[1] == 1);
}

static bool check_matrix(const struct array *array, const struct array *first, struct fault *fault)
{
    const bool whole = array->rank == 2 && array->shape[0] > 0 && array->shape[1] > array->shape[0];
    if (whole && array->shape[0] == first->shape[0] && array->shape[1] == first->shape[1])
        return true;
    return fault_set(fault, 400,
                     "tensor '%s': a gate's [H,H+I] expected, the same for all four, got %s",
                     excerpt_of(array->name).text, array_shape(array).text);
}

static bool check_bias(const struct array *array, size_t hidden, struct fault *fault)
{
    return is_vector(array, hidden) ||
           fault_set(fault, 400, "tensor '%s': a gate's bias [%zu] expected, got %s",
                     excerpt_of(array->name).text, hidden, array_shape(array).text);
}

/* With "Wc" and "Wg", or "Wi" and "W_i", any could be meant. */
static bool check_single(const struct state_dict *dict, char kind, size_t gate, struct fault *fault)
{
    const struct array *first = find(dict, kind, gate);
    const struct array *other =
        first != NULL ? find_from(dict, (size_t)(first - dict->arrays) + 1, kind, gate) : NULL;
    return other == NULL || fault_set(fault, 400, "'%s' and '%s': one array for each gate expected",
                                      excerpt_of(first->name).text, excerpt_of(other->name).text);
}

/* All four matrices, and all four biases or none. */
static bool check(const struct state_dict *dict, bool *biased, struct fault *fault)
{
    const struct array *first = find(dict, 'W', 0);
    size_t biases = 0;
    for (size_t gate = 0; gate < GATES; gate++) {
        const struct array *bias = find(dict, 'b', gate);
        if (!check_single(dict, 'W', gate, fault) || !check_single(dict, 'b', gate, fault) ||
            !check_matrix(find(dict, 'W', gate), first, fault) ||
            (bias != NULL && !check_bias(bias, first->shape[0], fault)))
            return false;
        biases += bias != NULL;
    }
    *biased = biases == GATES;
    return biases == 0 || *biased ||
           fault_set(fault, 400, "a bias for each of the four gates expected, got %zu", biases);
}

/* ---- the three arrays ---- */

struct joined {
    size_t hidden, inputs;
    float *ih, *hh, *bias; /* [4H,I], [4H,H], [4H]; in one block that begins with ih */
};

static bool allocate(const struct array *gate, struct joined *joined, struct fault *fault)
{
    size_t elements, bytes;
    joined->hidden = gate->shape[0];
    joined->inputs = gate->shape[1] - gate->shape[0];
    if (!checked_mul(gate->elements + gate->shape[0], GATES, &elements) ||
        !checked_mul(elements, sizeof(float), &bytes) || (joined->ih = malloc(bytes)) == NULL)
        return fault_set(fault, 503, "out of memory for the four gates");
    joined->hh = joined->ih + GATES * joined->hidden * joined->inputs;
    joined->bias = joined->hh + GATES * joined->hidden * joined->hidden;
    return true;
}

/* A gate's matrix, row by row into the two. */
static bool split(const struct array *array, size_t gate, bool h_first, const struct joined *joined,
                  struct fault *fault)
{
    const size_t hidden = joined->hidden, inputs = joined->inputs, columns = hidden + inputs;
    float *values = malloc(array->elements * sizeof *values);
    if (values == NULL)
        return fault_set(fault, 503, "out of memory for a gate");
    const bool read = array_read(array, values, fault);
    for (size_t r = 0; read && r < hidden; r++) {
        const float *row = values + r * columns;
        memcpy(joined->ih + (gate * hidden + r) * inputs, row + (h_first ? hidden : 0),
               inputs * sizeof *row);
        memcpy(joined->hh + (gate * hidden + r) * hidden, row + (h_first ? 0 : inputs),
               hidden * sizeof *row);
    }
    free(values);
    return read;
}

static bool fill(const struct state_dict *dict, bool h_first, bool biased,
                 const struct joined *joined, struct fault *fault)
{
    for (size_t gate = 0; gate < GATES; gate++)
        if (!split(find(dict, 'W', gate), gate, h_first, joined, fault) ||
            (biased &&
             !array_read(find(dict, 'b', gate), joined->bias + gate * joined->hidden, fault)))
            return false;
    return true;
}

/* ---- the dict ---- */

static bool add(struct state_dict *dict, const char *name, size_t rows, size_t columns,
                const float *values, struct fault *fault)
{
    struct array array = {.type = ARRAY_F32, .rank = columns > 0 ? 2 : 1, .shape = {rows, columns}};
    snprintf(array.name, sizeof array.name, PREFIX "%s", name);
    const size_t elements = columns > 0 ? rows * columns : rows;
    return array_set_strides(&array, false) &&
           state_dict_add(dict, &array, (const unsigned char *)values, elements * sizeof *values, 0,
                          fault);
}

static void remove_gates(struct state_dict *dict)
{
    struct array *array;
    for (size_t gate = 0; gate < GATES; gate++)
        for (int kind = 0; kind < 2; kind++)
            if ((array = find(dict, "Wb"[kind], gate)) != NULL)
                memmove(array, array + 1,
                        (size_t)(dict->arrays + --dict->count - array) * sizeof *array);
}

/* "Wy", "by" [O,1]: "y.weight", "y.bias" [O]. */
static void rename_others(struct state_dict *dict)
{
    for (size_t i = 0; i < dict->count; i++) {
        struct array *array = &dict->arrays[i];
        const char weight = letter_of(array->name, 'W'), bias = letter_of(array->name, 'b');
        if (weight != '\0')
            snprintf(array->name, sizeof array->name, "%c.weight", weight);
        if (bias == '\0')
            continue;
        snprintf(array->name, sizeof array->name, "%c.bias", bias);
        if (array->rank == 2 && is_vector(array, array->elements)) {
            const size_t along = array->shape[0] == 1;
            array->strides[0] = array->strides[along];
            array->shape[0] = array->elements;
            array->rank = 1;
        }
    }
}

static bool replace(struct state_dict *dict, const struct joined *joined, bool biased,
                    struct fault *fault)
{
    const size_t hidden = joined->hidden;
    remove_gates(dict);
    rename_others(dict);
    return add(dict, "weight_ih_l0", GATES * hidden, joined->inputs, joined->ih, fault) &&
           add(dict, "weight_hh_l0", GATES * hidden, hidden, joined->hh, fault) &&
           (!biased || add(dict, "bias_ih_l0", GATES * hidden, 0, joined->bias, fault)) &&
           state_dict_sort(dict, fault);
}

static bool join(struct state_dict *dict, bool h_first, float **memory, struct fault *fault)
{
    struct joined joined = {0};
    bool biased;
    if (!check(dict, &biased, fault) || !allocate(find(dict, 'W', 0), &joined, fault))
        return false;
    if (fill(dict, h_first, biased, &joined, fault) && replace(dict, &joined, biased, fault)) {
        *memory = joined.ih;
        return true;
    }
    free(joined.ih);
    return false;
}

/* A value that is none comes first: without gates it would be told of them, and try it on. */
bool gates_apart_join(struct state_dict *dict, const char *columns, float **memory,
                      struct fault *fault)
{
    const bool apart = are_apart(dict);
    *memory = NULL;
    if (columns == NULL) {
        const struct array *first = find(dict, 'W', 0);
        return !apart || fault_set(fault, 400,
                                   "a matrix for each gate, '%s' %s, multiplies h and x stacked: "
                                   "--gate-columns hx or xh tells in which order",
                                   excerpt_of(first->name).text, array_shape(first).text);
    }
    if (strcmp(columns, "hx") != 0 && strcmp(columns, "xh") != 0)
        return fault_set(fault, 400, "--gate-columns: hx or xh expected, got '%s'",
                         excerpt_of(columns).text);
    if (!apart)
        return fault_set(fault, 400, "--gate-columns: weights 'Wi', 'Wf', 'Wc' and 'Wo' expected");
    return join(dict, columns[0] == 'h', memory, fault);
}
