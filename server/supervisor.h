/* What the world says to a running server, by signals, and what the server says to its service
 * manager.
 *
 *   SIGHUP            tokens, certificate and models are read again
 *   SIGTERM, SIGINT   it stops; a second one, a tenth of a second later or more, ends the process
 * at once */
#ifndef SERVER_SUPERVISOR_H
#define SERVER_SUPERVISOR_H

#include <stdbool.h>

#include "server/service.h"

/* Before the first thread: all of them inherit the mask, and only supervisor_wait takes any. */
void supervisor_hold_signals(void);

/* Returns when the server is to stop. While its workers get on, the manager's watchdog is told so.
 * tls: there is a certificate to be read again. */
void supervisor_wait(struct service *service, bool tls);

/* For model_control's `reloaded`. */
void supervisor_reloaded(void *context);

#endif
