/* Converting while memory runs out: the first allocation fails, then the second, and so on until
 * one run meets no failure. Each run must end with a clear refusal; that it holds nothing then is
 * the address sanitizer's to see.
 *
 * The linker routes this project's own allocations here (--wrap in the Makefile); libraries' are
 * left alone. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/convert/convert.h"

enum { FILE_MAX = 1 << 20, RUNS_MAX = 2000 };

/* HDF5's own library keeps 72 bytes of every file that it opened in memory. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:H5LTopen_file_image\n";
}

static long countdown = -1; /* allocations that still succeed; negative: all do */
static bool refused;        /* one was refused in this run */

static bool may_allocate(void)
{
    if (countdown < 0)
        return true;
    if (countdown == 0) {
        refused = true;
        return false;
    }
    countdown--;
    return true;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void __real_free(void *block);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void __wrap_free(void *block);

void *__wrap_malloc(size_t size)
{
    return may_allocate() ? __real_malloc(size) : NULL;
}

void *__wrap_calloc(size_t count, size_t size)
{
    return may_allocate() ? __real_calloc(count, size) : NULL;
}

void *__wrap_realloc(void *block, size_t size)
{
    return may_allocate() ? __real_realloc(block, size) : NULL;
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return may_allocate() ? __real_aligned_alloc(alignment, size) : NULL;
}

void __wrap_free(void *block)
{
    __real_free(block);
}

static unsigned char file[FILE_MAX];

static bool convert_file(size_t size, const struct read_options *options, struct fault *fault)
{
    const struct input input = {
        .name = "file", .file = {.bytes = file, .size = size}, .options = *options};
    struct converted converted;
    if (!convert(&input, "model", &converted, fault))
        return false;
    converted_fini(&converted);
    return true;
}

static void fail_each_allocation(const char *path, const char *layers)
{
    const struct read_options options = {.layers = layers};
    FILE *stream = fopen(path, "rb");
    assert_non_null(stream);
    const size_t size = fread(file, 1, sizeof file, stream);
    assert_true(size > 0 && size < sizeof file);
    fclose(stream);
    long failing = 0;
    for (bool done = false; !done; failing++) {
        struct fault fault = {0};
        assert_true(failing < RUNS_MAX);
        countdown = failing;
        refused = false;
        done = convert_file(size, &options, &fault);
        countdown = -1;
        if (done == refused)
            fail_msg("%s: allocation %ld failed, and it was %s: %s", path, failing,
                     done ? "converted" : "refused all the same", fault.text);
        if (!done && fault.status != 503)
            fail_msg("%s: allocation %ld: %d %s", path, failing, fault.status, fault.text);
    }
    assert_true(failing > 10);
}

#define FILES "tests/golden/torch_files/"

static void a_zip_container_is_refused_whole(void **state)
{
    (void)state;
    fail_each_allocation(FILES "checkpoint/model.pt", NULL);
}

static void a_stream_is_refused_whole(void **state)
{
    (void)state;
    fail_each_allocation(FILES "legacy_checkpoint/model.pt", NULL);
}

static void an_npz_is_refused_whole(void **state)
{
    (void)state;
    fail_each_allocation(FILES "npz_f2/model.npz", NULL);
}

static void a_keras_zip_is_refused_whole(void **state)
{
    (void)state;
    fail_each_allocation("tests/golden/keras_files/k3_masking_keras/model.keras", NULL);
}

static void a_chain_is_refused_whole(void **state)
{
    (void)state;
    fail_each_allocation(FILES "head/model.pt",
                         "lstm encoder, linear fc.0, leaky_relu alpha=0.1, linear fc.2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_zip_container_is_refused_whole),
        cmocka_unit_test(a_stream_is_refused_whole),
        cmocka_unit_test(an_npz_is_refused_whole),
        cmocka_unit_test(a_keras_zip_is_refused_whole),
        cmocka_unit_test(a_chain_is_refused_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
