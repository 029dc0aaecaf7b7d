/* The files of a server: what it still opens, makes or reads again once it serves. */
#ifndef SERVER_SANDBOX_FILES_H
#define SERVER_SANDBOX_FILES_H

#include "server/model_table.h"
#include "server/sandbox.h"
#include "server/setup.h"

/* Adds them to the plan: where the models are and what those of the table are made of, tokens and
 * certificate, the sequences' file and the sockets'. */
void sandbox_files_allow(struct sandbox_plan *plan, const struct setup *setup,
                         const struct model_table *models);

#endif
