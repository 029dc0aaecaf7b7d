#include "proto/tensor_text.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "proto/float_text.h"
#include "proto/json_reader.h"

enum {
    RANK_MAX = 8,
    SHAPE_TEXT_MAX = RANK_MAX * 21 + 3,
    TOKEN_SHOWN_MAX = 24, /* bytes of a bad number in an error text */
    FOUND_MAX = TOKEN_SHOWN_MAX + JSON_DESCRIPTION_MAX,
};

/* What is left to read. No loop asks where the text ends: the bracket at last ends all of them. */
struct cursor {
    const struct tensor_text *tensor;
    const char *at;
    const char *last;   /* the closing bracket of the whole array */
    size_t index;       /* of the next element */
    bool nested;        /* or flat */
    const char *wanted; /* where a number is read */
    int64_t min, max;   /* of int64s */
    union {
        float *f32;
        int64_t *i64;
    } out;
};

/* Reads element index from at on; returns the byte after it, or NULL with cursor->wanted set. */
typedef const char *read_number(struct cursor *cursor, const char *at, size_t index);

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static const char *skip_space(const char *at)
{
    while (is_space(*at))
        at++;
    return at;
}

/* ---- error texts ---- */

/* "[17,2,10]" */
static void shape_text(const struct tensor_text *tensor, char *out)
{
    assert(tensor->rank <= RANK_MAX);
    size_t size = 0;
    for (size_t i = 0; i < tensor->rank; i++)
        size += (size_t)snprintf(out + size, SHAPE_TEXT_MAX - size, "%c%llu", i == 0 ? '[' : ',',
                                 (unsigned long long)tensor->shape[i]);
    snprintf(out + size, SHAPE_TEXT_MAX - size, size == 0 ? "[]" : "]");
}

/* The numbers, or what stands in their places. */
static size_t count_elements(const struct tensor_text *tensor)
{
    size_t count = 0;
    bool within = false;
    for (size_t i = 0; i < tensor->size; i++) {
        const char c = tensor->text[i];
        const bool part = !is_space(c) && c != ',' && c != '[' && c != ']';
        count += part && !within;
        within = part;
    }
    return count;
}

static bool fail_count(const struct tensor_text *tensor, struct fault *fault)
{
    char shape[SHAPE_TEXT_MAX];
    shape_text(tensor, shape);
    return fault_set(fault, 400, "%zu numbers are wanted by shape %s, got %zu", tensor->elements,
                     shape, count_elements(tensor));
}

/* What stands where a number should: "'tru'", "'\"'", "byte 0x07". */
static void describe_token(const char *at, const char *last, char *out)
{
    static const char parts[] = "+-.0123456789_"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    size_t size = 0;
    while (at + size < last && at[size] != '\0' && strchr(parts, at[size]) != NULL)
        size++;
    if (size == 0)
        json_describe(out, at, last + 1);
    else if (size <= TOKEN_SHOWN_MAX)
        snprintf(out, FOUND_MAX, "'%.*s'", (int)size, at);
    else
        snprintf(out, FOUND_MAX, "'%.*s...'", TOKEN_SHOWN_MAX, at);
}

/* A flat array of the wrong length is told by its count; all else by the place. */
static bool fail(const struct cursor *cursor, const char *wanted, struct fault *fault)
{
    const struct tensor_text *tensor = cursor->tensor;
    const bool bracket = *cursor->at == '[' || *cursor->at == ']' || *cursor->at == ',';
    const bool ends_wrong =
        cursor->at == cursor->last || *cursor->at == ',' || tensor->elements == 0;
    if (!cursor->nested && ends_wrong && count_elements(tensor) != tensor->elements)
        return fail_count(tensor, fault);
    char found[FOUND_MAX], shape[SHAPE_TEXT_MAX];
    describe_token(cursor->at, cursor->last, found);
    if (!cursor->nested || !bracket)
        return fault_set(fault, 400, "element %zu: %s is wanted, got %s", cursor->index, wanted,
                         found);
    shape_text(tensor, shape);
    return fault_set(fault, 400, "element %zu: %s is wanted by shape %s, got %s", cursor->index,
                     wanted, shape, found);
}

/* ---- the walk ---- */

static bool take(struct cursor *cursor, char byte, struct fault *fault)
{
    cursor->at = skip_space(cursor->at);
    if (*cursor->at != byte) {
        const char wanted[] = {'\'', byte, '\'', '\0'};
        return fail(cursor, wanted, fault);
    }
    cursor->at++;
    return true;
}

static bool stop(struct cursor *cursor, const char *at, size_t index, const char *wanted,
                 struct fault *fault)
{
    cursor->at = at;
    cursor->index = index;
    return fail(cursor, wanted, fault);
}

