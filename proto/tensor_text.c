#include "proto/tensor_text.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "proto/float_text.h"
#include "proto/json_reader.h"
#include "proto/shape_text.h"

enum {
    RANK_MAX = TENSOR_TEXT_RANK_MAX,
    TOKEN_SHOWN_MAX = 24, /* bytes of a bad number in an error text */
    WANTED_MAX = 80,
    FOUND_MAX = TOKEN_SHOWN_MAX + JSON_DESCRIPTION_MAX,
};

/* One call's slice. No loop asks where the text ends: the bracket at last ends all of them. */
struct slice {
    struct tensor_text_cursor *cursor;
    const char *last;
    size_t limit;       /* numbers that may still be read */
    const char *wanted; /* where a number is read */
    int64_t min, max;   /* of int64s */
    char *wanted_text;  /* [WANTED_MAX], for wanted to point to */
    void *out;          /* the first number's place, moved by the places skipped so far */
    size_t width;       /* bytes of a number there */
    struct fault *fault;
};

/* Reads the number at into out[index]; returns the byte after it, or NULL with slice->wanted set.
 */
typedef const char *read_number(struct slice *slice, const char *at, size_t index);

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

/* Does a number, NaN or Infinity begin so? */
static bool may_begin_number(char c)
{
    return (c >= '0' && c <= '9') || c == '-' || c == 'N' || c == 'I';
}

/* The numbers, or what stands in their places. With odd, up to the first that is no number, and
 * *odd is where that stands. */
static size_t count_elements(const struct tensor_text *tensor, const char **odd)
{
    size_t count = 0;
    bool within = false;
    for (size_t i = 0; i < tensor->size; i++) {
        const char c = tensor->text[i];
        const bool part = !is_space(c) && c != ',' && c != '[' && c != ']';
        if (odd != NULL && part && !within && !may_begin_number(c)) {
            *odd = tensor->text + i;
            break;
        }
        count += part && !within;
        within = part;
    }
    return count;
}

