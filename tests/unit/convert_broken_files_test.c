/* Files of weights that are cut, bent or made to harm: refused, whatever is wrong with them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zip.h>

#include "tests/support/convert/convert_file.h"
#include "tests/support/die.h"
#include "tests/support/whole_file.h"

static const char *const files[] = {
    "tests/golden/torch_files/one_storage/model.pt",
    "tests/golden/torch_files/deflated/model.pt",
    "tests/golden/torch_files/legacy_checkpoint/model.pt",
    "tests/golden/torch_files/npz_f2/model.npz",
    "tests/golden/torch_files/npz_f4/model.npz",
    "tests/golden/torch_files/safetensors_half/model.safetensors",
};
#define FILES (sizeof files / sizeof files[0])

/* ---- cut and bent ---- */

static void cut_anywhere_it_is_refused(void **state)
{
    (void)state;
    for (size_t f = 0; f < FILES; f++) {
        size_t size;
        char *bytes = whole_file_read(files[f], &size);
        for (size_t cut = 0; cut < size; cut += 97) {
            struct converted converted;
            struct fault fault = {0};
            if (convert_bytes(bytes, cut, &converted, &fault))
                fail_msg("%s: its first %zu bytes were taken for all %zu", files[f], cut, size);
            assert_true(fault.status == 400 && fault.text[0] != '\0');
        }
        free(bytes);
    }
}

/* A bit may be of no consequence, such as one of a date. */
static void bent_anywhere_it_is_refused_or_still_a_model(void **state)
{
    (void)state;
    for (size_t f = 0; f < FILES; f++) {
        size_t size;
        char *bytes = whole_file_read(files[f], &size);
        for (size_t at = 0; at < size; at++) {
            struct converted converted;
            struct fault fault = {0};
            const char bit = (char)(1 << at % 8);
            bytes[at] ^= bit;
            if (convert_bytes(bytes, size, &converted, &fault))
                converted_fini(&converted);
            else
                assert_true(fault.status != 0 && fault.text[0] != '\0');
            bytes[at] ^= bit;
        }
        free(bytes);
    }
}

/* Zip archives have a checksum of every entry: no other weights than those that were saved. */
static void a_bent_weight_in_an_archive_is_noticed(void **state)
{
    static const char *const archives[] = {"tests/golden/torch_files/one_storage/model.pt",
                                           "tests/golden/torch_files/npz_f4/model.npz"};
    (void)state;
    for (size_t f = 0; f < 2; f++) {
        struct converted whole, bent;
        struct fault fault = {0};
        size_t size, taken = 0;
        char *bytes = whole_file_read(archives[f], &size);
        assert_true(convert_bytes(bytes, size, &whole, &fault));
        for (size_t at = 0; at < size; at += 5) {
            bytes[at] ^= 0x10;
            if (convert_bytes(bytes, size, &bent, &fault)) {
                assert_int_equal(bent.weights.size, whole.weights.size);
                assert_memory_equal(bent.weights.bytes, whole.weights.bytes, whole.weights.size);
                converted_fini(&bent);
                taken++;
            }
            bytes[at] ^= 0x10;
        }
        assert_true(taken < size / 5 / 2);
        converted_fini(&whole);
        free(bytes);
    }
}

/* ---- made to harm ---- */

/* A zip archive of these entries, deflated; the caller's to free. */
struct entry {
    const char *name;
    const void *bytes;
    size_t size;
};

static char *zip_of(const struct entry *entries, size_t count, size_t *size)
{
    zip_source_t *source = zip_source_buffer_create(NULL, 0, 0, NULL);
    zip_t *zip = zip_open_from_source(source, ZIP_TRUNCATE, NULL);
    assert_non_null(zip);
    zip_source_keep(source);
    for (size_t i = 0; i < count; i++) {
        zip_source_t *data = zip_source_buffer(zip, entries[i].bytes, entries[i].size, 0);
        assert_true(zip_file_add(zip, entries[i].name, data, 0) >= 0);
    }
    assert_int_equal(zip_close(zip), 0);
    zip_stat_t stat;
    assert_int_equal(zip_source_stat(source, &stat), 0);
    *size = (size_t)stat.size;
    char *bytes = must_allocate(*size);
    assert_int_equal(zip_source_open(source), 0);
    assert_int_equal(zip_source_read(source, bytes, *size), *size);
    zip_source_close(source);
    zip_source_free(source);
    return bytes;
}

