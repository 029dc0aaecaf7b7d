/* A process that reads a stranger's file gives up all that reading does not take. */
#ifndef DEPLOY_CONVERT_CONFINE_H
#define DEPLOY_CONVERT_CONFINE_H

#include <stdbool.h>

#include "proto/fault.h"

#define CONFINE_CPU_SECONDS 120

/* From here on, for ever: no core dump, bounded memory, time, file sizes and descriptors, and no
 * system call but those that read and write what is open already, take memory, talk on open
 * sockets, signal this process itself, and exit. Others fail with EPERM. Standard input and output
 * become /dev/null; standard error stays, for what a failed assertion or a sanitizer says. To be
 * called by the process that is confined, by its only thread, whose open files have other numbers
 * than those three. */
bool confine(struct fault *fault);

#endif
