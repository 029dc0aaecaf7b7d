/* Builds the JSON body of an infer request.
 *
 *     struct infer_body body;
 *     infer_body_begin(&body, "id of mine");
 *     infer_body_f32(&body, "input", 3, (const size_t[]){17, 2, 10}, values);
 *     char *json = infer_body_end(&body, &size);
 */
#ifndef TESTS_SUPPORT_INFER_BODY_H
#define TESTS_SUPPORT_INFER_BODY_H

#include <stddef.h>
#include <stdint.h>

#include "proto/json_writer.h"
#include "proto/sequence_id.h"

struct infer_body {
    struct json_writer writer;
};

/* id: NULL for none. */
void infer_body_begin(struct infer_body *body, const char *id);

/* One of a sequence: id NULL for none. */
void infer_body_begin_sequence(struct infer_body *body, const struct sequence_id *id, bool start,
                               bool end);

/* One more input, its data flat. */
void infer_body_f32(struct infer_body *body, const char *name, size_t rank, const size_t *shape,
                    const float *values);
void infer_body_i64(struct infer_body *body, const char *name, size_t rank, const size_t *shape,
                    const int64_t *values);

/* The whole text, NUL-terminated, the caller's to free. */
char *infer_body_end(struct infer_body *body, size_t *size);

#endif
