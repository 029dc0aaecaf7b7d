/* The Open Inference Protocol's infer message, wire-independent: what a request asks for and what
 * an answer holds. Parsing takes no memory and decodes no tensor: it records where each tensor's
 * bytes stand in the body, so that sizes can be checked and memory taken before numbers are read,
 * once, into their final place.
 *
 * Request: {"id":s?, "parameters":{}?, "inputs":[{"name","shape","datatype","parameters"?,"data"}],
 * "outputs":[{"name","parameters"?}]?}. Key order is free, unknown keys are skipped (the protocol
 * lets clients add some), duplicates are refused. */
#ifndef PROTO_INFER_MESSAGE_H
#define PROTO_INFER_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/fault.h"
#include "proto/json_writer.h"
#include "proto/tensor_text.h"

#define TENSOR_NAME_MAX  128 /* with the NUL */
#define TENSOR_RANK_MAX  8
#define INFER_TENSOR_MAX 32 /* inputs, or outputs, in one message */
#define INFER_ID_MAX     256

enum datatype {
    DATATYPE_FP32,
    DATATYPE_INT32,
    DATATYPE_INT64,
    DATATYPE_OTHER, /* one of the protocol's that no model of ours takes; kept for error texts */
};

/* "FP32"... */
const char *datatype_name(enum datatype datatype);
/* Back: false when the protocol has no datatype of that name. */
bool datatype_from_name(const char *name, enum datatype *datatype);

/* Product of shape[rank], 0 where a dimension is 0 however large the others are; false when it does
 * not fit. */
bool infer_elements(const uint64_t *shape, size_t rank, size_t *elements);

/* One tensor of a request. */
struct infer_input {
    char name[TENSOR_NAME_MAX];
    char datatype_text[16]; /* as the client wrote it */
    enum datatype datatype;
    size_t rank;
    uint64_t shape[TENSOR_RANK_MAX];
    size_t elements;  /* product of shape, overflow-checked */
    const char *data; /* JSON text "[...]" in the body */
    size_t data_size;
};

struct infer_output {
    char name[TENSOR_NAME_MAX];
};

/* What the parameters object may say. Values this server has no use for are skipped. */
struct infer_parameters {
    bool has_sequence; /* sequence_id non-zero and non-empty, or sequence_start / _end true */
};

struct infer_request {
    char id[INFER_ID_MAX]; /* empty: none was given */
    struct infer_parameters parameters;
    size_t input_count;
    struct infer_input inputs[INFER_TENSOR_MAX];
    size_t output_count; /* 0: all outputs are wanted */
    struct infer_output outputs[INFER_TENSOR_MAX];
};

/* body must be followed by one readable NUL byte, body[size] == 0, and outlive the request. On
 * failure fault has status 400 and a text that names the place ("inputs[1].shape: ...").
 * On success every name is there and given once, every dimension is below 2^31, and each input's
 * data has room for its elements, so that elements < size. */
bool infer_request_parse(struct infer_request *request, const char *body, size_t size,
                         struct fault *fault);

/* The input's numbers where they stand. */
struct tensor_text infer_input_text(const struct infer_input *input);

/* Decodes the tensor's numbers, flat or nested as its shape says, into out[elements]. The text of a
 * failure names the tensor, the element's index and what was wanted. A finite number too large for
 * a float32 is refused; NaN and Infinity tokens are not. */
bool infer_input_decode_f32(const struct infer_input *input, float *out, struct fault *fault);
/* Whole numbers (1.0 counts) in int64's range, in int32's for a DATATYPE_INT32 tensor. */
bool infer_input_decode_i64(const struct infer_input *input, int64_t *out, struct fault *fault);

/* One tensor of an answer; borrowed. */
struct infer_answer_tensor {
    const char *name;
    size_t rank;
    uint64_t shape[TENSOR_RANK_MAX];
    const float *data; /* [product of shape], row-major */
};

struct infer_answer {
    const char *model_name, *model_version;
    const char *id; /* NULL or empty: none */
    size_t output_count;
    struct infer_answer_tensor outputs[INFER_TENSOR_MAX];
};

/* Writes the whole response object. Memory failures are the writer's to report. */
void infer_answer_write(struct json_writer *writer, const struct infer_answer *answer);

#endif
