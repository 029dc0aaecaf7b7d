/* The Open Inference Protocol's infer message, wire-independent: what a request asks for and what
 * an answer holds. Parsing takes no memory and decodes no tensor: it records where each tensor's
 * bytes stand, so that sizes can be checked and memory taken before numbers are read, once, into
 * their final place. Numbers are read and written in slices, so that whoever does it can turn to
 * something else in between.
 *
 * Request: {"id":s?, "parameters":{}?,
 * "inputs":[{"name","shape","datatype","parameters"?,"data"?}],
 * "outputs":[{"name","parameters"?}]?}. Key order is free, unknown keys are skipped (the protocol
 * lets clients add some), duplicates are refused. A tensor with parameters.binary_data_size has no
 * "data": its bytes, little-endian and row-major, follow the JSON, in the order of the inputs.
 *
 * An answer has the same form: JSON, then the tensors that were wanted binary. */
#ifndef PROTO_INFER_MESSAGE_H
#define PROTO_INFER_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/fault.h"
#include "proto/json_writer.h"
#include "proto/sequence_id.h"
#include "proto/tensor_rows.h"

#define TENSOR_NAME_MAX  128 /* with the NUL */
#define TENSOR_RANK_MAX  8
#define INFER_TENSOR_MAX 32 /* inputs, or outputs, in one message */
#define INFER_ID_MAX     256

enum datatype {
    DATATYPE_FP32,
    DATATYPE_INT32,
    DATATYPE_INT64,
    DATATYPE_BYTES, /* strings: of answers only */
    DATATYPE_OTHER, /* one of the protocol's that no model of ours takes; kept for error texts */
};

/* "FP32"... */
const char *datatype_name(enum datatype datatype);
/* Back: false when the protocol has no datatype of that name. */
bool datatype_from_name(const char *name, enum datatype *datatype);
/* Bytes of one number; 0 for BYTES and OTHER. */
size_t datatype_size(enum datatype datatype);

enum tensor_form {
    TENSOR_JSON,
    TENSOR_BINARY,
    TENSOR_ROWS, /* JSON row by row: inputs of v1 messages only (proto/v1_predict.h) */
};

/* Product of shape[rank], 0 where a dimension is 0 however large the others are; false when it does
 * not fit. */
bool infer_elements(const uint64_t *shape, size_t rank, size_t *elements);

/* ---- requests ---- */

/* One tensor of a request. */
struct infer_input {
    char name[TENSOR_NAME_MAX];
    char datatype_text[16]; /* as the client wrote it */
    enum datatype datatype;
    size_t rank;
    uint64_t shape[TENSOR_RANK_MAX];
    size_t elements; /* product of shape, overflow-checked */
    enum tensor_form form;
    const char *data; /* JSON text "[...]", or the numbers' bytes, anywhere in memory */
    size_t data_size;
    const struct tensor_row *rows; /* TENSOR_ROWS, instead of data: [shape[row_axis]] */
    size_t row_axis;
};

struct infer_output {
    char name[TENSOR_NAME_MAX];
    bool form_given; /* the client chose form for this output */
    enum tensor_form form;
    uint32_t classification; /* so many largest elements as strings; 0: the numbers themselves */
};

/* What the parameters object may say. Unknown parameters are skipped. */
struct infer_parameters {
    struct sequence_id sequence_id;
    bool sequence_start, sequence_end;
    uint64_t priority;       /* 1: highest; 0: default */
    uint64_t timeout_us;     /* 0: none */
    bool binary_data_output; /* outputs without a choice of their own are binary */
    bool stream;             /* answer in parts */
    uint64_t stream_steps;   /* of this many steps each; 0: as many as the server likes */
};

struct infer_request {
    char id[INFER_ID_MAX]; /* empty: none was given */
    struct infer_parameters parameters;
    size_t input_count;
    struct infer_input inputs[INFER_TENSOR_MAX];
    size_t output_count; /* 0: all outputs are wanted */
    struct infer_output outputs[INFER_TENSOR_MAX];
};

/* Bytes behind the JSON: over HTTP one span, over ZeroMQ one a frame. */
struct infer_span {
    const char *data;
    size_t size;
};

/* json and the spans must outlive the request. Each binary tensor takes the next binary_data_size
 * bytes, all of them within one span; a span must be used up before the next one is begun, and all
 * spans must be used, an empty one by a tensor of no bytes. model_name is for the texts. On failure
 * fault has status 400 and a text that names the place ("inputs[1].shape: ...").
 * On success every name is there and given once, and every dimension is below 2^31. An FP32, INT32
 * or INT64 input's data holds its elements: exactly so many bytes of binary data, or a text with
 * room for them, so that elements <= data_size. */
bool infer_request_parse(struct infer_request *request, const char *json, size_t json_size,
                         const struct infer_span *tail, size_t tail_count, const char *model_name,
                         struct fault *fault);

