/* The two files of a model put in their place: both or neither, and never a half of one. */
#ifndef DEPLOY_CONVERT_FILE_PAIR_H
#define DEPLOY_CONVERT_FILE_PAIR_H

#include <stdbool.h>

#include "proto/fault.h"

/* Copies two open files, from their beginnings, to FOLDER/NAME.json and FOLDER/NAME.safetensors, in
 * place of what stands there. The folder is made when it is not there (not its parents). */
bool file_pair_write(const char *folder, const char *name, int config, int weights,
                     struct fault *fault);

#endif
