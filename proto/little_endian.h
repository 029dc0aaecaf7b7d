/* Numbers as files and messages hold them: the lowest byte first, at any address, whatever the
 * machine's own order; floats are IEEE 754's. */
#ifndef PROTO_LITTLE_ENDIAN_H
#define PROTO_LITTLE_ENDIAN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The word whose bytes these are in the machine's order, and back. */
static inline uint32_t little_endian_turn_u32(uint32_t word)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return __builtin_bswap32(word);
#else
    return word;
#endif
}

static inline uint64_t little_endian_turn_u64(uint64_t word)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return __builtin_bswap64(word);
#else
    return word;
#endif
}

static inline uint16_t little_endian_read_u16(const void *bytes)
{
    const unsigned char *b = bytes;
    return (uint16_t)(b[0] | b[1] << 8);
}

/* One load each, not a loop over bytes: numbers of whole files go through these. */
static inline uint32_t little_endian_read_u32(const void *bytes)
{
    uint32_t word;
    memcpy(&word, bytes, sizeof word);
    return little_endian_turn_u32(word);
}

static inline uint64_t little_endian_read_u64(const void *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return little_endian_turn_u64(word);
}

/* A whole number of size bytes, at most 8. */
static inline uint64_t little_endian_read_sized(const void *bytes, size_t size)
{
    const unsigned char *b = bytes;
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++)
        value |= (uint64_t)b[i] << (8 * i);
    return value;
}

static inline float little_endian_read_f32(const void *bytes)
{
    const uint32_t bits = little_endian_read_u32(bytes);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline double little_endian_read_f64(const void *bytes)
{
    const uint64_t bits = little_endian_read_u64(bytes);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline void little_endian_write_u32(void *bytes, uint32_t value)
{
    const uint32_t word = little_endian_turn_u32(value);
    memcpy(bytes, &word, sizeof word);
}

static inline void little_endian_write_u64(void *bytes, uint64_t value)
{
    const uint64_t word = little_endian_turn_u64(value);
    memcpy(bytes, &word, sizeof word);
}

#endif
