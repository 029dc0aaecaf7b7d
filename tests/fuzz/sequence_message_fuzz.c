/* Whatever the bytes: an import is refused with a reason, or all its numbers are read and, written
 * again, are the same. The model has two cells of one unit, and remembers one float more. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/sequence_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STATE = 5 };

static void init_signature(struct signature *signature)
{
    static const float zeros[8];
    const struct lstm_weights weights[2] = {{.weight_ih = zeros, .weight_hh = zeros},
                                            {.weight_ih = zeros, .weight_hh = zeros}};
    const struct layer_spec layer = {
        .type = LAYER_LSTM,
        .as.lstm = {.input_size = 1, .hidden_size = 1, .num_layers = 2, .weights = weights}};
    struct fault fault;
    struct model *model = model_create(&layer, 1, kernel_find("scalar"));
    assert(model != NULL);
    const bool done = signature_init(signature, model, &(struct model_config){0}, &fault);
    assert(done);
    model_destroy(model);
}

static void check_written(const struct sequence_model *model, const float *states, size_t rows,
                          float *scratch)
{
    const struct sequence_id id = sequence_id_of_number(1);
    struct json_writer writer;
    size_t most;
    const bool fits = sequence_message_size(model, rows, &most);
    assert(fits);
    json_writer_init(&writer);
    sequence_message_write(&writer, model, &id, rows, 0, states, scratch);
    assert(!writer.failed && writer.size <= most);
    json_writer_fini(&writer);
}

static void check(const struct sequence_model *model, const struct sequence_message *message,
                  struct fault *fault)
{
    const size_t count = message->rows * STATE;
    float *states = malloc((count + 1) * sizeof *states);
    float *scratch = malloc((count + 1) * sizeof *scratch);
    assert(states != NULL && scratch != NULL);
    memset(states, 0xff, count * sizeof *states);
    if (sequence_message_read(message, model, states, scratch, fault))
        check_written(model, states, message->rows, scratch);
    else
        assert(fault->status == 400 && fault->text[0] != '\0');
    free(states);
    free(scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct signature signature;
    static struct sequence_message message;
    const struct sequence_model model = {"m", &signature, STATE};
    struct fault fault = {0};
    if (signature.input_count == 0)
        init_signature(&signature);
    char *text = malloc(size + 1);
    assert(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    if (sequence_message_parse(&message, text, size, &model, &fault)) {
        assert(fault.status == 0 && message.rows <= size);
        check(&model, &message, &fault);
    } else {
        assert(fault.status == 400 && fault.text[0] != '\0');
    }
    free(text);
    return 0;
}
