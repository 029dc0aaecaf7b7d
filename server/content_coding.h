/* What HTTP's headers say of how bodies are packed, and what of it a client takes. Pure functions
 * over the headers' values. */
#ifndef SERVER_CONTENT_CODING_H
#define SERVER_CONTENT_CODING_H

#include <stdbool.h>
#include <stddef.h>

enum content_coding {
    CODING_IDENTITY, /* as it is */
    CODING_GZIP,
    CODING_DEFLATE, /* which is zlib's format (RFC 9110, 8.4.1.2) */
};

/* For Content-Encoding; "identity"... */
const char *content_coding_name(enum content_coding coding);

/* The value of a Content-Encoding header; an empty one is identity's. false: unknown, or several.
 */
bool content_coding_parse(const char *value, size_t size, enum content_coding *coding);

/* The coding that the value of an Accept-Encoding header prefers, by its q-values; gzip before
 * deflate where it has no preference, and both before identity, unless that is named with more. The
 * wildcard names none of them. */
enum content_coding content_coding_preferred(const char *value, size_t size);

/* Does the value of an Accept header name application/json, and with more than
 * application/octet-stream? */
bool content_coding_prefers_json(const char *value, size_t size);

#endif
