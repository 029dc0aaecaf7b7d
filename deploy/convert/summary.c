#include "deploy/convert/summary.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/excerpt.h"

struct shape_text {
    char text[80];
};

/* "[T,B,7]", "[B,T,7]", with a fixed number of steps "[B,30,7]"; a vector is "[B,7]". */
static struct shape_text output_shape(const struct layer_plan *plan, bool batch_first)
{
    struct shape_text shape;
    char steps[24] = "T";
    if (plan->steps > 0)
        snprintf(steps, sizeof steps, "%zu", plan->steps);
    if (plan->vector)
        snprintf(shape.text, sizeof shape.text, "[B,%zu]", plan->features);
    else
        snprintf(shape.text, sizeof shape.text, "[%s,%s,%zu]", batch_first ? "B" : steps,
                 batch_first ? steps : "B", plan->features);
    return shape;
}

/* "layer  type  output  parameters" */
static void print_line(FILE *out, int width, const char *name, const char *type, const char *shape,
                       const char *parameters)
{
    fprintf(out, "%-*s  %-21s  %-16s %12s\n", width, name, type, shape, parameters);
}

static void print_count(FILE *out, int width, const char *name, const char *type, const char *shape,
                        uint64_t parameters)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, parameters);
    print_line(out, width, name, type, shape, text);
}

static int name_width(const struct network *network)
{
    size_t width = strlen("layer");
    for (size_t i = 0; i < network->layer_count; i++) {
        const size_t size = strlen(excerpt_of(network->layers[i].name).text);
        if (size > width)
            width = size;
    }
    return (int)width;
}

static void print_layers(FILE *out, const struct network *network,
                         const struct rehearsal *rehearsal)
{
    const int width = name_width(network);
    uint64_t total = 0;
    print_line(out, width, "layer", "type", "output", "parameters");
    for (size_t i = 0; i < network->layer_count; i++) {
        const struct network_layer *layer = &network->layers[i];
        const struct layer_plan *plan = &rehearsal->plan.layers[i];
        print_count(out, width, excerpt_of(layer->name).text, layer->type,
                    output_shape(plan, rehearsal->config.batch_first).text, plan->parameters);
        total += plan->parameters;
    }
    print_count(out, width, "total", "", "", total);
    if (network->note != NULL)
        fprintf(out, "%s\n", network->note);
}

bool summary_write(const struct network *network, const struct rehearsal *rehearsal,
                   struct blob *summary, struct fault *fault)
{
    char *text = NULL;
    size_t size = 0;
    assert(rehearsal->plan.layer_count == network->layer_count);
    FILE *out = open_memstream(&text, &size);
    if (out != NULL) {
        print_layers(out, network, rehearsal);
        if (fclose(out) == 0) {
            *summary = (struct blob){.bytes = (unsigned char *)text, .size = size};
            return true;
        }
    }
    free(text);
    return fault_set(fault, 503, "out of memory for the summary");
}
