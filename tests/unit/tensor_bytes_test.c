#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "proto/tensor_bytes.h"

/* At every address modulo 8. */
static void numbers_are_little_endian_at_any_address(void **state)
{
    (void)state;
    for (size_t offset = 0; offset < 8; offset++) {
        char bytes[40];
        float f32[2];
        int64_t i64[2];
        memcpy(bytes + offset, "\0\0\xa0\xc0\1\0\0\0", 8);
        tensor_bytes_read_f32(bytes + offset, f32, 2);
        assert_true(f32[0] == -5.0f && f32[1] == 0x1p-149f);
        memcpy(bytes + offset, "\x4e\x61\xbc\0\xb2\x9e\x43\xff", 8);
        tensor_bytes_read_i32(bytes + offset, i64, 2);
        assert_true(i64[0] == 12345678 && i64[1] == -12345678);
        memcpy(bytes + offset, "\x15\xcd\x5b\x07\0\0\0\x01\0\0\0\0\0\0\0\x80", 16);
        tensor_bytes_read_i64(bytes + offset, i64, 2);
        assert_true(i64[0] == 0x01000000075bcd15 && i64[1] == INT64_MIN);
    }
}

static void what_is_written_is_read_again(void **state)
{
    (void)state;
    static const float values[] = {1.5f, -0.0f, 3e38f};
    char bytes[16] = {0};
    float back[3];
    tensor_bytes_write_f32(bytes + 1, values, 3);
    assert_memory_equal(bytes, "\0\0\0\xc0\x3f\0\0\0\x80", 9);
    tensor_bytes_read_f32(bytes + 1, back, 3);
    assert_memory_equal(back, values, sizeof values);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_little_endian_at_any_address),
        cmocka_unit_test(what_is_written_is_read_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
