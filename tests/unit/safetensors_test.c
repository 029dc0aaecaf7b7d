#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/safetensors.h"
#include "tests/unit/weights_file.h"

/* Two tensors, in the header in the other order than in the data, and padding. */
static const char good_header[] =
    "{\"__metadata__\":{\"format\":\"pt\"},"
    "\"b\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[8,16]},"
    "\"a\":{\"data_offsets\":[0,8],\"shape\":[2,1],\"dtype\":\"F32\"}}   ";

static const unsigned char good_data[16] = {0,    0,    0x80, 0x3f, 0,    0,    0,    0xc0,
                                            0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static struct weights_file good_file(void)
{
    return weights_file_raw(good_header, sizeof good_header - 1, good_data, sizeof good_data);
}

/* Opens a file of that header and data_size bytes, which must fail with that text. */
static void expect_refused(const char *header, size_t header_size, size_t data_size,
                           const char *text)
{
    static const unsigned char zeros[64];
    struct weights_file file = weights_file_raw(header, header_size, zeros, data_size);
    struct safetensors st;
    struct fault fault = {0};
    assert_false(safetensors_init(&st, file.bytes, file.size, &fault));
    assert_string_equal(fault.text, text);
    assert_int_equal(fault.status, 400);
    assert_int_equal(st.count, 0);
    assert_null(st.tensors);
    assert_null(st.by_name);
    weights_file_fini(&file);
}

struct refusal {
    const char *header;
    size_t data_size;
    const char *text;
};

static void expect_all_refused(const struct refusal *refusals, size_t count)
{
    for (size_t i = 0; i < count; i++)
        expect_refused(refusals[i].header, strlen(refusals[i].header), refusals[i].data_size,
                       refusals[i].text);
}

#define EXPECT_ALL_REFUSED(table) expect_all_refused(table, sizeof table / sizeof table[0])

/* ---- good files ---- */

static void a_good_file_is_read(void **state)
{
    (void)state;
    struct weights_file file = good_file();
    struct safetensors st;
    struct fault fault = {0};
    assert_true(safetensors_init(&st, file.bytes, file.size, &fault));
    assert_int_equal(st.count, 2);
    const struct safetensors_tensor *a = &st.tensors[0], *b = &st.tensors[1];
    assert_string_equal(a->name, "a");
    assert_int_equal(a->dtype, SAFETENSORS_F32);
    assert_string_equal(a->dtype_name, "F32");
    assert_int_equal(a->rank, 2);
    assert_int_equal(a->shape[0], 2);
    assert_int_equal(a->shape[1], 1);
    assert_int_equal(a->elements, 2);
    assert_int_equal(a->size, 8);
    assert_ptr_equal(a->bytes, file.bytes + file.size - 16);
    assert_string_equal(b->name, "b");
    assert_int_equal(b->dtype, SAFETENSORS_I64);
    assert_int_equal(b->elements, 1);
    assert_ptr_equal(b->bytes, file.bytes + file.size - 8);
    safetensors_fini(&st);
    weights_file_fini(&file);
}

static void tensors_are_found_by_name(void **state)
{
    (void)state;
    struct weights_file file = good_file();
    struct safetensors st;
    struct fault fault = {0};
    assert_true(safetensors_init(&st, file.bytes, file.size, &fault));
    assert_ptr_equal(safetensors_find(&st, "a"), &st.tensors[0]);
    assert_ptr_equal(safetensors_find(&st, "b"), &st.tensors[1]);
    assert_null(safetensors_find(&st, "A"));
    assert_null(safetensors_find(&st, ""));
    assert_null(safetensors_find(&st, "c"));
    assert_null(safetensors_find(&st, "__metadata__"));
    safetensors_fini(&st);
    weights_file_fini(&file);
}

static void a_file_without_tensors_is_read(void **state)
{
    (void)state;
    struct weights_file file = weights_file_raw("{}", 2, NULL, 0);
    struct safetensors st;
    struct fault fault = {0};
    assert_true(safetensors_init(&st, file.bytes, file.size, &fault));
    assert_int_equal(st.count, 0);
    assert_null(safetensors_find(&st, "a"));
    safetensors_fini(&st);
    weights_file_fini(&file);
}

static void empty_tensors_and_scalars_have_their_place(void **state)
{
    (void)state;
    static const char header[] =
        "{\"end\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[4,4]},"
        "\"scalar\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]},"
        "\"begin\":{\"dtype\":\"F32\",\"shape\":[0,18446744073709551615],\"data_offsets\":[0,0]}}";
    struct weights_file file = weights_file_raw(header, strlen(header), "\0\0\0\x40", 4);
    struct safetensors st;
    struct fault fault = {0};
    float value = 0;
    assert_true(safetensors_init(&st, file.bytes, file.size, &fault));
    assert_string_equal(st.tensors[0].name, "begin");
    assert_string_equal(st.tensors[1].name, "scalar");
    assert_string_equal(st.tensors[2].name, "end");
    assert_int_equal(st.tensors[1].elements, 1);
    assert_true(safetensors_read_f32(&st.tensors[0], NULL, &fault));
    assert_true(safetensors_read_f32(&st.tensors[1], &value, &fault));
    assert_true(value == 2.0f);
    safetensors_fini(&st);
    weights_file_fini(&file);
}

static void all_dtypes_of_the_format_are_known(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        unsigned bits;
        enum safetensors_dtype dtype;
    } dtypes[] = {
        {"F64", 64, SAFETENSORS_F64},          {"F32", 32, SAFETENSORS_F32},
        {"F16", 16, SAFETENSORS_F16},          {"BF16", 16, SAFETENSORS_BF16},
        {"I64", 64, SAFETENSORS_I64},          {"I32", 32, SAFETENSORS_I32},
        {"I16", 16, SAFETENSORS_OTHER},        {"I8", 8, SAFETENSORS_OTHER},
        {"U64", 64, SAFETENSORS_OTHER},        {"U32", 32, SAFETENSORS_OTHER},
        {"U16", 16, SAFETENSORS_OTHER},        {"U8", 8, SAFETENSORS_OTHER},
        {"BOOL", 8, SAFETENSORS_OTHER},        {"C64", 64, SAFETENSORS_OTHER},
        {"F8_E5M2", 8, SAFETENSORS_OTHER},     {"F8_E4M3", 8, SAFETENSORS_OTHER},
        {"F8_E8M0", 8, SAFETENSORS_OTHER},     {"F8_E5M2FNUZ", 8, SAFETENSORS_OTHER},
        {"F8_E4M3FNUZ", 8, SAFETENSORS_OTHER}, {"F6_E2M3", 6, SAFETENSORS_OTHER},
        {"F6_E3M2", 6, SAFETENSORS_OTHER},     {"F4", 4, SAFETENSORS_OTHER},
    };
    static const unsigned char zeros[64];
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++) {
        char header[128];
        const size_t size = 8 * dtypes[i].bits / 8;
        const int length =
            snprintf(header, sizeof header,
                     "{\"t\":{\"dtype\":\"%s\",\"shape\":[8],\"data_offsets\":[0,%zu]}}",
                     dtypes[i].name, size);
        struct weights_file file = weights_file_raw(header, (size_t)length, zeros, size);
        struct safetensors st;
        struct fault fault = {0};
        assert_true(safetensors_init(&st, file.bytes, file.size, &fault));
        assert_int_equal(st.tensors[0].dtype, dtypes[i].dtype);
        assert_string_equal(st.tensors[0].dtype_name, dtypes[i].name);
        assert_int_equal(st.tensors[0].size, size);
        safetensors_fini(&st);
        weights_file_fini(&file);
    }
}

