/* TensorFlow Serving's REST API and KServe's v1, which share their paths: status and metadata.
 *
 * GET /v1/models/NAME is another object for each of them; ours is both in one. A label may stand
 * for a version; as every model has one version, the only label is "stable". */
#ifndef SERVER_API_V1_H
#define SERVER_API_V1_H

#include "server/api.h"

bool api_v1_live(struct api_call *call, struct fault *fault);
bool api_v1_status(struct api_call *call, struct fault *fault);
bool api_v1_metadata(struct api_call *call, struct fault *fault);

#endif
