/* Which Keras wrote a file: what a name means depends on it. */
#ifndef DEPLOY_CONVERT_KERAS_VERSION_H
#define DEPLOY_CONVERT_KERAS_VERSION_H

#include <stdbool.h>

struct keras_version {
    unsigned major; /* 0: nobody said; TensorFlow.js counts as 2, whose definitions it follows */
    unsigned minor;
    bool tensorflow; /* tf.keras 2, not the Keras 2 that was a package of its own up to 2.3 */
};

/* "2.1.5", "2.2.4-tf", "3.8.0", "tfjs-layers 4.22.0"; major 0 when it is none of these. */
struct keras_version keras_version_parse(const char *text);

#endif