/* A request that is nothing but the bytes of its only input: FP32, INT32 or INT64, of shape[rank].
 * Wants all outputs, binary. false (400) when the span's size is not the shape's. */
bool infer_request_raw(struct infer_request *request, const char *name, enum datatype datatype,
                       const uint64_t *shape, size_t rank, struct infer_span span,
                       const char *model_name, struct fault *fault);

/* A request of nothing: no inputs, all outputs wanted, no parameters. */
void infer_request_clear(struct infer_request *request);

/* How the index-th wanted output is to be answered: of outputs, or, when that is empty, of all. */
enum tensor_form infer_output_form(const struct infer_request *request, size_t index);
uint32_t infer_output_classification(const struct infer_request *request, size_t index);

/* Where the reading of an input's numbers has come to. */
struct infer_cursor {
    size_t index; /* numbers read so far */
    /* private */
    const struct infer_input *input;
    union {
        struct tensor_text_cursor text;
        struct tensor_rows_cursor rows;
    } at;
};

/* input: FP32, INT32 or INT64; must stay as it is while the cursor is used. */
void infer_cursor_init(struct infer_cursor *cursor, const struct infer_input *input);

/* Reads up to limit further numbers, limit > 0, into out[cursor->index...]; out is the tensor's
 * first number. To be called until cursor->index == input->elements, at least once, also when there
 * are none: the call that reads the last number has checked what closes the text. JSON data is flat
 * or nested as the shape says. What a row is shorter than the longest counts as read and is left as
 * it was. A failure's text names the tensor, the element's index and what was
 * wanted; the cursor is then spent.
 * f32: FP32 inputs. In JSON a finite number too large for a float32 is refused; NaN and Infinity
 * tokens are not. */
bool infer_cursor_read_f32(struct infer_cursor *cursor, float *out, size_t limit,
                           struct fault *fault);
/* i64: INT32 and INT64 inputs. In JSON, whole numbers (1.0 counts) in the datatype's range. */
bool infer_cursor_read_i64(struct infer_cursor *cursor, int64_t *out, size_t limit,
                           struct fault *fault);

/* The whole tensor in one go. */
bool infer_input_decode_f32(const struct infer_input *input, float *out, struct fault *fault);
bool infer_input_decode_i64(const struct infer_input *input, int64_t *out, struct fault *fault);

/* ---- answers ---- */

/* One tensor of an answer; borrowed. */
struct infer_answer_tensor {
    const char *name;
    size_t wanted; /* its place among all that are wanted, of which a part has not all */
    size_t rank;
    uint64_t shape[TENSOR_RANK_MAX];
    const float *data;      /* FP32: [product of shape], row-major */
    enum datatype datatype; /* FP32 or BYTES */
    enum tensor_form form;
    /* BYTES: the strings in their binary form, each its length as a little-endian uint32 and then
     * its bytes, UTF-8 (proto/classification.h makes them so). */
    const char *strings;
    size_t strings_size;
    const char *const *labels; /* of the last dimension's elements, for classification; or NULL */
    /* For v1 answers: shape[row_axis] counts the rows, of which row b has row_steps[b] steps; NULL:
     * as many as the shape says. */
    size_t row_axis;
    const int64_t *row_steps;
};

/* Which of the parts that an answer may come in: that of the steps from first_step on. */
struct infer_part {
    bool given; /* false: it is whole */
    uint64_t first_step;
    bool final;
};

struct infer_answer {
    const char *model_name, *model_version;
    const char *id;                        /* NULL or empty: none */
    const struct sequence_id *sequence_id; /* NULL or of kind NONE: not of a sequence */
    uint64_t steps;                        /* of a sequence: done so far, over all its requests */
    struct infer_part part;
    size_t output_count;
    struct infer_answer_tensor outputs[INFER_TENSOR_MAX];
};

/* At most so many bytes has the answer, JSON and binary tensors together. Needs shapes, datatypes,
 * forms and strings_size (or a bound of it), no data. false when the number does not fit. */
bool infer_answer_size(const struct infer_answer *answer, size_t *bytes);

/* Where the writing of an answer has come to. */
struct infer_answer_cursor {
    /* private */
    int stage;
    size_t output;  /* the one being written */
    size_t element; /* of it, or byte */
    size_t json_size;
};

void infer_answer_begin(struct infer_answer_cursor *cursor);

/* Writes up to limit further numbers, limit > 0, and everything around them, into a writer that was
 * empty at first. true when the answer is complete: *json_size bytes of JSON, then the binary
 * tensors in order. Memory failures are the writer's to report; the answer is then complete at
 * once. */
bool infer_answer_write(struct infer_answer_cursor *cursor, struct json_writer *writer,
                        const struct infer_answer *answer, size_t limit, size_t *json_size);

#endif
