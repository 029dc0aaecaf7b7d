/* Signatures of networks of all sizes, with weights of zeros. Their models live as long as the test
 * program's group, since signatures look at them: destroy_models is its teardown. */
#ifndef TESTS_SUPPORT_ZERO_SIGNATURES_H
#define TESTS_SUPPORT_ZERO_SIGNATURES_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>

#include "proto/signature.h"

static const float zeros[1024];
#define CELL                                                                                       \
    {                                                                                              \
        .weight_ih = zeros, .weight_hh = zeros                                                     \
    }
static const struct lstm_weights cells[] = {CELL, CELL, CELL, CELL, CELL, CELL};

static inline struct layer_spec lstm(size_t input_size, size_t hidden_size, size_t num_layers,
                                     bool bidirectional)
{
    return (struct layer_spec){.type = LAYER_LSTM,
                               .as.lstm = {.input_size = input_size,
                                           .hidden_size = hidden_size,
                                           .num_layers = num_layers,
                                           .bidirectional = bidirectional,
                                           .weights = cells}};
}

static inline struct layer_spec dense(size_t in, size_t out)
{
    return (struct layer_spec){
        .type = LAYER_DENSE, .as.dense = {.in_features = in, .out_features = out, .weight = zeros}};
}

static struct model *models[64];
static size_t model_count;

static inline struct model *keep(struct model *model)
{
    assert(model != NULL && model_count < sizeof models / sizeof models[0]);
    return models[model_count++] = model;
}

static inline int destroy_models(void **state)
{
    (void)state;
    while (model_count > 0)
        model_destroy(models[--model_count]);
    return 0;
}

static inline struct signature signature_for(const struct layer_spec *layers, size_t count,
                                             const struct model_config *config)
{
    struct signature signature;
    struct fault fault = {0};
    struct model *model = keep(model_create(layers, count, kernel_find(NULL)));
    const bool good = signature_init(&signature, model, config, &fault);
    assert(good);
    return signature;
}

static inline struct signature signature_of(const struct layer_spec *layers, size_t count,
                                            bool batch_first)
{
    return signature_for(layers, count, &(struct model_config){.batch_first = batch_first});
}

/* One LSTM 10 -> 7. */
static inline struct signature simple(bool batch_first)
{
    const struct layer_spec layer = lstm(10, 7, 1, false);
    return signature_of(&layer, 1, batch_first);
}

/* 30 numbers as vectors of 8, LSTM 8 -> 4. */
static inline struct signature embedded(bool batch_first)
{
    const struct layer_spec layers[] = {
        {.type = LAYER_EMBEDDING,
         .as.embedding = {.num_embeddings = 30, .embedding_dim = 8, .weight = zeros}},
        lstm(8, 4, 1, false)};
    return signature_of(layers, 2, batch_first);
}

/* Rows of 9 steps, pooled by two, LSTM 3 -> 4. */
static inline struct signature of_nine_steps(void)
{
    const struct layer_spec layers[] = {
        {.type = LAYER_POOL1D,
         .as.pool1d = {.features = 3, .window = {.size = 2, .stride = 2, .dilation = 1}}},
        lstm(3, 4, 1, false)};
    return signature_for(layers, 2, &(struct model_config){.batch_first = true, .steps = 9});
}

#endif
