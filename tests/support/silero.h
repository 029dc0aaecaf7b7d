/* The recorded run of Silero VAD's decoder (tests/golden/silero): features of 12 s of speech, 32 ms
 * a frame, and what ONNX Runtime answered frame by frame. */
#ifndef TESTS_SUPPORT_SILERO_H
#define TESTS_SUPPORT_SILERO_H

#include <stdbool.h>
#include <stddef.h>

#include "tests/support/http_client.h"

#define SILERO_FOLDER        "tests/golden/silero"
#define SILERO_SIZE          128  /* features of a frame, hidden units */
#define SILERO_BOUND         1e-5 /* what recomputing the features outside the graph costs */
#define SILERO_FRAME_SECONDS 0.032

struct silero {
    size_t frames;
    float *input;       /* [frames,1,128] */
    float *h, *c;       /* [frames,1,128], after each frame */
    float *probability; /* [frames] */
};

void silero_open(struct silero *silero);
void silero_close(struct silero *silero);

/* The config of the whole network, weights being the path as the config writes it. */
#define SILERO_CONFIG(weights)                                                                     \
    "{\"weights\":\"" weights "\",\"batch_first\":false,\"layers\":["                              \
    "{\"type\":\"lstm\",\"weights\":\"decoder.rnn\",\"hidden_size\":128},"                         \
    "{\"type\":\"activation\",\"function\":\"relu\"},"                                             \
    "{\"type\":\"dense\",\"weights\":\"decoder.decoder.2\",\"units\":1,"                           \
    "\"activation\":\"sigmoid\"}]}"

/* A client that keeps the state itself: it sends what the answer before gave it. */
struct silero_stream {
    struct http_client *client;
    const char *model;
    bool started;
    float h[SILERO_SIZE], c[SILERO_SIZE]; /* after the last frame sent */
};

/* frames: [count,1,128], probability: [count]. false when the server did not answer well. */
bool silero_stream_send(struct silero_stream *stream, const float *frames, size_t count,
                        float *probability);

#endif
