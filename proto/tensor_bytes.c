#include "proto/tensor_bytes.h"

#include <string.h>

#include "proto/little_endian.h"

/* Words of four bytes, from the wire's order to the machine's or back. Copied in one piece, which
 * is several times as quick as word by word. */
static void copy_words(void *out, const void *words, size_t count)
{
    if (count == 0)
        return;
    memcpy(out, words, count * sizeof(uint32_t));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    for (char *at = out; count > 0; count--, at += sizeof(uint32_t)) {
        const uint32_t turned = little_endian_read_u32(at);
        memcpy(at, &turned, sizeof turned);
    }
#endif
}

void tensor_bytes_read_f32(const char *bytes, float *out, size_t count)
{
    copy_words(out, bytes, count);
}

void tensor_bytes_read_i32(const char *bytes, int64_t *out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = (int32_t)little_endian_read_u32(bytes + i * sizeof(uint32_t));
}

void tensor_bytes_read_i64(const char *bytes, int64_t *out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = (int64_t)little_endian_read_u64(bytes + i * sizeof(uint64_t));
}

void tensor_bytes_write_f32(char *bytes, const float *values, size_t count)
{
    copy_words(bytes, values, count);
}