static void assert_refused(const void *bytes, size_t size, const char *because)
{
    struct converted converted;
    struct fault fault = {0};
    assert_false(convert_bytes(bytes, size, &converted, &fault));
    if (strstr(fault.text, because) == NULL)
        fail_msg("'%s' expected, got '%s'", because, fault.text);
}

static void assert_archive_refused(const struct entry *entries, size_t count, const char *because)
{
    size_t size;
    char *bytes = zip_of(entries, count, &size);
    assert_refused(bytes, size, because);
    free(bytes);
}

#define ENTRY(name, text)                                                                          \
    {                                                                                              \
        name, text, sizeof(text) - 1                                                               \
    }

/* A state_dict of one tensor 'weight_ih_l0': its storage has the key and numel, its shape and
 * strides are what stands between. */
#define STORAGE(key_size, key, numel)                                                              \
    "(X\x07\0\0\0storagectorch\nFloatStorage\nX" key_size "\0\0\0" key "X\x03\0\0\0cpu" numel "tQ"
#define TENSOR(storage, offset, shape, strides) TENSOR_WITH(storage, offset, shape, strides, "")
#define TENSOR_WITH(storage, offset, shape, strides, metadata)                                     \
    "\x80\x02}" ENTRY_OF_TENSOR(storage, offset, shape, strides, metadata) "."
/* Put into the dict on the stack. */
#define ENTRY_OF_TENSOR(storage, offset, shape, strides, metadata)                                 \
    "X\x0c\0\0\0weight_ih_l0ctorch._utils\n_rebuild_tensor_v2\n(" storage offset shape strides     \
    "\x89}" metadata "tRs"

static void a_bomb_is_refused_before_it_is_unpacked(void **state)
{
    const size_t size = (size_t)65 << 20;
    char *zeros = must_allocate_zeros(size, 1);
    (void)state;
    assert_archive_refused((const struct entry[]){{"a/data.pkl", zeros, size}}, 1,
                           "'a/data.pkl': at most 67108864 bytes expected, got 68157440");
    assert_archive_refused(
        (const struct entry[]){
            ENTRY("a/data.pkl", TENSOR(STORAGE("\1", "0", "K\x04"), "K\0", "K\x04\x85", "K\1\x85")),
            {"a/data/0", zeros, size}},
        2, "'a/data/0': at most 16 bytes expected, got 68157440");
    free(zeros);
}

/* Writes into the header of the archive's only entry that its bytes are so many; at: which of both
 * numbers, counted from the header's begin. */
#define STORED_AT   20
#define DECLARED_AT 24
static void announce(char *bytes, size_t size, size_t at, uint32_t number)
{
    char *header = memmem(bytes, size, "PK\1\2", 4);
    assert_non_null(header);
    for (size_t i = 0; i < 4; i++)
        header[at + i] = (char)(number >> 8 * i);
}

/* Memory was taken for whatever size an entry declared. */
static void bug_568_no_memory_is_taken_for_what_an_entry_cannot_hold(void **state)
{
    static const struct entry small = ENTRY("w.npy", "not deflated");
    char *zeros = must_allocate_zeros(4096, 1);
    const struct entry deflated = {"w.npy", zeros, 4096};
    const struct entry *const entries[] = {&small, &deflated};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        size_t size;
        char *bytes = zip_of(entries[i], 1, &size);
        announce(bytes, size, DECLARED_AT, 0x60000000);
        assert_refused(bytes, size, "'w.npy': more bytes announced than it can hold");
        announce(bytes, size, STORED_AT, 0x60000000);
        assert_refused(bytes, size, "'w.npy': more bytes announced than it can hold");
        free(bytes);
    }
    free(zeros);
}

