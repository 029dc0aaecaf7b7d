/* Models to do something with: one LSTM, as many units as inputs, all weights zero. It answers
 * zeros, and a state c comes out halved at every step. */
#ifndef TESTS_SUPPORT_ZERO_MODEL_H
#define TESTS_SUPPORT_ZERO_MODEL_H

#include <assert.h>
#include <stdbool.h>

#include "server/served_model.h"

enum { ZERO_MODEL_LAYERS_MAX = 4, ZERO_MODEL_SIZE_MAX = 160 };

/* NULL without memory. model_destroy is due. */
static inline struct model *zero_model_create(size_t size, size_t layers)
{
    static const float zeros[4 * ZERO_MODEL_SIZE_MAX * ZERO_MODEL_SIZE_MAX];
    struct lstm_weights weights[ZERO_MODEL_LAYERS_MAX];
    assert(size <= ZERO_MODEL_SIZE_MAX && layers <= ZERO_MODEL_LAYERS_MAX);
    for (size_t i = 0; i < layers; i++)
        weights[i] = (struct lstm_weights){.weight_ih = zeros, .weight_hh = zeros};
    const struct layer_spec layer = {
        .type = LAYER_LSTM,
        .as.lstm = {
            .input_size = size, .hidden_size = size, .num_layers = layers, .weights = weights}};
    return model_create(&layer, 1, kernel_find("scalar"));
}

/* One of one unit is served, in its lane, which counts there. true: zero_model_drop is due. */
static inline bool zero_model_serve(struct served_model *served, struct lane *lane,
                                    struct model_stats *stats)
{
    const struct model_config config = {0};
    struct fault fault;
    served->model = zero_model_create(1, 1);
    if (served->model == NULL)
        return false;
    served->lane = lane;
    lane_init(lane, served->model, 0, stats);
    return signature_init(&served->signature, served->model, &config, &fault);
}

static inline void zero_model_drop(const struct served_model *served)
{
    lane_fini(served->lane);
    model_destroy(served->model);
}

#endif
