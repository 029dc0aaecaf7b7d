/* CRC-32C (Castagnoli; RFC 3720, appendix B.4): finds what a disk or a copy has damaged. */
#ifndef PROTO_CRC32C_H
#define PROTO_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Of the bytes that crc is already of, followed by these; crc 0 for none. */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t size);

#endif
