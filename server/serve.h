/* A server from its start to its end. */
#ifndef SERVER_SERVE_H
#define SERVER_SERVE_H

#include "server/exit_code.h"
#include "server/setup.h"

/* Loads the models, serves until a signal, and stops. What went wrong is said in the log. Once in a
 * process, on its first thread, before there is another. Does not return, but ends the process with
 * its code, where a request goes on that was given up and may not be left without what it uses. */
enum exit_code serve(const struct setup *setup);

#endif
