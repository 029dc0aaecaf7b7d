#include "proto/classification.h"

#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/checked.h"
#include "proto/float_text.h"
#include "proto/little_endian.h"

#define INDEX_TEXT_MAX 20

bool classification_size(const struct classification *classification, size_t groups, size_t *bytes)
{
    size_t label = 0;
    for (size_t i = 0; classification->labels != NULL && i < classification->classes; i++) {
        const size_t size = strlen(classification->labels[i]);
        label = size > label ? size : label;
    }
    /* Two colons. */
    const size_t string = sizeof(uint32_t) + FLOAT_TEXT_MAX + 1 + INDEX_TEXT_MAX + 1 + label;
    return checked_mul(groups, classification->count, bytes) && checked_mul(*bytes, string, bytes);
}

/* Does element a come before element b? */
static bool comes_before(const float *values, size_t a, size_t b)
{
    if (values[a] == values[b] || (isnan(values[a]) && isnan(values[b])))
        return a < b;
    return isnan(values[b]) || values[a] > values[b];
}

/* heap[size] has the element that comes last of all at its root; at may come too early. */
static void sift_down(const float *values, size_t *heap, size_t size, size_t at)
{
    const size_t moved = heap[at];
    for (size_t child; (child = 2 * at + 1) < size; at = child) {
        if (child + 1 < size && comes_before(values, heap[child], heap[child + 1]))
            child++;
        if (comes_before(values, heap[child], moved))
            break;
        heap[at] = heap[child];
    }
    heap[at] = moved;
}

/* best[k] = the first k elements of values[n], in order. */
static void select_best(const float *values, size_t n, size_t *best, size_t k)
{
    for (size_t i = 0; i < k; i++)
        best[i] = i;
    for (size_t i = k / 2; i-- > 0;)
        sift_down(values, best, k, i);
    for (size_t i = k; i < n; i++) {
        if (comes_before(values, i, best[0])) {
            best[0] = i;
            sift_down(values, best, k, 0);
        }
    }
    for (size_t size = k; size-- > 1;) {
        const size_t last = best[0];
        best[0] = best[size];
        best[size] = last;
        sift_down(values, best, size, 0);
    }
}

static char *write_string(const struct classification *classification, const float *values,
                          size_t index, char *out)
{
    char *text = out + sizeof(uint32_t);
    char *at = text + float_print(text, values[index]);
    at += snprintf(at, INDEX_TEXT_MAX + 2, ":%zu", index);
    if (classification->labels != NULL) {
        const size_t size = strlen(classification->labels[index]);
        *at++ = ':';
        memcpy(at, classification->labels[index], size);
        at += size;
    }
    little_endian_write_u32(out, (uint32_t)(at - text));
    return at;
}

size_t classification_write(const struct classification *classification, const float *values,
                            size_t groups, size_t *best, char *out)
{
    const size_t n = classification->classes, k = classification->count;
    char *at = out;
    assert(k <= n);
    for (size_t g = 0; k > 0 && g < groups; g++, values += n) {
        select_best(values, n, best, k);
        for (size_t i = 0; i < k; i++)
            at = write_string(classification, values, best[i], at);
    }
    return (size_t)(at - out);
}