static void thousands_of_tensors_are_read_and_found(void **state)
{
    (void)state;
    char *header = malloc(SAFETENSORS_HEADER_MAX);
    assert_non_null(header);
    size_t used = 0;
    for (unsigned i = 0; i < SAFETENSORS_TENSORS_MAX; i++) /* names in no order */
        used +=
            (size_t)snprintf(header + used, SAFETENSORS_HEADER_MAX - used,
                             "%c\"t%u\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[%u,%u]}",
                             i == 0 ? '{' : ',', i * 2654435761u, i, i + 1);
    header[used++] = '}';
    unsigned char *data = calloc(1, SAFETENSORS_TENSORS_MAX);
    assert_non_null(data);
    struct weights_file file = weights_file_raw(header, used, data, SAFETENSORS_TENSORS_MAX);
    struct safetensors st;
    struct fault fault = {0};
    assert_true(safetensors_init(&st, file.bytes, file.size, &fault));
    assert_int_equal(st.count, SAFETENSORS_TENSORS_MAX);
    for (size_t i = 0; i < st.count; i++)
        assert_ptr_equal(safetensors_find(&st, st.tensors[i].name), &st.tensors[i]);
    safetensors_fini(&st);
    weights_file_fini(&file);
    free(data);
    free(header);
}