static void views_beyond_their_storage_are_refused(void **state)
{
    static const struct {
        struct entry pickle;
        const char *because;
    } cases[] = {
        {ENTRY("a/data.pkl", TENSOR(STORAGE("\1", "0", "K\x04"), "K\1", "K\x04\x85", "K\1\x85")),
         "[4] from element 1 lies outside of its storage of 4"},
        {ENTRY("a/data.pkl", TENSOR(STORAGE("\1", "0", "K\x04"), "K\0", "K\x04\x85", "K\2\x85")),
         "[4] from element 0 lies outside of its storage of 4"},
        {ENTRY("a/data.pkl", TENSOR(STORAGE("\1", "0", "K\x04"), "K\0", "K\x05\x85", "K\0\x85")),
         "[5] repeats the elements of its storage of 4"},
        {ENTRY("a/data.pkl",
               TENSOR(STORAGE("\1", "0", "K\x04"), "J\xff\xff\xff\xff", "K\x04\x85", "K\1\x85")),
         "a size of at least 0 expected"},
        {ENTRY("a/data.pkl",
               TENSOR(STORAGE("\1", "0", "K\x04"), "K\0",
                      "\x8a\x08\0\0\0\0\0\0\0\x40\x8a\x08\0\0\0\0\0\0\0\x40\x86", "K\1K\1\x86")),
         "overflows"},
        {ENTRY("a/data.pkl", TENSOR(STORAGE("\1", "0", "K\x04"), "K\0", "K\1K\1\x86", "K\1\x85")),
         "as many strides as dimensions"},
        {ENTRY("a/data.pkl", TENSOR(STORAGE("\1", "0", "K\x05"), "K\0", "K\x04\x85", "K\1\x85")),
         "its storage has 16 bytes, 20 expected"},
        {ENTRY("a/data.pkl", TENSOR(STORAGE("\1", "0", "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f"),
                                    "K\0", "K\x04\x85", "K\1\x85")),
         "is too large"},
        {ENTRY("a/data.pkl", TENSOR(STORAGE("\1", "1", "K\x04"), "K\0", "K\x04\x85", "K\1\x85")),
         "'a/data/1' is missing"},
    };
    static const char storage[16];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_archive_refused(
            (const struct entry[]){cases[i].pickle, {"a/data/0", storage, sizeof storage}}, 2,
            cases[i].because);
}

#define MARKED(metadata)                                                                           \
    TENSOR_WITH(STORAGE("\1", "0", "K\x04"), "K\0", "K\x04\x85", "K\1\x85", metadata)
#define KEY(size, key) "}X" size "\0\0\0" key "\x88s"

/* The numbers in the file are not those of the tensor: torch._neg_view(x) was taken for x. */
static void bug_430_a_marked_view_is_not_taken_for_its_storage(void **state)
{
    static const struct {
        struct entry pickle;
        const char *because;
    } cases[] = {
        {ENTRY("a/data.pkl", MARKED(KEY("\x03", "neg"))),
         "'weight_ih_l0': a view with the neg bit"},
        {ENTRY("a/data.pkl", MARKED(KEY("\x04", "conj"))),
         "'weight_ih_l0': a view with the conj bit"},
        {ENTRY("a/data.pkl", MARKED(KEY("\x04", "sign"))), "a view with an unknown bit"},
        {ENTRY("a/data.pkl", MARKED("]")), "an argument of another type"},
        /* Nothing is said: then it is as any other. */
        {ENTRY("a/data.pkl", MARKED("}")), "no LSTM found"},
        {ENTRY("a/data.pkl", MARKED("N")), "no LSTM found"},
    };
    static const char storage[16];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_archive_refused(
            (const struct entry[]){cases[i].pickle, {"a/data/0", storage, sizeof storage}}, 2,
            cases[i].because);
}

static void names_are_keys_and_not_paths(void **state)
{
    static const char storage[16];
    (void)state;
    assert_archive_refused(
        (const struct entry[]){
            ENTRY("a/data.pkl", TENSOR(STORAGE("\x13", "../../../etc/passwd", "K\x04"), "K\0",
                                       "K\x04\x85", "K\1\x85")),
            {"a/data/0", storage, sizeof storage}},
        2, "'a/data/../../../etc/passwd' is missing");
}

static void an_object_that_holds_itself_is_refused(void **state)
{
    (void)state;
    /* d["model"] = d */
    assert_archive_refused(
        (const struct entry[]){ENTRY("a/data.pkl", "\x80\x02}q\0X\x05\0\0\0modelh\0s.")}, 1,
        "no state_dict found");
    /* l = [l] */
    assert_archive_refused((const struct entry[]){ENTRY("a/data.pkl", "\x80\x02]q\0h\0a.")}, 1,
                           "a dict of tensors expected");
}

/* A text that grows. */
struct text {
    char *bytes; /* [TEXT_MAX] */
    size_t size;
};
#define TEXT_MAX ((size_t)4 << 20)

static void put(struct text *text, const void *bytes, size_t size)
{
    assert_true(size <= TEXT_MAX - text->size);
    memcpy(text->bytes + text->size, bytes, size);
    text->size += size;
}

/* count entries of the dict on the stack, the remembered value 1 under the key 'k'. */
static void put_entries(struct text *text, size_t count)
{
    put(text, "(", 1);
    for (size_t i = 0; i < count; i++)
        put(text, "h\0h\1", 4);
    put(text, "u", 1);
}

