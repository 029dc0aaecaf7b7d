/* The chain of layers as --layers says it: items with commas between them, each a layer's type, the
 * prefix of its weights where it has any, and options.
 *
 *   lstm encoder, last_step, dense fc.0, relu, dropout, dense fc.3 bias=true, softmax
 *
 * Types and options are those of proto/MODEL_CONFIG.md; linear is another name for dense, and any
 * activation's name is a layer of its own. Whether a type has such an option is found out when the
 * model is built. */
#ifndef DEPLOY_CONVERT_CHAIN_H
#define DEPLOY_CONVERT_CHAIN_H

#include <stdbool.h>
#include <stddef.h>

#include "deploy/convert/network.h"
#include "proto/fault.h"

/* Tensors of a type that has them stand under PREFIX with a dot. */
bool chain_type_has_weights(const char *type);

/* Adds the chain's layers, without their tensors. Refused (400), naming the item: an unknown type,
 * a type with weights that names none. */
bool chain_parse(const char *text, struct network *network, struct fault *fault);

#endif
