/* Triton's logging extension, as far as there is something to switch: log_verbose_level 1 logs a
 * line for every HTTP request, 0 does not. The other settings can be read, and set to what they
 * are.
 */
#ifndef SERVER_API_LOGGING_H
#define SERVER_API_LOGGING_H

#include "server/api.h"

bool api_logging(struct api_call *call, struct fault *fault);

/* Changes what the body names, all of it or nothing, and answers as api_logging does. 400: the body
 * is not an object of settings; 501: a setting cannot be changed to that. */
bool api_logging_update(struct api_call *call, struct fault *fault);

#endif
