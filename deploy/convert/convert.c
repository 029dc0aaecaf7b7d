#include "deploy/convert/convert.h"

#include <stdlib.h>

#include "deploy/convert/network.h"
#include "deploy/convert/network_write.h"
#include "deploy/convert/reader.h"
#include "deploy/convert/rehearsal.h"

static bool write_all(const struct network *network, const char *name, struct converted *converted,
                      struct fault *fault)
{
    return network_is_whole(network, fault) &&
           network_write_config(network, name, &converted->config, fault) &&
           network_write_weights(network, &converted->weights, fault) &&
           rehearse(network, &converted->config, &converted->weights, &converted->summary, fault);
}

bool convert(const struct input *input, const char *name, struct converted *converted,
             struct fault *fault)
{
    struct network network;
    *converted = (struct converted){0};
    const struct reader *reader = reader_find(input, fault);
    if (reader == NULL || !reader_check_options(reader, input, fault))
        return false;
    network_init(&network);
    const bool done =
        (reader->read(input, &network, fault) || fault_prefix(fault, "%s", reader->format)) &&
        write_all(&network, name, converted, fault);
    network_fini(&network);
    if (!done)
        converted_fini(converted);
    return done;
}

void converted_fini(struct converted *converted)
{
    free(converted->config.bytes);
    free(converted->weights.bytes);
    free(converted->summary.bytes);
    *converted = (struct converted){0};
}
