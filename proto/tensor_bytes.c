#include "proto/tensor_bytes.h"

#include <string.h>

/* The same bytes in the machine's order: a compiler makes one load of it. */
static inline uint32_t little32(uint32_t word)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return __builtin_bswap32(word);
#else
    return word;
#endif
}

static inline uint64_t little64(uint64_t word)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return __builtin_bswap64(word);
#else
    return word;
#endif
}

uint32_t tensor_bytes_read_u32(const char *bytes)
{
    uint32_t word;
    memcpy(&word, bytes, sizeof word);
    return little32(word);
}

void tensor_bytes_write_u32(char *bytes, uint32_t value)
{
    const uint32_t word = little32(value);
    memcpy(bytes, &word, sizeof word);
}

/* Words of four bytes, from the wire's order to the machine's or back. Copied in one piece, which
 * is several times as quick as word by word. */
static void copy_words(void *out, const void *words, size_t count)
{
    if (count == 0)
        return;
    memcpy(out, words, count * sizeof(uint32_t));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    for (char *at = out; count > 0; count--, at += sizeof(uint32_t)) {
        const uint32_t turned = tensor_bytes_read_u32(at);
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
        out[i] = (int32_t)tensor_bytes_read_u32(bytes + i * sizeof(uint32_t));
}

void tensor_bytes_read_i64(const char *bytes, int64_t *out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t word;
        memcpy(&word, bytes + i * sizeof word, sizeof word);
        out[i] = (int64_t)little64(word);
    }
}

void tensor_bytes_write_f32(char *bytes, const float *values, size_t count)
{
    copy_words(bytes, values, count);
}
