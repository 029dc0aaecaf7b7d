/* What looks at windows of steps, [B,C,T], or [B,C,1,T] as exporters write one dimension where they
 * have two: convolutions and pools, whose windows must be those of a config's layer. */
#ifndef DEPLOY_CONVERT_ONNX_WINDOW_H
#define DEPLOY_CONVERT_ONNX_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/window.h"
#include "deploy/convert/onnx_call.h"

/* Sizes of windows, strides, pads: at most. */
#define ONNX_REACH_MAX ((size_t)1 << 16)

enum onnx_pads {
    ONNX_PADS,       /* as the window says */
    ONNX_PADS_UPPER, /* of auto_pad, the odd step at the end, */
    ONNX_PADS_LOWER, /* or at the beginning */
};

/* While one node is read. */
struct onnx_windows {
    struct onnx_call *call;
    const struct onnx_value *value;
    size_t axis; /* of its steps */
    struct window window;
    enum onnx_pads pads;
    bool round_up;    /* ceil_mode: a last window that is not full counts */
    bool known_steps; /* the graph is of so many and no other */
    uint32_t before;  /* the source, whole */
    size_t steps;     /* of a row of it */
};

/* Begins with input 0: finds out which of its dimensions is steps. false with a fault. */
bool onnx_windows_begin(struct onnx_windows *windows, struct onnx_call *call);

/* The window that the attributes say, of so many steps where they do not (0: they must). */
bool onnx_windows_read(struct onnx_windows *windows, size_t size);

/* The source of the input, which must be all steps of all rows, none of them past a row's length;
 * its steps. */
bool onnx_windows_input(struct onnx_windows *windows);

/* Adds the layer, of width features, its window in the first of these paddings that is the node's;
 * output 0 becomes what comes out. */
bool onnx_windows_give(const struct onnx_windows *windows, struct onnx_layer *layer,
                       const char *const *paddings, size_t width);

/* The layer's output, laid out as the value is. NULL with a fault. */
const struct onnx_value *onnx_windows_places(const struct onnx_windows *windows,
                                             const struct onnx_layer *layer);

#endif
