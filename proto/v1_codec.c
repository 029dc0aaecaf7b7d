#include "core/checked.h"
#include "proto/codec.h"

static bool parse(struct message *message, const struct message_bytes *bytes,
                  const struct message_model *model, struct fault *fault)
{
    if (bytes->tail_count != 0)
        return fault_set(fault, 400, "JSON alone is wanted, got binary tensors behind it");
    return v1_request_parse(&message->own.v1.asked, &message->request, bytes->head.data,
                            bytes->head.size, model->signature, fault);
}

static bool plan(struct message *message, struct infer_answer *answer, size_t *scratch,
                 size_t *size)
{
    return checked_mul(message->own.v1.asked.row_count, sizeof(struct tensor_row), scratch) &&
           v1_answer_size(answer, size);
}

static void place(struct message *message, void *memory)
{
    v1_request_index(&message->own.v1.asked, &message->request, memory);
}

static void begin(struct message *message)
{
    v1_answer_begin(&message->own.v1.answering);
}

static bool write(struct message *message, struct json_writer *writer, struct infer_answer *answer,
                  size_t limit, size_t *json_size)
{
    const bool done = v1_answer_write(&message->own.v1.answering, writer, answer,
                                      message->own.v1.asked.columns, limit);
    *json_size = writer->size;
    return done;
}

const struct codec v1_codec = {parse, plan, place, begin, write};