static void assert_pickle_refused(const struct text *text, const char *because)
{
    static const char storage[16];
    assert_archive_refused((const struct entry[]){{"a/data.pkl", text->bytes, text->size},
                                                  {"a/data/0", storage, sizeof storage}},
                           2, because);
    free(text->bytes);
}

/* Walked by whoever reads it, as pickle.h says: each of so many entries is all of them again. */
static void bug_452_dicts_in_dicts_are_not_walked_for_ever(void **state)
{
    static const char begin[] = "\x80\x02X\1\0\0\0kq\0";
    static const char tensor[] =
        ENTRY_OF_TENSOR(STORAGE("\1", "0", "K\x04"), "K\0", "K\x04\x85", "K\1\x85", "");
    (void)state;
    /* d[k] = d, again and again */
    struct text text = {.bytes = must_allocate(TEXT_MAX)};
    put(&text, begin, sizeof begin - 1);
    put(&text, "}q\1", 3);
    put_entries(&text, (size_t)1 << 17);
    put(&text, ".", 1);
    assert_pickle_refused(&text, "a dict of tensors expected, not found in 16777216 steps");
    /* one tensor in each, and 2^15 others: {k: d, k: d...} */
    text = (struct text){.bytes = must_allocate(TEXT_MAX)};
    put(&text, begin, sizeof begin - 1);
    put(&text, "Nq\1}", 4);
    put(&text, tensor, sizeof tensor - 1);
    put_entries(&text, (size_t)1 << 15);
    put(&text, "q\1}", 3);
    put_entries(&text, (size_t)1 << 10);
    put(&text, ".", 1);
    assert_pickle_refused(&text, "a dict of tensors expected, not found in 16777216 steps");
}

