/* The numbers of a tensor in their binary form: little-endian, row-major, nothing between them, at
 * any address. */
#ifndef PROTO_TENSOR_BYTES_H
#define PROTO_TENSOR_BYTES_H

#include <stddef.h>
#include <stdint.h>

void tensor_bytes_read_f32(const char *bytes, float *out, size_t count);
void tensor_bytes_read_i32(const char *bytes, int64_t *out, size_t count); /* sign-extended */
void tensor_bytes_read_i64(const char *bytes, int64_t *out, size_t count);

void tensor_bytes_write_f32(char *bytes, const float *values, size_t count);

#endif
