#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "proto/little_endian.h"

/* At every address modulo 8. */
static void numbers_are_read_at_any_address(void **state)
{
    (void)state;
    for (size_t offset = 0; offset < 8; offset++) {
        char room[16];
        char *bytes = room + offset;
        memcpy(bytes, "\xfe\2\3\4\5\6\7\xff", 8);
        assert_int_equal(little_endian_read_u16(bytes), 0x02fe);
        assert_true(little_endian_read_u32(bytes) == 0x040302fe);
        assert_true(little_endian_read_u64(bytes) == 0xff070605040302fe);
        memcpy(bytes, "\0\0\xa0\xc0", 4);
        assert_true(little_endian_read_f32(bytes) == -5.0f);
        memcpy(bytes, "\0\0\0\0\0\0\x14\xc0", 8);
        assert_true(little_endian_read_f64(bytes) == -5.0);
    }
}

static void numbers_of_any_size_are_read(void **state)
{
    (void)state;
    static const uint64_t expected[] = {
        0,
        0xfe,
        0x02fe,
        0x0302fe,
        0x040302fe,
        0x05040302fe,
        0x0605040302fe,
        0x070605040302fe,
        0xff070605040302fe,
    };
    for (size_t size = 0; size <= 8; size++)
        assert_true(little_endian_read_sized("\xfe\2\3\4\5\6\7\xff", size) == expected[size]);
}

static void what_is_written_is_the_lowest_byte_first(void **state)
{
    (void)state;
    char bytes[16] = {0};
    little_endian_write_u32(bytes + 1, 0xfe000001);
    assert_memory_equal(bytes, "\0\1\0\0\xfe\0", 6);
    little_endian_write_u64(bytes + 3, 0xfe00000003000201);
    assert_memory_equal(bytes + 2, "\0\1\2\0\3\0\0\0\xfe\0", 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_read_at_any_address),
        cmocka_unit_test(numbers_of_any_size_are_read),
        cmocka_unit_test(what_is_written_is_the_lowest_byte_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
