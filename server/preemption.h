/* Whether a thread that serves connections interrupts the workers.
 *
 * It does as a rule: whatever arrives is looked at at once. While a model refuses requests for want
 * of room, that costs a worker its caches and two switches for each refusal. So a thread that has
 * refused one waits for its turn as batch work does (SCHED_BATCH), and then finds several.
 *
 * Threads: each for itself. One that was not started under the default policy keeps its own. */
#ifndef SERVER_PREEMPTION_H
#define SERVER_PREEMPTION_H

#include <stdint.h>

/* The calling thread refused a request at this moment of clock_now's. */
void preemption_give_up(uint64_t now);

/* It has another one: interrupts again if it has refused none for a while. */
void preemption_look(uint64_t now);

#endif
