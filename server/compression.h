/* Bodies unpacked and packed as they go along, in HTTP's gzip and deflate codings. The only file
 * that knows zlib.
 *
 * Owner: whoever created one; it holds what it needs in the memory budget. */
#ifndef SERVER_COMPRESSION_H
#define SERVER_COMPRESSION_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/fault.h"
#include "server/body.h"
#include "server/budget.h"
#include "server/content_coding.h"

/* ---- unpacking ---- */

struct inflater;

/* coding: not identity. NULL: 413 or 503, as budget_take. */
struct inflater *inflater_create(enum content_coding coding, struct budget *budget,
                                 struct fault *fault);
void inflater_destroy(struct inflater *inflater); /* NULL: nothing happens */

/* Unpacks what has come and appends it to body, piece by piece, so that no more is unpacked than
 * body takes. false: 400 not the coding's format, else what body_append says; the inflater is then
 * spent. */
bool inflater_append(struct inflater *inflater, const char *data, size_t size, struct body *body,
                     struct fault *fault);

/* All has come. false, 400: it was not all. */
bool inflater_finish(const struct inflater *inflater, struct fault *fault);

/* ---- packing ---- */

struct deflater;

/* What is to be packed stays the caller's and must stay as it is. coding: not identity. NULL: there
 * is no memory for it. */
struct deflater *deflater_create(enum content_coding coding, const char *data, size_t size,
                                 struct budget *budget);
void deflater_destroy(struct deflater *deflater); /* NULL: nothing happens */

/* Packs a further piece: half a millisecond's work. */
enum deflater_progress { DEFLATER_MORE, DEFLATER_DONE, DEFLATER_NO_GAIN };
enum deflater_progress deflater_step(struct deflater *deflater);

/* After DEFLATER_DONE, once: the packed bytes are the caller's to free, and so is their charge of
 * the budget: the room they have, of which they may take little. */
void deflater_take(struct deflater *deflater, char **data, size_t *size, size_t *charge);

#endif