/* ---- bad files ---- */

static void a_file_cut_at_any_byte_is_refused(void **state)
{
    (void)state;
    struct weights_file file = good_file();
    for (size_t size = 0; size < file.size; size++) {
        unsigned char *cut = malloc(size > 0 ? size : 1);
        struct safetensors st;
        struct fault fault = {0};
        assert_non_null(cut);
        memcpy(cut, file.bytes, size);
        assert_false(safetensors_init(&st, cut, size, &fault));
        assert_int_equal(fault.status, 400);
        assert_true(fault.text[0] != '\0');
        free(cut);
    }
    weights_file_fini(&file);
}

static void a_header_shortened_to_any_length_is_refused(void **state)
{
    (void)state;
    /* What was cut off becomes data, so that only the header can be wrong. */
    const size_t padding = 3;
    struct weights_file file = good_file();
    for (size_t size = 0; size < sizeof good_header - 1 - padding; size++) {
        struct safetensors st;
        struct fault fault = {0};
        file.bytes[0] = (unsigned char)size;
        assert_false(safetensors_init(&st, file.bytes, file.size, &fault));
        assert_int_equal(fault.status, 400);
    }
    weights_file_fini(&file);
}

static void the_length_must_fit_the_file_and_the_cap(void **state)
{
    (void)state;
    struct safetensors st;
    struct fault fault = {0};
    unsigned char file[16] = {3, 0, 0, 0, 0, 0, 0, 0, '{', '}'};
    assert_false(safetensors_init(&st, file, 7, &fault));
    assert_string_equal(fault.text, "a safetensors file of at least 8 bytes expected, got 7");
    assert_false(safetensors_init(&st, file, 10, &fault));
    assert_string_equal(fault.text, "header of 3 bytes does not fit the file of 10");
    memcpy(file, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
    assert_false(safetensors_init(&st, file, 10, &fault));
    assert_string_equal(fault.text, "a safetensors header of at most 1048576 bytes expected, got "
                                    "18446744073709551615");
    memcpy(file, "\x01\x00\x10\x00\x00\x00\x00\x00", 8);
    assert_false(safetensors_init(&st, file, 10, &fault));
    assert_string_equal(fault.text,
                        "a safetensors header of at most 1048576 bytes expected, got 1048577");
}

static void what_a_framework_saved_is_told_to_be_that(void **state)
{
    static const struct {
        unsigned char file[8];
        const char *what;
    } cases[] = {
        {"PK\3\4\0\0\10\10", "a zip archive, as PyTorch, Keras and NumPy write"},
        {"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras writes"},
        {"\x80\2\x8a\nl\xfc\x9c\x46", "a pickle, as PyTorch wrote"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct safetensors st;
        struct fault fault = {0};
        char wanted[160];
        snprintf(wanted, sizeof wanted,
                 "a safetensors file expected, got %s: lstm-convert makes a model of it",
                 cases[i].what);
        assert_false(safetensors_init(&st, cases[i].file, sizeof cases[i].file, &fault));
        assert_string_equal(fault.text, wanted);
    }
    /* 640 bytes of header begin as a pickle does. */
    struct safetensors st;
    struct fault fault = {0};
    assert_false(safetensors_init(&st, "\x80\2\0\0\0\0\0\0", 8, &fault));
    assert_string_equal(fault.text, "header of 640 bytes does not fit the file of 8");
}

static void a_header_that_is_not_json_is_refused(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {"", 0, "header does not begin with '{'"},
        {" {}", 0, "header does not begin with '{'"},
        {"[]", 0, "header does not begin with '{'"},
        {"\xef\xbb\xbf{}", 0, "header does not begin with '{'"},
        {"{", 0, "a key in quotes is wanted, got the end at byte 1"},
        {"{}x", 0, "nothing after the value is wanted, got 'x' at byte 2"},
        {"{}{}", 0, "nothing after the value is wanted, got '{' at byte 2"},
        {"{\"a\xff\":{}}", 0, "valid UTF-8 is wanted, got byte 0xff at byte 3"},
        {"{\"a\n\":{}}", 0,
         "an escape instead of a control character is wanted, got byte 0x0a at "
         "byte 3"},
    };
    EXPECT_ALL_REFUSED(refusals);
    expect_refused("{}\0", 3, 0, "nothing after the value is wanted, got byte 0x00 at byte 2");
}

#define T(members) "{\"t\":{" members "}}"

static void a_tensor_must_say_dtype_shape_and_offsets_and_nothing_else(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {"{\"t\":5}", 0, "tensor 't': an object is wanted, got a number at byte 5"},
        {T(""), 0, "tensor 't': dtype expected at byte 7"},
        {T("\"dtype\":\"F32\",\"data_offsets\":[0,4]"), 4, "tensor 't': shape expected at byte 41"},
        {T("\"dtype\":\"F32\",\"shape\":[1]"), 4, "tensor 't': data_offsets expected at byte 32"},
        {T("\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":1"), 4,
         "tensor 't': key 'x' is unknown at byte 57"},
        {T("\"dtype\":\"F32\",\"dtype\":\"F32\""), 4, "tensor 't': dtype given twice at byte 28"},
        {T("\"shape\":[1],\"shape\":[1]"), 4, "tensor 't': shape given twice at byte 26"},
        {T("\"data_offsets\":[0,4],\"data_offsets\":[0,4]"), 4,
         "tensor 't': data_offsets given twice at byte 42"},
        {T("\"Dtype\":\"F32\""), 4, "tensor 't': key 'Dtype' is unknown at byte 14"},
        {T("\"dtype\":\"F128\""), 4, "tensor 't': dtype 'F128' is unknown at byte 20"},
        {T("\"dtype\":\"f32\""), 4, "tensor 't': dtype 'f32' is unknown at byte 19"},
        {T("\"dtype\":32"), 4, "tensor 't': a string is wanted, got a number at byte 14"},
        {T("\"shape\":4"), 4, "tensor 't': an array is wanted, got a number at byte 14"},
        {T("\"data_offsets\":[0]"), 4, "tensor 't': two data_offsets expected at byte 24"},
        {T("\"data_offsets\":[0,4,4]"), 4,
         "tensor 't': two data_offsets expected, got more at byte 26"},
        {T("\"shape\":[1,1,1,1,1,1,1,1,1]"), 4,
         "tensor 't': at most 8 dimensions expected at byte 31"},
    };
    EXPECT_ALL_REFUSED(refusals);
}

static void sizes_must_be_whole_and_fit(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {T("\"shape\":[-1]"), 4,
         "tensor 't': a whole number from 0 to 2^64-1 is wanted, got -1 at byte 15"},
        {T("\"shape\":[1.0]"), 4,
         "tensor 't': a whole number from 0 to 2^64-1 is wanted, got 1.0 at byte 15"},
        {T("\"shape\":[1e0]"), 4,
         "tensor 't': a whole number from 0 to 2^64-1 is wanted, got 1e0 at byte 15"},
        {T("\"shape\":[18446744073709551616]"), 4,
         "tensor 't': a whole number from 0 to 2^64-1 is wanted, got 18446744073709551616 at byte "
         "15"},
        {T("\"shape\":[\"1\"]"), 4, "tensor 't': a number is wanted, got a string at byte 15"},
        {T("\"shape\":[9223372036854775808,2]"), 4,
         "tensor 't': shape has too many elements at byte 36"},
        {T("\"shape\":[4294967296,4294967296]"), 4,
         "tensor 't': shape has too many elements at byte 36"},
        {T("\"shape\":[4294967296,4294967296,0]"), 4,
         "tensor 't': shape has too many elements at byte 36"},
        {T("\"dtype\":\"F32\",\"shape\":[4611686018427387905],\"data_offsets\":[0,4]"), 4,
         "tensor 't': F32 [4611686018427387905] does not fill data_offsets [0,4]"},
        {T("\"dtype\":\"F64\",\"shape\":[288230376151711745],\"data_offsets\":[0,8]"), 8,
         "tensor 't': F64 [288230376151711745] does not fill data_offsets [0,8]"},
    };
    EXPECT_ALL_REFUSED(refusals);
}

