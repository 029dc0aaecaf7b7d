/* How a thread that computes without a pause shares its processor. Left alone, Linux takes it away
 * only at the tick of its own clock, every 4 ms at the usual 250 Hz. Threads that read requests or
 * write answers, once interrupted, wait that long, several times for one request: beside a flood of
 * long requests a short one took 12 ms instead of 6 (p99). So such a thread offers its processor to
 * others now and then (sched_yield), which costs a microsecond where nobody takes it.
 *
 * From Linux 6.18 on it thereby also gives up the rest of its slice of time. Beside threads that
 * soon sleep again that is right: with long slices they go first, and a short request takes 1.7 ms
 * instead of 2.3. Beside programs that never yield the thread would get next to nothing. So its
 * slices are long ones while it has its processor back soon, and the shortest there are after it
 * was kept from it.
 *
 * Threads: each for itself. */
#ifndef SERVER_TIME_SLICE_H
#define SERVER_TIME_SLICE_H

#include <stdint.h>

/* The calling thread is going to offer its processor. Its slices are set where the system can
 * (Linux 6.12) and its policy is the default one; else nothing ever happens. now: clock_now's. */
void time_slice_begin(uint64_t now);

/* It offered its processor at one moment of clock_now's, and has it again at the other. */
void time_slice_offered(uint64_t at, uint64_t back);

#endif
