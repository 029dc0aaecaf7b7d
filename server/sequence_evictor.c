#include "server/sequence_evictor.h"

#include "server/clock.h"

static void *evict(void *argument)
{
    struct sequences *sequences = argument;
    pthread_setname_np(pthread_self(), "evictor");
    while (sequences_sleep(sequences, sequences_evict_idle(sequences, clock_now())))
        continue;
    return NULL;
}

bool sequence_evictor_start(struct sequence_evictor *evictor, struct sequences *sequences,
                            struct fault *fault)
{
    evictor->sequences = sequences;
    return pthread_create(&evictor->thread, NULL, evict, sequences) == 0 ||
           fault_set(fault, 503, "could not start the thread that evicts sequences");
}

void sequence_evictor_stop(struct sequence_evictor *evictor)
{
    sequences_wake(evictor->sequences);
    pthread_join(evictor->thread, NULL);
}