static void bytes_must_be_dtype_times_shape(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {T("\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,20]"), 20,
         "tensor 't': F32 [2,3] does not fill data_offsets [0,20]"},
        {T("\"dtype\":\"F16\",\"shape\":[2,3],\"data_offsets\":[0,24]"), 24,
         "tensor 't': F16 [2,3] does not fill data_offsets [0,24]"},
        {T("\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,0]"), 0,
         "tensor 't': U8 [] does not fill data_offsets [0,0]"},
        {T("\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,1]"), 1,
         "tensor 't': F4 [3] does not fill data_offsets [0,1]"},
        {T("\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]"), 4,
         "tensor 't': data_offsets [4,0] are not in order within 4 bytes"},
        {T("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]"), 4,
         "tensor 't': data_offsets [0,8] are not in order within 4 bytes"},
        {T("\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[18446744073709551612,"
           "18446744073709551615]"),
         4,
         "tensor 't': data_offsets [18446744073709551612,18446744073709551615] are not in order "
         "within 4 bytes"},
    };
    EXPECT_ALL_REFUSED(refusals);
}

#define U8(name, begin, end)                                                                       \
    "\"" name "\":{\"dtype\":\"U8\",\"shape\":[" #end "],\"data_offsets\":[" #begin "," #end "]}"
