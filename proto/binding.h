/* What a request means to a model: which of its tensors is which of the model's, and how many rows
 * and steps there are. */
#ifndef PROTO_BINDING_H
#define PROTO_BINDING_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/fault.h"
#include "proto/infer_message.h"
#include "proto/signature.h"

/* A request that was held against a signature: every tensor known, of the right type and shape, all
 * of them agreeing on T and B. Pointers go into the request and the signature. */
struct binding {
    size_t steps, rows; /* T, B; either may be 0, which leaves the other unbounded by the body */
    const struct infer_input *input;
    const struct infer_input *lengths;                   /* or NULL */
    const struct infer_input *h_0[SIGNATURE_STATES_MAX]; /* or NULL, each for itself */
    const struct infer_input *c_0[SIGNATURE_STATES_MAX];
    size_t output_count;
    const struct signature_tensor *outputs[INFER_TENSOR_MAX]; /* wanted, in the order asked for */
    size_t output_elements; /* floats in all wanted outputs together */
};

/* model_name is for the texts. Texts follow Triton's where it has one: "inference input 'x'
 * data-type is 'FP64', but model 'm' expects 'FP32'", "unexpected shape for input 'x' for model
 * 'm'. Expected [-1,-1,10], got [17,2,9]" (for the states and lengths with input's B in place of
 * -1). The values of lengths are not looked at. Status 400. */
bool binding_init(struct binding *binding, const struct signature *signature,
                  const struct infer_request *request, const char *model_name, struct fault *fault);

#endif
