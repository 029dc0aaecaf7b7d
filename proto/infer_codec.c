#include "proto/codec.h"

static bool parse(struct message *message, const struct message_bytes *bytes,
                  const struct message_model *model, struct fault *fault)
{
    return infer_request_parse(&message->request, bytes->head.data, bytes->head.size, bytes->tail,
                               bytes->tail_count, model->name, fault);
}

/* What the request says of its answer. */
static void complete(const struct message *message, struct infer_answer *answer)
{
    answer->id = message->request.id;
    for (size_t i = 0; i < answer->output_count; i++)
        answer->outputs[i].form = infer_output_form(&message->request, answer->outputs[i].wanted);
}

static bool plan(struct message *message, struct infer_answer *answer, size_t *scratch,
                 size_t *size)
{
    complete(message, answer);
    *scratch = 0;
    return infer_answer_size(answer, size);
}

static void place(struct message *message, void *memory)
{
    (void)message;
    (void)memory;
}

static void begin(struct message *message)
{
    infer_answer_begin(&message->own.infer);
}

static bool write(struct message *message, struct json_writer *writer, struct infer_answer *answer,
                  size_t limit, size_t *json_size)
{
    complete(message, answer);
    return infer_answer_write(&message->own.infer, writer, answer, limit, json_size);
}

const struct codec infer_codec = {parse, plan, place, begin, write};
