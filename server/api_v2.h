/* The Open Inference Protocol's doors that need no computing: health, metadata, the list of models;
 * and Triton's model configuration, which is metadata in other words. */
#ifndef SERVER_API_V2_H
#define SERVER_API_V2_H

#include "server/api.h"

bool api_v2_server(struct api_call *call, struct fault *fault);
bool api_v2_live(struct api_call *call, struct fault *fault);
bool api_v2_ready(struct api_call *call, struct fault *fault);
bool api_v2_model_list(struct api_call *call, struct fault *fault);
bool api_v2_model(struct api_call *call, struct fault *fault);
bool api_v2_model_ready(struct api_call *call, struct fault *fault);
bool api_v2_model_config(struct api_call *call, struct fault *fault);

#endif