#define U8_AT(name, size, begin, end)                                                              \
    "\"" name "\":{\"dtype\":\"U8\",\"shape\":[" #size "],\"data_offsets\":[" #begin "," #end "]}"

static void tensors_must_tile_the_data(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {"{" U8_AT("a", 4, 0, 4) "," U8_AT("b", 4, 5, 9) "}", 9,
         "tensor 'b': to begin at 4 expected, got 5: a gap"},
        {"{" U8_AT("b", 4, 5, 9) "," U8_AT("a", 4, 0, 4) "}", 9,
         "tensor 'b': to begin at 4 expected, got 5: a gap"},
        {"{" U8_AT("a", 4, 0, 4) "," U8_AT("b", 4, 3, 7) "}", 7,
         "tensor 'b': to begin at 4 expected, got 3: an overlap"},
        {"{" U8("a", 0, 4) "," U8("b", 0, 4) "}", 4,
         "tensor 'b': to begin at 4 expected, got 0: an overlap"},
        {"{" U8("a", 0, 8) "," U8_AT("b", 0, 4, 4) "}", 8,
         "tensor 'b': to begin at 8 expected, got 4: an overlap"},
        {"{" U8_AT("a", 4, 1, 5) "}", 5, "tensor 'a': to begin at 0 expected, got 1: a gap"},
        {"{" U8("a", 0, 4) "}", 5, "4 bytes of tensors expected behind the header, got 5"},
        {"{}", 1, "0 bytes of tensors expected behind the header, got 1"},
    };
    EXPECT_ALL_REFUSED(refusals);
}

static void no_name_may_come_twice(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {"{" U8("a", 0, 4) "," U8_AT("b", 1, 4, 5) "," U8_AT("a", 2, 5, 7) "}", 7,
         "tensor 'a': given twice"},
        {"{" U8("a", 0, 4) "," U8_AT("\\u0061", 2, 4, 6) "}", 6, "tensor 'a': given twice"},
        {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, "__metadata__ given twice at byte 34"},
    };
    EXPECT_ALL_REFUSED(refusals);
}

static void metadata_must_be_strings(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {"{\"__metadata__\":5}", 0, "an object is wanted, got a number at byte 16"},
        {"{\"__metadata__\":{\"a\":5}}", 0, "__metadata__: a string expected at byte 21"},
        {"{\"__metadata__\":{\"a\":{}}}", 0, "__metadata__: a string expected at byte 21"},
    };
    EXPECT_ALL_REFUSED(refusals);
}

