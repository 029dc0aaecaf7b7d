/* --check: would serving find what it needs, and does what was loaded compute? */
#ifndef SERVER_CHECK_H
#define SERVER_CHECK_H

#include <stdbool.h>
#include <stdio.h>

#include "proto/fault.h"
#include "server/model_table.h"
#include "server/options.h"

/* Reads the tokens and the certificate that serving reads, and drops them. Fails as that does:
 * access_open, tls_open. */
bool check_files(const struct options *options, struct fault *fault);

/* Runs every model once, on zeros, and prints a line about each, then each one's layers. The fault
 * names the model that gave what is not a number, or for which there was no memory. */
bool check_models(const struct model_table *models, FILE *out, struct fault *fault);

#endif