static void a_pickle_with_holes_is_refused(void **state)
{
    static const struct {
        struct entry pickle;
        const char *because;
    } cases[] = {
        {ENTRY("a/data.pkl", ""), "a pickle of protocol 2 to 5 expected"},
        {ENTRY("a/data.pkl", "\x80\x02"), "the end came too early"},
        {ENTRY("a/data.pkl", "\x80\x06N."), "protocol 2 to 5"},
        {ENTRY("a/data.pkl", "\x80\x02."), "nothing on the stack"},
        {ENTRY("a/data.pkl", "\x80\x02t."), "no mark on the stack"},
        {ENTRY("a/data.pkl", "\x80\x02K\1(\x85."), "nothing on the stack"},
        {ENTRY("a/data.pkl", "\x80\x02}(Nu."), "a key without a value"},
        {ENTRY("a/data.pkl", "\x80\x02h\0."), "never remembered"},
        {ENTRY("a/data.pkl", "\x80\x02Nr\xff\xff\xff\xff."), "beyond all values"},
        {ENTRY("a/data.pkl", "\x80\x02X\xff\xff\xff\xff"), "the end came too early"},
        {ENTRY("a/data.pkl", "\x80\x02\x8d\xff\xff\xff\xff\xff\xff\xff\xff"),
         "the end came too early"},
        {ENTRY("a/data.pkl", "\x80\x02Na."), "nothing on the stack"},
        {ENTRY("a/data.pkl", "\x80\x02NNa."), "a value of another type"},
        {ENTRY("a/data.pkl", "\x80\x02NNs."), "nothing on the stack"},
        {ENTRY("a/data.pkl", "\x80\x02N)R."), "a value of another type"},
        {ENTRY("a/data.pkl", "\x80\x02"
                             "ctorch._utils\n_rebuild_tensor_v2\n)R."),
         "an argument is missing"},
        {ENTRY("a/data.pkl", "\x80\x02"
                             "ctorch\nFloatStorage\n)R."),
         "a storage that is called"},
        {ENTRY("a/data.pkl", "\x80\x02"
                             "cbuiltins\neval\n."),
         "wants 'builtins.eval'"},
        {ENTRY("a/data.pkl", "\x80\x04\x8c\x05posix\x8c\x06system\x93."), "wants 'posix.system'"},
        {ENTRY("a/data.pkl", "\x80\x02(X\x06\0\0\0moduletQ."), "holds a 'module'"},
        {ENTRY("a/data.pkl", "\x80\x02i"), "opcode 0x69"},
        {ENTRY("a/data.pkl", "\x80\x02\x97"), "opcode 0x97"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_archive_refused(&cases[i].pickle, 1, cases[i].because);
}

/* One list of pairs, made a dict of again and again. */
static void copies_of_copies_end(void **state)
{
    static const char dict[] = "h\0h\1\x85R";
    static const char head[] = "\x80\x02"
                               "ccollections\nOrderedDict\nq\0](";
    static const char pair[] = "NN\x86";
    const size_t pairs = 5000, copies = 4000;
    char *pickle = must_allocate(sizeof head + pairs * sizeof pair + copies * sizeof dict + 16);
    char *at = pickle;
    (void)state;
    memcpy(at, head, sizeof head - 1);
    at += sizeof head - 1;
    for (size_t i = 0; i < pairs; i++, at += sizeof pair - 1)
        memcpy(at, pair, sizeof pair - 1);
    memcpy(at, "eq\1", 3);
    at += 3;
    for (size_t i = 0; i < copies; i++, at += sizeof dict - 1)
        memcpy(at, dict, sizeof dict - 1);
    *at++ = '.';
    assert_archive_refused((const struct entry[]){{"a/data.pkl", pickle, (size_t)(at - pickle)}}, 1,
                           "at most 16777216 items expected");
    free(pickle);
}

static void an_archive_of_something_else_is_refused(void **state)
{
    (void)state;
    assert_archive_refused((const struct entry[]){ENTRY("readme.txt", "hello")}, 1,
                           "none of the formats");
    assert_archive_refused(
        (const struct entry[]){ENTRY("a/data.pkl", "\x80\x02N."), ENTRY("a/byteorder", "big")}, 2,
        "byteorder: little expected");
    assert_refused("", 0, "none of the formats");
    assert_refused("PK\3\4", 4, "it begins like a zip, and is damaged or cut short: zip: ");
}

/* A .npy file of that header and four zero bytes, alone in an archive. */
static void assert_array_refused(const char *header, const char *because)
{
    char file[256] = "\x93NUMPY\1";
    const size_t size = strlen(header);
    assert_true(size < 200);
    file[8] = (char)size;
    memcpy(file + 10, header, size);
    assert_archive_refused((const struct entry[]){{"w.npy", file, 10 + size + 4}}, 1, because);
}

static void an_array_of_another_kind_is_refused(void **state)
{
#define LAYOUT "{'descr':'<f4','fortran_order':False,'shape':"
    (void)state;
    assert_archive_refused((const struct entry[]){ENTRY("w.npy", "\x93NUMPY\4\0\2\0{}......")}, 1,
                           "format 1 to 3");
    assert_archive_refused((const struct entry[]){ENTRY("w.npy", "\x93NUMPY\1\0\xff\0{}......")}, 1,
                           "a header of 255 bytes does not fit");
    assert_array_refused("{}", "descr, fortran_order and shape expected");
    assert_array_refused("{'descr': __import__('os')}", "descr: ");
    assert_array_refused("{'descr': 'O', 'fortran_order': False, 'shape': (1,)}", "got 'O'");
    assert_array_refused("{'descr':'<f4','descr':'<f4','fortran_order':False,'shape':()}",
                         "once each");
    assert_array_refused(LAYOUT "(4,)} ;", "no more");
    assert_array_refused(LAYOUT "(2,-1)}", "shape: whole numbers");
    assert_array_refused(LAYOUT "(2 3)}", "shape: a tuple expected");
    assert_array_refused(LAYOUT "2}", "shape: a tuple expected");
    assert_array_refused(LAYOUT "(1,1,1,1,1,1,1,1,1)}", "at most 8 dimensions");
    assert_array_refused(LAYOUT "(99999999999999999999,)}", "shape: whole numbers");
    assert_array_refused(LAYOUT "(9999999999,9999999999,9999999999)}", "overflows");
    assert_array_refused(LAYOUT "(4,)}", "[4] from element 0 lies outside of its storage of 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_anywhere_it_is_refused),
        cmocka_unit_test(bent_anywhere_it_is_refused_or_still_a_model),
        cmocka_unit_test(a_bent_weight_in_an_archive_is_noticed),
        cmocka_unit_test(a_bomb_is_refused_before_it_is_unpacked),
        cmocka_unit_test(bug_568_no_memory_is_taken_for_what_an_entry_cannot_hold),
        cmocka_unit_test(views_beyond_their_storage_are_refused),
        cmocka_unit_test(bug_430_a_marked_view_is_not_taken_for_its_storage),
        cmocka_unit_test(bug_452_dicts_in_dicts_are_not_walked_for_ever),
        cmocka_unit_test(names_are_keys_and_not_paths),
        cmocka_unit_test(an_object_that_holds_itself_is_refused),
        cmocka_unit_test(a_pickle_with_holes_is_refused),
        cmocka_unit_test(copies_of_copies_end),
        cmocka_unit_test(an_archive_of_something_else_is_refused),
        cmocka_unit_test(an_array_of_another_kind_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