/* Reads count numbers with commas between them. */
__attribute__((always_inline)) static inline bool read_run(struct cursor *cursor, size_t count,
                                                           read_number *read, struct fault *fault)
{
    const char *at = cursor->at;
    const size_t end = cursor->index + count;
    for (size_t i = cursor->index; i < end; i++) {
        if (i > cursor->index) {
            at = skip_space(at);
            if (*at != ',')
                return stop(cursor, at, i, "','", fault);
            at++;
        }
        at = skip_space(at);
        const char *after = read(cursor, at, i);
        if (after == NULL)
            return stop(cursor, at, i, cursor->wanted, fault);
        at = after;
    }
    cursor->at = at;
    cursor->index = end;
    return true;
}

/* Reads the arrays of a shape of rank 1 or more, without recursion: done[level] members of the
 * array open at that level have been read. */
__attribute__((always_inline)) static inline bool walk(struct cursor *cursor, const uint64_t *shape,
                                                       size_t rank, read_number *read,
                                                       struct fault *fault)
{
    uint64_t done[RANK_MAX] = {0};
    size_t level = 0;
    if (!take(cursor, '[', fault))
        return false;
    for (;;) {
        if (level + 1 < rank && done[level] < shape[level]) {
            if ((done[level] > 0 && !take(cursor, ',', fault)) || !take(cursor, '[', fault))
                return false;
            done[++level] = 0;
            continue;
        }
        if (level + 1 == rank && !read_run(cursor, shape[level], read, fault))
            return false;
        if (!take(cursor, ']', fault))
            return false;
        if (level == 0)
            break;
        done[--level]++;
    }
    assert(cursor->at == cursor->last + 1);
    return true;
}

__attribute__((always_inline)) static inline bool read_tensor(struct cursor *cursor,
                                                              const struct tensor_text *tensor,
                                                              read_number *read,
                                                              struct fault *fault)
{
    assert(tensor->size >= 2 && tensor->rank <= RANK_MAX);
    cursor->tensor = tensor;
    cursor->at = tensor->text;
    cursor->last = tensor->text + tensor->size - 1;
    cursor->nested = tensor->rank > 1 && *skip_space(tensor->text + 1) == '[';
    const uint64_t flat[] = {tensor->elements};
    return cursor->nested ? walk(cursor, tensor->shape, tensor->rank, read, fault)
                          : walk(cursor, flat, 1, read, fault);
}

/* ---- numbers ---- */

static const char *read_f32(struct cursor *cursor, const char *at, size_t index)
{
    float *out = &cursor->out.f32[index];
    const char *after = float_parse(at, cursor->last, out);
    if (after != NULL && (!isinf(*out) || after[-1] == 'y')) /* the y of the token Infinity */
        return after;
    cursor->wanted = after == NULL ? "a number" : "a number in FP32's range";
    return NULL;
}

bool tensor_text_read_f32(const struct tensor_text *tensor, float *out, struct fault *fault)
{
    struct cursor cursor = {.out.f32 = out};
    return read_tensor(&cursor, tensor, read_f32, fault);
}

/* JSON's integers, and ".000" after them. */
static const char *parse_whole(const char *at, uint64_t *magnitude)
{
    const char *digits = at;
    *magnitude = 0;
    for (; *at >= '0' && *at <= '9'; at++) {
        const unsigned digit = (unsigned)(*at - '0');
        if ((at > digits && *digits == '0') || *magnitude > (UINT64_MAX - digit) / 10)
            return NULL;
        *magnitude = *magnitude * 10 + digit;
    }
    if (at == digits)
        return NULL;
    if (at[0] == '.' && at[1] == '0')
        for (at++; *at == '0'; at++)
            ;
    return is_space(*at) || *at == ',' || *at == ']' ? at : NULL;
}

static const char *read_i64(struct cursor *cursor, const char *at, size_t index)
{
    uint64_t magnitude;
    const bool negative = *at == '-';
    const char *after = parse_whole(at + negative, &magnitude);
    if (after == NULL || magnitude > (uint64_t)INT64_MAX + negative)
        return NULL;
    /* -magnitude without ever holding 2^63 in an int64_t. */
    const int64_t value =
        negative && magnitude > 0 ? -(int64_t)(magnitude - 1) - 1 : (int64_t)magnitude;
    cursor->out.i64[index] = value;
    return value >= cursor->min && value <= cursor->max ? after : NULL;
}

bool tensor_text_read_i64(const struct tensor_text *tensor, int64_t min, int64_t max, int64_t *out,
                          struct fault *fault)
{
    char wanted[80];
    snprintf(wanted, sizeof wanted, "a whole number from %lld to %lld", (long long)min,
             (long long)max);
    struct cursor cursor = {.out.i64 = out, .min = min, .max = max, .wanted = wanted};
    return read_tensor(&cursor, tensor, read_i64, fault);
}

bool tensor_text_has_room(const struct tensor_text *tensor, struct fault *fault)
{
    /* Two brackets, a digit a number and a comma between two. */
    if (tensor->elements == 0 || tensor->elements <= (tensor->size - 1) / 2)
        return true;
    return fail_count(tensor, fault);
}