static void names_and_counts_are_bounded(void **state)
{
    (void)state;
    char header[512];
    char name[SAFETENSORS_NAME_MAX + 1];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    snprintf(header, sizeof header, "{\"%s\":{}}", name);
    expect_refused(header, strlen(header), 0,
                   "a string of at most 255 bytes is wanted, got more at byte 258");
    char *many = malloc(SAFETENSORS_HEADER_MAX);
    assert_non_null(many);
    size_t used = 0;
    for (unsigned i = 0; i <= SAFETENSORS_TENSORS_MAX; i++)
        used += (size_t)snprintf(many + used, SAFETENSORS_HEADER_MAX - used,
                                 "%c\"%u\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}",
                                 i == 0 ? '{' : ',', i);
    many[used++] = '}';
    expect_refused(many, used, 0, "at most 4096 tensors expected");
    free(many);
}

static void a_name_in_an_error_is_made_harmless(void **state)
{
    (void)state;
    static const char header[] = "{\"a\\u001b[31m\\n\":{}}";
    expect_refused(header, strlen(header), 0, "tensor 'a?[31m?': dtype expected at byte 19");
}

/* ---- values ---- */

/* A tensor of those bytes, as if read from a file; at an odd address. */
static struct safetensors_tensor tensor_of(enum safetensors_dtype dtype, const char *dtype_name,
                                           const void *bytes, size_t size, size_t elements)
{
    static unsigned char storage[65];
    assert_true(size < sizeof storage);
    memcpy(storage + 1, bytes, size);
    return (struct safetensors_tensor){.name = "weight_ih_l0",
                                       .dtype = dtype,
                                       .dtype_name = dtype_name,
                                       .rank = 1,
                                       .shape = {elements},
                                       .elements = elements,
                                       .size = size,
                                       .bytes = storage + 1};
}

static void floats_of_every_width_are_converted(void **state)
{
    (void)state;
    const double f64[] = {1.0, -0.1, 1e-60, 1.0 + 0x1p-24, 1.0 + 0x3p-24};
    const float f32[] = {1.0f, -0.1f, 0x1p-149f, -0.0f};
    const uint16_t f16[] = {0x3c00, 0xc000, 0x0001};
    const uint16_t bf16[] = {0x3f80, 0xc2f7, 0x0001};
    struct fault fault = {0};
    float out[5];
    struct safetensors_tensor t = tensor_of(SAFETENSORS_F64, "F64", f64, sizeof f64, 5);
    assert_true(safetensors_read_f32(&t, out, &fault));
    const float rounded[] = {1.0f, -0.1f, 0.0f, 1.0f, 1.0f + 0x2p-23f};
    assert_memory_equal(out, rounded, sizeof rounded);
    t = tensor_of(SAFETENSORS_F32, "F32", f32, sizeof f32, 4);
    assert_true(safetensors_read_f32(&t, out, &fault));
    assert_memory_equal(out, f32, sizeof f32);
    t = tensor_of(SAFETENSORS_F16, "F16", f16, sizeof f16, 3);
    assert_true(safetensors_read_f32(&t, out, &fault));
    assert_true(out[0] == 1.0f && out[1] == -2.0f && out[2] == 0x1p-24f);
    t = tensor_of(SAFETENSORS_BF16, "BF16", bf16, sizeof bf16, 3);
    assert_true(safetensors_read_f32(&t, out, &fault));
    assert_true(out[0] == 1.0f && out[1] == -123.5f && out[2] == 0x1p-133f);
}

static void values_that_are_not_finite_are_refused(void **state)
{
    (void)state;
    const double f64[] = {0, 0, 1e39};
    const double largest[] = {(double)3.4028234e38f, 3.4028235677973366e38};
    const float f32[] = {0, NAN};
    const uint16_t f16[] = {0, 0, 0, 0xfc00};
    const uint16_t bf16[] = {0x7fc1};
    struct fault fault = {0};
    float out[4];
    struct safetensors_tensor t = tensor_of(SAFETENSORS_F64, "F64", f64, sizeof f64, 3);
    assert_false(safetensors_read_f32(&t, out, &fault));
    assert_string_equal(fault.text, "tensor 'weight_ih_l0': element 2 is not a finite float32");
    assert_int_equal(fault.status, 400);
    t = tensor_of(SAFETENSORS_F64, "F64", largest, sizeof largest, 2);
    assert_false(safetensors_read_f32(&t, out, &fault));
    assert_string_equal(fault.text, "tensor 'weight_ih_l0': element 1 is not a finite float32");
    t = tensor_of(SAFETENSORS_F32, "F32", f32, sizeof f32, 2);
    assert_false(safetensors_read_f32(&t, out, &fault));
    assert_string_equal(fault.text, "tensor 'weight_ih_l0': element 1 is not a finite float32");
    t = tensor_of(SAFETENSORS_F16, "F16", f16, sizeof f16, 4);
    assert_false(safetensors_read_f32(&t, out, &fault));
    assert_string_equal(fault.text, "tensor 'weight_ih_l0': element 3 is not a finite float32");
    t = tensor_of(SAFETENSORS_BF16, "BF16", bf16, sizeof bf16, 1);
    assert_false(safetensors_read_f32(&t, out, &fault));
    assert_string_equal(fault.text, "tensor 'weight_ih_l0': element 0 is not a finite float32");
}

