/* Whatever the frames: the envelope ends with an empty frame or is not there; a header that is
 * refused says why; one that is taken names a model where it must. What the codec takes of a
 * request's frames, the header's reader takes too, but for its own members. An id that was read
 * makes, with any status, an answer that is JSON.
 *
 * Frames: a byte that is the size, then so many bytes (255: all the rest). */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/codec.h"
#include "proto/json_reader.h"
#include "proto/zmq_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FRAMES = 40 };

/* Each frame a copy that ends where its memory ends. */
static size_t cut(const uint8_t *data, size_t size, struct infer_span *frames)
{
    size_t count = 0;
    while (size > 0 && count < FRAMES) {
        const size_t rest = size - 1;
        const size_t wanted = data[0] == 255 || data[0] > rest ? rest : data[0];
        char *copy = malloc(wanted + (wanted == 0));
        assert(copy != NULL);
        memcpy(copy, data + 1, wanted);
        frames[count++] = (struct infer_span){copy, wanted};
        data += 1 + wanted;
        size -= 1 + wanted;
    }
    return count;
}

static void check_answer(const char *id, int status)
{
    static const char error[] = "{\"error\":\"e\"}";
    struct json_reader reader;
    struct fault fault;
    char *body = strdup(error);
    size_t size = sizeof error - 1;
    assert(body != NULL && zmq_answer_complete(&body, &size, status, id));
    json_reader_init(&reader, body, size, &fault);
    assert(json_skip(&reader, NULL, NULL) && json_finish(&reader));
    free(body);
}

static void check_codec(const struct infer_span *frames, size_t count, bool good,
                        const struct fault *fault)
{
    static struct message message;
    static struct message_bytes bytes;
    const struct message_model model = {"m", NULL};
    struct fault ignored;
    if (count - 1 > INFER_TENSOR_MAX)
        return;
    bytes.head = frames[0];
    bytes.tail_count = count - 1;
    memcpy(bytes.tail, frames + 1, (count - 1) * sizeof *frames);
    message.codec = &infer_codec;
    if (!infer_codec.parse(&message, &bytes, &model, &ignored) || good)
        return;
    static const char *const own[] = {"op", "model_name", "model_version"};
    bool found = false;
    for (size_t i = 0; i < 3; i++)
        found = found || strstr(fault->text, own[i]) != NULL;
    assert(found);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct infer_span frames[FRAMES];
    const size_t count = cut(data, size, frames);
    struct zmq_header header;
    struct fault fault = {0};
    if (count > 0) {
        const size_t envelope = zmq_envelope_size(frames, count);
        assert(envelope <= count && (envelope == 0 || frames[envelope - 1].size == 0));
        if (envelope < count) {
            memset(&header, 0xa5, sizeof header);
            const bool good = zmq_header_read(&header, &frames[envelope], &fault);
            assert(good == (fault.status == 0) && (good || fault.status == 400));
            assert(strlen(header.id) < sizeof header.id);
            assert(!good || header.op != ZMQ_INFER || header.model_name[0] != '\0');
            check_codec(frames + envelope, count - envelope, good, &fault);
            check_answer(header.id, good ? 200 : 400);
        }
    }
    for (size_t i = 0; i < count; i++)
        free((void *)(uintptr_t)frames[i].data);
    return 0;
}
