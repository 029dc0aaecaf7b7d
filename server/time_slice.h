/* How a thread that computes without a pause shares its processor. Left alone, Linux takes it away
 * only at the tick of its own clock, every 4 ms at the usual 250 Hz. Threads that read requests or
 * write answers, once interrupted, wait that long, several times for one request: beside a flood of
 * long requests a short one took 12 ms instead of 6 (p99). So such a thread offers its processor to
 * others now and then (sched_yield), which costs a microsecond where nobody takes it.
 *
 * From Linux 6.18 on it thereby also gives up the rest of its slice of time, and beside programs
 * that never yield would get next to nothing. Therefore its slices are to be the shortest there
 * are. */
#ifndef SERVER_TIME_SLICE_H
#define SERVER_TIME_SLICE_H

/* Of the calling thread, where the system can (Linux 6.12) and its policy is the default one; else
 * nothing happens. */
void time_slice_shorten(void);

#endif
