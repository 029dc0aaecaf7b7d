/* The file of a CURVE key pair, in the form that CZMQ and pyzmq write and read:
 * lines of public-key = "..." and secret-key = "...". */
#ifndef SERVER_CURVE_KEYS_H
#define SERVER_CURVE_KEYS_H

#include <stdbool.h>

#include "proto/fault.h"
#include "server/zeromq.h"

/* Writes a new pair to path, which only its owner may read; there must be no such file. public_key:
 * to be given to the other side. The texts of failures start with the path. */
bool curve_keys_make(const char *path, char public_key[ZEROMQ_KEY_TEXT], struct fault *fault);

/* Reads the secret one; false, 400 also when others than owner and group may read the file. */
bool curve_keys_read_secret(const char *path, char secret_key[ZEROMQ_KEY_TEXT],
                            struct fault *fault);

#endif
