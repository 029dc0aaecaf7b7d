#include "proto/binding.h"

#include <string.h>

#include "core/checked.h"
#include "proto/excerpt.h"
#include "proto/shape_text.h"

/* While a request is bound. */
struct binder {
    const struct signature *signature;
    const struct infer_request *request;
    const char *model;
    struct binding *binding;
    struct fault *fault;
};

/* Where the binding keeps the input of that tensor. */
static const struct infer_input **input_slot(struct binding *binding,
                                             const struct signature_tensor *tensor)
{
    switch (tensor->role) {
    case ROLE_H:
        return &binding->h_0[tensor->state];
    case ROLE_C:
        return &binding->c_0[tensor->state];
    case ROLE_LENGTHS:
        return &binding->lengths;
    default:
        return &binding->input;
    }
}

static bool check_datatype(const struct binder *b, const struct infer_input *input,
                           const struct signature_tensor *tensor)
{
    const bool whole = tensor->datatype == DATATYPE_INT64;
    if (input->datatype == tensor->datatype || (whole && input->datatype == DATATYPE_INT32))
        return true;
    return fault_set(b->fault, 400,
                     "inference input '%s' data-type is '%s', but model '%s' expects '%s'%s",
                     input->name, input->datatype_text, b->model, datatype_name(tensor->datatype),
                     whole ? " or 'INT32'" : "");
}

static bool bind_names(const struct binder *b)
{
    const struct signature *s = b->signature;
    for (size_t i = 0; i < b->request->input_count; i++) {
        const struct infer_input *input = &b->request->inputs[i];
        const struct signature_tensor *tensor = signature_input(s, input->name);
        if (tensor == NULL)
            return fault_set(b->fault, 400, "unexpected inference input '%s' for model '%s'",
                             input->name, b->model);
        const struct infer_input **slot = input_slot(b->binding, tensor);
        if (*slot != NULL)
            return fault_set(b->fault, 400, "inference input '%s' given twice for model '%s'",
                             input->name, b->model);
        if (!check_datatype(b, input, tensor))
            return false;
        *slot = input;
    }
    return true;
}

static bool check_needed(const struct binder *b)
{
    const struct binding *binding = b->binding;
    if (binding->input == NULL)
        return fault_set(b->fault, 400, "missing inference input '%s' for model '%s'",
                         b->signature->inputs[0].name, b->model);
    return true;
}

static bool fail_shape(const struct binder *b, const struct infer_input *input,
                       const int64_t *wanted, size_t rank)
{
    return fault_set(b->fault, 400,
                     "unexpected shape for input '%s' for model '%s'. Expected %s, got %s",
                     input->name, b->model, shape_text_of_wanted(wanted, rank).text,
                     shape_text_of(input->shape, input->rank).text);
}

/* shape[rank], where -1 stands for any size, against the input's. */
static bool check_shape(const struct binder *b, const struct infer_input *input,
                        const int64_t *wanted, size_t rank)
{
    bool good = input->rank == rank;
    for (size_t i = 0; good && i < rank; i++)
        good = input->shape[i] <= SIZE_MAX / 2 &&
               (wanted[i] == -1 || (uint64_t)wanted[i] == input->shape[i]);
    return good || fail_shape(b, input, wanted, rank);
}

/* The input says T and B; everything else must have the same B. */
static bool check_shapes(const struct binder *b)
{
    struct binding *binding = b->binding;
    for (size_t i = 0; i < b->signature->input_count; i++) {
        const struct signature_tensor *tensor = &b->signature->inputs[i];
        const struct infer_input *input = *input_slot(binding, tensor);
        if (input == NULL)
            continue;
        int64_t wanted[SIGNATURE_RANK_MAX];
        memcpy(wanted, tensor->shape, sizeof wanted);
        if (tensor->role != ROLE_INPUT) /* inputs[0], so that B is known */
            wanted[tensor->rows_axis] = (int64_t)binding->rows;
        if (!check_shape(b, input, wanted, tensor->rank))
            return false;
        if (tensor->role == ROLE_INPUT) {
            binding->steps = (size_t)input->shape[tensor->steps_axis];
            binding->rows = (size_t)input->shape[tensor->rows_axis];
        }
    }
    return true;
}

static bool bind_output(const struct binder *b, const char *name)
{
    const struct signature *s = b->signature;
    struct binding *binding = b->binding;
    const struct signature_tensor *output = signature_output(s, name);
    if (output == NULL)
        return fault_set(b->fault, 400, "unexpected inference output '%s' for model '%s'", name,
                         b->model);
    for (size_t i = 0; i < binding->output_count; i++)
        if (binding->outputs[i] == output)
            return fault_set(b->fault, 400, "inference output '%s' given twice for model '%s'",
                             name, b->model);
    binding->outputs[binding->output_count++] = output;
    return true;
}

static bool bind_outputs(const struct binder *b)
{
    struct binding *binding = b->binding;
    for (size_t i = 0; i < b->request->output_count; i++)
        if (!bind_output(b, b->request->outputs[i].name))
            return false;
    if (b->request->output_count == 0) /* all are wanted */
        for (size_t i = 0; i < b->signature->output_count; i++)
            binding->outputs[binding->output_count++] = &b->signature->outputs[i];
    return true;
}

/* An empty input may claim any number of rows, each of which has states in the answer. */
static bool count_output_elements(const struct binder *b)
{
    struct binding *binding = b->binding;
    for (size_t i = 0; i < binding->output_count; i++) {
        uint64_t shape[SIGNATURE_RANK_MAX];
        size_t elements = 1;
        signature_output_shape(b->signature, binding->outputs[i], binding->steps, binding->rows,
                               shape);
        bool fits = true;
        for (size_t j = 0; j < binding->outputs[i]->rank; j++)
            fits = fits && checked_mul(elements, (size_t)shape[j], &elements);
        if (!fits || !checked_add(binding->output_elements, elements, &binding->output_elements))
            return fault_set(b->fault, 400, "outputs for %zu rows of %zu steps are too large",
                             binding->rows, binding->steps);
    }
    return true;
}

bool binding_init(struct binding *binding, const struct signature *signature,
                  const struct infer_request *request, const char *model_name, struct fault *fault)
{
    const struct binder b = {signature, request, model_name, binding, fault};
    *binding = (struct binding){0};
    return bind_names(&b) && check_needed(&b) && check_shapes(&b) && bind_outputs(&b) &&
           count_output_elements(&b);
}
