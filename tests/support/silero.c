#include "tests/support/silero.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/infer_client.h"
#include "tests/support/tensor_file.h"

void silero_open(struct silero *silero)
{
    struct tensor_file file;
    tensor_file_open(&file, SILERO_FOLDER "/io.safetensors");
    const struct safetensors_tensor *probability = safetensors_find(&file.tensors, "probability");
    silero->frames = probability != NULL ? probability->elements : 0;
    silero->probability = tensor_file_f32(&file, "probability");
    silero->input = tensor_file_f32(&file, "input");
    silero->h = tensor_file_f32(&file, "output");
    silero->c = tensor_file_f32(&file, "c_all");
    tensor_file_close(&file);
}

void silero_close(struct silero *silero)
{
    free(silero->input);
    free(silero->h);
    free(silero->c);
    free(silero->probability);
}

/* Copies the answer's tensor of exactly that many elements. */
static bool take(const struct infer_result *result, const char *name, size_t elements, float *out)
{
    const struct infer_result_tensor *tensor = infer_result_find(result, name);
    if (tensor == NULL || tensor->elements != elements) {
        fprintf(stderr, "# no '%s' of %zu elements in the answer\n", name, elements);
        return false;
    }
    memcpy(out, tensor->values, elements * sizeof *out);
    return true;
}

bool silero_stream_send(struct silero_stream *stream, const float *frames, size_t count,
                        float *probability)
{
    static const size_t state_shape[] = {1, 1, SILERO_SIZE};
    const size_t shape[] = {count, 1, SILERO_SIZE};
    struct infer_body body;
    infer_body_begin(&body, NULL);
    infer_body_f32(&body, "input", 3, shape, frames);
    if (stream->started) {
        infer_body_f32(&body, "h_0", 3, state_shape, stream->h);
        infer_body_f32(&body, "c_0", 3, state_shape, stream->c);
    }

    struct infer_result result;
    if (!infer_post(stream->client, stream->model, &body, &result))
        return false;
    stream->started = true;
    const bool good = take(&result, "output", count, probability) &&
                      take(&result, "h_n", SILERO_SIZE, stream->h) &&
                      take(&result, "c_n", SILERO_SIZE, stream->c);
    infer_result_fini(&result);
    return good;
}
