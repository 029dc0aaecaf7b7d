/* The thread that evicts idle sequences. It sleeps until one may be due. */
#ifndef SERVER_SEQUENCE_EVICTOR_H
#define SERVER_SEQUENCE_EVICTOR_H

#include <pthread.h>
#include <stdbool.h>

#include "proto/fault.h"
#include "server/sequences.h"

struct sequence_evictor {
    struct sequences *sequences;
    pthread_t thread;
};

/* false, 503: the thread could not be started. */
bool sequence_evictor_start(struct sequence_evictor *evictor, struct sequences *sequences,
                            struct fault *fault);
void sequence_evictor_stop(struct sequence_evictor *evictor);

#endif
