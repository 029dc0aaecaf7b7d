#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "proto/crc32c.h"
#include "proto/sequence_snapshot.h"
#include "tests/support/zero_model.h"

enum { FILE_MAX = 4096, STATE = 2 * (3 + 3) };

/* Two layers of three units: a state of 12 floats. */
static struct model *make_model(size_t hidden, size_t layers)
{
    struct model *model = zero_model_create(hidden, layers);
    assert_non_null(model);
    return model;
}

struct file {
    size_t size;
    size_t limit; /* bytes it takes */
    char bytes[FILE_MAX];
};

static bool append(void *context, const char *bytes, size_t size)
{
    struct file *file = context;
    if (size > file->limit - file->size)
        return false;
    memcpy(file->bytes + file->size, bytes, size);
    file->size += size;
    return true;
}

static const float numbers[2 * STATE] = {1.5f, -0.0f, INFINITY, 1e-45f, 3.4028235e38f, 5};

static struct sequence_id text_id(const char *text)
{
    struct sequence_id id;
    assert_true(sequence_id_of_text(text, &id));
    return id;
}

/* A model with two sequences, and one without any. */
static bool write_file(struct file *file, size_t limit)
{
    struct model *model = make_model(3, 2), *other = make_model(2, 1);
    struct sequence_snapshot_writer writer = {.write = append, .context = file};
    const struct sequence_id number = sequence_id_of_number(UINT64_MAX), text = text_id("\u00e9t");
    file->size = 0;
    file->limit = limit;
    sequence_snapshot_begin(&writer);
    sequence_snapshot_begin_model(&writer, "one", model);
    sequence_snapshot_write(&writer, &number, 2, 77, numbers, 2 * STATE);
    sequence_snapshot_write(&writer, &text, 0, 0, numbers, 0);
    sequence_snapshot_end_model(&writer);
    sequence_snapshot_begin_model(&writer, "two", other);
    sequence_snapshot_end_model(&writer);
    model_destroy(model);
    model_destroy(other);
    return sequence_snapshot_end(&writer);
}

/* The file, its checksum made right, up to its end or the first fault. */
static bool read_file(const char *bytes, size_t size, struct fault *fault)
{
    struct sequence_snapshot_reader reader;
    struct sequence_snapshot_model model;
    struct sequence_snapshot_sequence sequence;
    if (!sequence_snapshot_open(&reader, bytes, size, fault))
        return false;
    enum sequence_snapshot_next next;
    while ((next = sequence_snapshot_next_model(&reader, &model, fault)) == SNAPSHOT_ITEM) {
        do
            next = sequence_snapshot_next_sequence(&reader, &sequence, fault);
        while (next == SNAPSHOT_ITEM);
        if (next == SNAPSHOT_BAD)
            return false;
    }
    return next == SNAPSHOT_END;
}

static void seal(struct file *file)
{
    const uint32_t crc = crc32c(0, file->bytes, file->size - 4);
    for (size_t i = 0; i < 4; i++)
        file->bytes[file->size - 4 + i] = (char)(crc >> 8 * i);
}

static void what_was_written_is_read(void **state)
{
    (void)state;
    struct file file;
    struct fault fault;
    struct sequence_snapshot_reader reader;
    struct sequence_snapshot_model model;
    struct sequence_snapshot_sequence sequence;
    assert_true(write_file(&file, FILE_MAX));
    assert_true(sequence_snapshot_open(&reader, file.bytes, file.size, &fault));
    assert_int_equal(sequence_snapshot_next_model(&reader, &model, &fault), SNAPSHOT_ITEM);
    assert_string_equal(model.name, "one");
    assert_int_equal(model.state_size, STATE);
    assert_int_equal(sequence_snapshot_next_sequence(&reader, &sequence, &fault), SNAPSHOT_ITEM);
    assert_int_equal(sequence.id.number, UINT64_MAX);
    assert_int_equal(sequence.rows, 2);
    assert_int_equal(sequence.steps, 77);
    assert_int_equal(sequence.elements, 2 * STATE);
    assert_memory_equal(sequence.state, numbers, sizeof numbers); /* on little-endian machines */
    assert_int_equal(sequence_snapshot_next_sequence(&reader, &sequence, &fault), SNAPSHOT_ITEM);
    assert_string_equal(sequence.id.text, "\u00e9t");
    assert_int_equal(sequence.elements, 0);
    assert_int_equal(sequence_snapshot_next_sequence(&reader, &sequence, &fault), SNAPSHOT_END);
    assert_int_equal(sequence_snapshot_next_model(&reader, &model, &fault), SNAPSHOT_ITEM);
    assert_string_equal(model.name, "two");
    assert_int_equal(sequence_snapshot_next_sequence(&reader, &sequence, &fault), SNAPSHOT_END);
    assert_int_equal(sequence_snapshot_next_model(&reader, &model, &fault), SNAPSHOT_END);
}

static void the_layout_is_what_the_header_says(void **state)
{
    (void)state;
    static const unsigned char wanted[] = {
        'l', 's', 't',  'm',  'd', 's', 'e', 'q', 1,   0, 0, 0, /**/
        3,   'o', 'n',  'e',  12,  0,   0,   0,   0,   0, 0, 0, /**/
        1,   0,   0,    0,    2,   0,   0,   0,                 /* */
        3,   0,   0,    0,    3,   0,   0,   0,                 /* */
        1,   255, 255,  255,  255, 255, 255, 255, 255,          /* */
        2,   0,   0,    0,    0,   0,   0,   0,                 /* */
        77,  0,   0,    0,    0,   0,   0,   0,                 /* */
        0,   0,   0xc0, 0x3f, 0,   0,   0,   0x80};
    struct file file;
    assert_true(write_file(&file, FILE_MAX));
    assert_memory_equal(file.bytes, wanted, sizeof wanted);
}

