/* Tells the service manager how the server is: systemd's notification protocol, datagrams to the
 * socket that NOTIFY_SOCKET names. Without one nothing is told and all functions do nothing.
 *
 * Threads: any, once opened. */
#ifndef SERVER_NOTIFY_H
#define SERVER_NOTIFY_H

#include <stdint.h>

/* Takes both variables (NOTIFY_SOCKET, WATCHDOG_USEC) out of the environment. Before the first
 * thread. */
void notify_open(void);
void notify_close(void);

/* How often a sign of life is wanted, in ns: half of what the manager waits; 0: none. */
uint64_t notify_watchdog_interval(void);

void notify_ready(const char *status);
void notify_reloading(void);
void notify_stopping(void);
void notify_alive(void);

#endif