static void other_dtypes_are_refused_as_numbers(void **state)
{
    (void)state;
    struct fault fault = {0};
    float f32[2];
    const int64_t i64[2] = {1, 2};
    struct safetensors_tensor t = tensor_of(SAFETENSORS_OTHER, "F8_E5M2", "ab", 2, 2);
    assert_false(safetensors_read_f32(&t, f32, &fault));
    assert_string_equal(fault.text,
                        "tensor 'weight_ih_l0': F32, F16, BF16 or F64 expected, got F8_E5M2");
    t = tensor_of(SAFETENSORS_I64, "I64", i64, 16, 2);
    assert_false(safetensors_read_f32(&t, f32, &fault));
    assert_string_equal(fault.text,
                        "tensor 'weight_ih_l0': F32, F16, BF16 or F64 expected, got I64");
}

static void shapes_are_written_as_text(void **state)
{
    (void)state;
    char text[SAFETENSORS_SHAPE_TEXT_MAX], small[6];
    struct safetensors_tensor t = {.rank = 2, .shape = {512, 128}};
    safetensors_shape_text(&t, text, sizeof text);
    assert_string_equal(text, "[512,128]");
    safetensors_shape_text(&t, small, sizeof small);
    assert_string_equal(small, "[512,");
    t.rank = 0;
    safetensors_shape_text(&t, text, sizeof text);
    assert_string_equal(text, "[]");
    t.rank = SAFETENSORS_RANK_MAX;
    for (size_t i = 0; i < SAFETENSORS_RANK_MAX; i++)
        t.shape[i] = SIZE_MAX;
    safetensors_shape_text(&t, text, sizeof text);
    assert_int_equal(strlen(text), SAFETENSORS_RANK_MAX * 21 + 1);
    assert_int_equal(text[strlen(text) - 1], ']');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_file_is_read),
        cmocka_unit_test(tensors_are_found_by_name),
        cmocka_unit_test(a_file_without_tensors_is_read),
        cmocka_unit_test(empty_tensors_and_scalars_have_their_place),
        cmocka_unit_test(all_dtypes_of_the_format_are_known),
        cmocka_unit_test(thousands_of_tensors_are_read_and_found),
        cmocka_unit_test(a_file_cut_at_any_byte_is_refused),
        cmocka_unit_test(a_header_shortened_to_any_length_is_refused),
        cmocka_unit_test(the_length_must_fit_the_file_and_the_cap),
        cmocka_unit_test(what_a_framework_saved_is_told_to_be_that),
        cmocka_unit_test(a_header_that_is_not_json_is_refused),
        cmocka_unit_test(a_tensor_must_say_dtype_shape_and_offsets_and_nothing_else),
        cmocka_unit_test(sizes_must_be_whole_and_fit),
        cmocka_unit_test(bytes_must_be_dtype_times_shape),
        cmocka_unit_test(tensors_must_tile_the_data),
        cmocka_unit_test(no_name_may_come_twice),
        cmocka_unit_test(metadata_must_be_strings),
        cmocka_unit_test(names_and_counts_are_bounded),
        cmocka_unit_test(a_name_in_an_error_is_made_harmless),
        cmocka_unit_test(floats_of_every_width_are_converted),
        cmocka_unit_test(values_that_are_not_finite_are_refused),
        cmocka_unit_test(other_dtypes_are_refused_as_numbers),
        cmocka_unit_test(shapes_are_written_as_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