static bool fail_count(const struct tensor_text *tensor, struct fault *fault)
{
    return fault_set(fault, 400, "%zu numbers are wanted by shape %s, got %zu", tensor->elements,
                     shape_text_of(tensor->shape, tensor->rank).text, count_elements(tensor, NULL));
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

static bool is_too_deep_or_flat(const struct tensor_text_cursor *cursor, const char *wanted)
{
    return *cursor->at == '[' ? strcmp(wanted, "','") != 0 : strcmp(wanted, "'['") == 0;
}

/* A flat array of the wrong length is told by its count; all else by the place. */
static bool fail(const struct slice *slice, const char *wanted)
{
    const struct tensor_text_cursor *cursor = slice->cursor;
    const struct tensor_text *tensor = &cursor->tensor;
    struct fault *fault = slice->fault;
    const bool bracket = *cursor->at == '[' || *cursor->at == ']' || *cursor->at == ',';
    const bool ends_wrong =
        cursor->at == cursor->last || *cursor->at == ',' || tensor->elements == 0;
    if (!cursor->nested && ends_wrong && count_elements(tensor, NULL) != tensor->elements)
        return fail_count(tensor, fault);
    const bool choice = !cursor->row && is_too_deep_or_flat(cursor, wanted);
    char found[FOUND_MAX];
    describe_token(cursor->at, cursor->last, found);
    if (!choice && (!cursor->nested || !bracket))
        return fault_set(fault, 400, "element %zu: %s is wanted, got %s", cursor->index, wanted,
                         found);
    return fault_set(fault, 400, "element %zu: %s is wanted by shape %s, got %s%s", cursor->index,
                     wanted, shape_text_of(tensor->shape, tensor->rank).text, found,
                     choice ? "; numbers are given flat, or nested as the shape is" : "");
}

/* ---- the walk ---- */

static bool take(struct slice *slice, char byte)
{
    struct tensor_text_cursor *cursor = slice->cursor;
    cursor->at = skip_space(cursor->at);
    if (*cursor->at != byte) {
        const char wanted[] = {'\'', byte, '\'', '\0'};
        return fail(slice, wanted);
    }
    cursor->at++;
    return true;
}

static bool stop(struct slice *slice, const char *at, size_t index, const char *wanted)
{
    slice->cursor->at = at;
    slice->cursor->index = index;
    return fail(slice, wanted);
}

/* Reads count numbers with commas between them, and one before them unless they are their array's
 * first. */
__attribute__((always_inline)) static inline bool read_run(struct slice *slice, size_t count,
                                                           bool first, read_number *read)
{
    struct tensor_text_cursor *cursor = slice->cursor;
    const char *at = cursor->at;
    const size_t begin = cursor->index, end = begin + count;
    for (size_t i = begin; i < end; i++) {
        if (i > begin || !first) {
            at = skip_space(at);
            if (*at != ',')
                return stop(slice, at, i, "','");
            at++;
        }
        at = skip_space(at);
        const char *after = read(slice, at, i);
        if (after == NULL)
            return stop(slice, at, i, slice->wanted);
        at = after;
    }
    cursor->at = at;
    cursor->index = end;
    return true;
}

/* Leaves that many places free. */
static inline void skip(struct slice *slice, size_t places)
{
    slice->out = (char *)slice->out + places * slice->width;
    slice->cursor->skipped += places;
}

/* Reads on in the arrays of a shape of rank 1 or more, without recursion, until the last one is
 * closed or the next thing would be a number past the limit. */
__attribute__((always_inline)) static inline bool walk(struct slice *slice, const uint64_t *shape,
                                                       size_t rank, read_number *read)
{
    struct tensor_text_cursor *cursor = slice->cursor;
    uint64_t *members = cursor->members;
    for (;;) {
        const size_t level = cursor->level;
        const uint64_t left = shape[level] - members[level];
        if (level + 1 < rank && left > 0) {
            if ((members[level] > 0 && !take(slice, ',')) || !take(slice, '['))
                return false;
            members[++cursor->level] = 0;
            if (cursor->level + 1 == rank && cursor->index > 0)
                skip(slice, cursor->gap);
            continue;
        }
        if (left > 0) {
            const size_t count = left < slice->limit ? left : slice->limit;
            if (!read_run(slice, count, members[level] == 0, read))
                return false;
            members[level] += count;
            slice->limit -= count;
            if (count < left)
                return true;
        }
        if (!take(slice, ']'))
            return false;
        if (level == 0)
            break;
        members[--cursor->level]++;
    }
    assert(cursor->at == slice->last + 1);
    cursor->done = true;
    return true;
}

/* A number without brackets: what follows it has been checked. */
__attribute__((always_inline)) static inline bool read_bare(struct slice *slice, read_number *read)
{
    slice->cursor->done = read_run(slice, 1, true, read);
    return slice->cursor->done;
}

__attribute__((always_inline)) static inline bool read_slice(struct slice *slice, read_number *read)
{
    struct tensor_text_cursor *cursor = slice->cursor;
    const struct tensor_text *tensor = &cursor->tensor;
    assert(slice->limit > 0 && !cursor->done);
    if (cursor->nested && tensor->rank == 0)
        return read_bare(slice, read);
    if (cursor->at == tensor->text && !take(slice, '['))
        return false;
    const uint64_t flat[] = {tensor->elements};
    return cursor->nested ? walk(slice, tensor->shape, tensor->rank, read)
                          : walk(slice, flat, 1, read);
}

void tensor_text_begin(struct tensor_text_cursor *cursor, const struct tensor_text *tensor)
{
    assert(tensor->size >= 2 && tensor->rank <= RANK_MAX);
    *cursor = (struct tensor_text_cursor){
        .tensor = *tensor,
        .at = tensor->text,
        .last = tensor->text + tensor->size - 1,
        .nested = tensor->rank > 1 && *skip_space(tensor->text + 1) == '[',
    };
}

void tensor_text_begin_row(struct tensor_text_cursor *cursor, const struct tensor_text *tensor,
                           size_t gap)
{
    assert(tensor->size >= 1 && tensor->rank <= RANK_MAX);
    const size_t bracket = tensor->rank != 0;
    *cursor = (struct tensor_text_cursor){
        .tensor = *tensor,
        .at = tensor->text,
        .last = tensor->text + tensor->size - bracket,
        .nested = true,
        .row = true,
        .gap = gap,
    };
}

/* ---- numbers ---- */

static const char *read_f32(struct slice *slice, const char *at, size_t index)
{
    float *out = (float *)slice->out + index;
    const char *after = float_parse(at, slice->last, out);
    if (after != NULL && (!isinf(*out) || after[-1] == 'y')) /* the y of the token Infinity */
        return after;
    slice->wanted = after == NULL ? "a number" : "a number in FP32's range";
    return NULL;
}

bool tensor_text_read_f32(struct tensor_text_cursor *cursor, float *out, size_t limit,
                          struct fault *fault)
{
    struct slice slice = {.cursor = cursor,
                          .last = cursor->last,
                          .limit = limit,
                          .out = out + cursor->skipped,
                          .width = sizeof *out,
                          .fault = fault};
    return read_slice(&slice, read_f32);
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
    return is_space(*at) || *at == ',' || *at == ']' || *at == '}' ? at : NULL;
}

static const char *want_i64(struct slice *slice)
{
    snprintf(slice->wanted_text, WANTED_MAX, "a whole number from %lld to %lld",
             (long long)slice->min, (long long)slice->max);
    slice->wanted = slice->wanted_text;
    return NULL;
}

static const char *read_i64(struct slice *slice, const char *at, size_t index)
{
    uint64_t magnitude;
    const bool negative = *at == '-';
    const char *after = parse_whole(at + negative, &magnitude);
    if (after == NULL || magnitude > (uint64_t)INT64_MAX + negative)
        return want_i64(slice);
    /* -magnitude without ever holding 2^63 in an int64_t. */
    const int64_t value =
        negative && magnitude > 0 ? -(int64_t)(magnitude - 1) - 1 : (int64_t)magnitude;
    ((int64_t *)slice->out)[index] = value;
    return value >= slice->min && value <= slice->max ? after : want_i64(slice);
}

bool tensor_text_read_i64(struct tensor_text_cursor *cursor, int64_t min, int64_t max, int64_t *out,
                          size_t limit, struct fault *fault)
{
    char wanted[WANTED_MAX];
    struct slice slice = {.cursor = cursor,
                          .last = cursor->last,
                          .limit = limit,
                          .min = min,
                          .max = max,
                          .wanted_text = wanted,
                          .out = out + cursor->skipped,
                          .width = sizeof *out,
                          .fault = fault};
    return read_slice(&slice, read_i64);
}

bool tensor_text_has_room(const struct tensor_text *tensor, struct fault *fault)
{
    /* Two brackets, a digit a number and a comma between two. */
    if (tensor->elements == 0 || tensor->elements <= (tensor->size - 1) / 2)
        return true;
    const char *odd = NULL;
    const size_t index = count_elements(tensor, &odd);
    if (odd == NULL)
        return fail_count(tensor, fault);
    char found[FOUND_MAX];
    describe_token(odd, tensor->text + tensor->size - 1, found);
    return fault_set(fault, 400, "element %zu: a number is wanted, got %s", index, found);
}
