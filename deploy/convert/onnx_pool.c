/* MaxPool and AveragePool: layers max_pool1d and avg_pool1d. */
#include <string.h>

#include "deploy/convert/onnx.pb-c.h"
#include "deploy/convert/onnx_operators.h"
#include "deploy/convert/onnx_window.h"

/* A window that is all outside of the row has no largest number and no mean. */
static bool check_window(const struct onnx_windows *windows)
{
    const struct window *window = &windows->window;
    if (window->pad_left >= window->size || window->pad_right >= window->size)
        return onnx_refuse(windows->call,
                           "pads: fewer than %zu, kernel_shape, expected, got %zu and %zu",
                           window->size, window->pad_left, window->pad_right);
    return window->dilation == 1 ||
           onnx_refuse(windows->call, "dilations: 1 expected, got %zu", window->dilation);
}

/* Of an average what is outside of the row counts in no window of lstmd's. */
bool onnx_pool(struct onnx_call *call)
{
    static const char *const valid[] = {"valid", NULL}, *const all[] = {"valid", "same", "", NULL};
    const bool average = strcmp(call->node->op_type, "AveragePool") == 0;
    struct onnx_windows windows;
    struct onnx_layer layer = {.kind =
                                   average ? ONNX_LAYER_AVERAGE_WINDOWS : ONNX_LAYER_MAX_WINDOWS};
    if (!onnx_windows_begin(&windows, call) || !onnx_windows_read(&windows, 0) ||
        !check_window(&windows) || !onnx_windows_input(&windows))
        return false;
    const bool outside =
        average && (windows.round_up || onnx_int(call, "count_include_pad", 0) != 0);
    return onnx_windows_give(&windows, &layer, outside ? valid : all, windows.value->dims[1]);
}