static void a_model_fits_by_every_size(void **state)
{
    (void)state;
    struct file file;
    struct fault fault;
    struct sequence_snapshot_reader reader;
    struct sequence_snapshot_model found;
    struct model *same = make_model(3, 2), *wider = make_model(4, 2), *flat = make_model(6, 1);
    assert_true(write_file(&file, FILE_MAX));
    assert_true(sequence_snapshot_open(&reader, file.bytes, file.size, &fault));
    assert_int_equal(sequence_snapshot_next_model(&reader, &found, &fault), SNAPSHOT_ITEM);
    assert_true(sequence_snapshot_fits(&found, same));
    assert_false(sequence_snapshot_fits(&found, wider));
    assert_int_equal(model_state_size(flat), STATE); /* of the same size, but other cells */
    assert_false(sequence_snapshot_fits(&found, flat));
    model_destroy(same);
    model_destroy(wider);
    model_destroy(flat);
}

static void a_damaged_file_is_refused(void **state)
{
    (void)state;
    struct file file;
    struct fault fault;
    assert_true(write_file(&file, FILE_MAX));
    for (size_t i = 0; i < file.size; i++) {
        file.bytes[i] ^= 0x10;
        assert_false(read_file(file.bytes, file.size, &fault));
        assert_int_equal(fault.status, 400);
        file.bytes[i] ^= 0x10;
    }
    assert_true(read_file(file.bytes, file.size, &fault));
}

/* With a right checksum behind it. */
static void a_file_cut_anywhere_is_refused(void **state)
{
    (void)state;
    struct file file;
    struct fault fault;
    assert_true(write_file(&file, FILE_MAX));
    for (size_t cut = 1; cut < file.size; cut++) {
        struct file short_file = file;
        short_file.size -= cut;
        if (short_file.size >= 4)
            seal(&short_file);
        /* On the heap at its exact size, so that sanitizers see a read past the end. */
        char *exact = malloc(short_file.size);
        assert_non_null(exact);
        memcpy(exact, short_file.bytes, short_file.size);
        assert_false(read_file(exact, short_file.size, &fault));
        assert_int_equal(fault.status, 400);
        free(exact);
    }
}

static void bad_content_is_refused(void **state)
{
    (void)state;
    enum { MODEL = 12, KIND = MODEL + 28, NUMBER = KIND + 1, ROWS = NUMBER + 8 };
    static const struct {
        size_t at;
        char byte;
        const char *text;
    } cases[] = {
        {0, 'L', "not a file"}, {8, 2, "version"},         {MODEL + 1, '/', "name"},
        {MODEL + 2, 0, "name"}, {MODEL + 15, 1, "middle"}, {KIND, 3, "kind"},
        {ROWS, 3, "goes on"},   {ROWS + 7, 1, "middle"},
    };
    struct fault fault;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct file file;
        assert_true(write_file(&file, FILE_MAX));
        file.bytes[cases[i].at] = cases[i].byte;
        seal(&file);
        assert_false(read_file(file.bytes, file.size, &fault));
        assert_int_equal(fault.status, 400);
        if (strstr(fault.text, cases[i].text) == NULL)
            fail_msg("case %zu: '%s' expected in '%s'", i, cases[i].text, fault.text);
    }
}

static void write_two(struct file *file, const struct sequence_id *first,
                      const struct sequence_id *second)
{
    struct model *model = make_model(3, 2);
    struct sequence_snapshot_writer writer = {.write = append, .context = file};
    file->size = 0;
    file->limit = FILE_MAX;
    sequence_snapshot_begin(&writer);
    sequence_snapshot_begin_model(&writer, "m", model);
    sequence_snapshot_write(&writer, first, 1, 0, numbers, STATE);
    sequence_snapshot_write(&writer, second, 1, 0, numbers, STATE);
    sequence_snapshot_end_model(&writer);
    assert_true(sequence_snapshot_end(&writer));
    model_destroy(model);
}

static void ids_twice_or_out_of_order_are_refused(void **state)
{
    (void)state;
    const struct sequence_id seven = sequence_id_of_number(7), eight = sequence_id_of_number(8),
                             text = text_id("7");
    struct file file;
    struct fault fault;
    write_two(&file, &seven, &eight);
    assert_true(read_file(file.bytes, file.size, &fault));
    write_two(&file, &seven, &text);
    assert_true(read_file(file.bytes, file.size, &fault));
    write_two(&file, &seven, &seven);
    assert_false(read_file(file.bytes, file.size, &fault));
    write_two(&file, &text, &eight);
    assert_false(read_file(file.bytes, file.size, &fault));
}

static void a_write_that_fails_is_told(void **state)
{
    (void)state;
    struct file file;
    assert_true(write_file(&file, FILE_MAX));
    const size_t whole = file.size;
    for (size_t limit = 0; limit < whole; limit++) {
        assert_false(write_file(&file, limit));
        assert_true(file.size <= limit);
    }
    assert_true(write_file(&file, whole));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read),
        cmocka_unit_test(the_layout_is_what_the_header_says),
        cmocka_unit_test(a_model_fits_by_every_size),
        cmocka_unit_test(a_damaged_file_is_refused),
        cmocka_unit_test(a_file_cut_anywhere_is_refused),
        cmocka_unit_test(bad_content_is_refused),
        cmocka_unit_test(ids_twice_or_out_of_order_are_refused),
        cmocka_unit_test(a_write_that_fails_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
