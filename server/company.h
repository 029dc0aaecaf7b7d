/* Whether a tick waits for those who were in the last one. Clients that send their next step as
 * soon as they have their answer come back together, a moment later: a tick that begins before they
 * are there takes the few rows that missed the last one, and reads all the weights for them. So
 * where most requests come that soon after their connection's last answer, a tick waits until there
 * are as many rows as there were, for as long as the last one took at most (as disk schedulers
 * anticipate, Iyer and Druschel 2001).
 *
 * A lone row is never waited for. Threads: none of its business; the scheduler locks. */
#ifndef SERVER_COMPANY_H
#define SERVER_COMPANY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed: nobody is known. */
struct company {
    uint64_t tick_ns; /* the last tick's */
    int returning;    /* of COMPANY_ALL requests so many came back at once, lately */
    bool awaited;
    size_t rows;    /* that are waited for */
    uint64_t until; /* no longer than this moment of clock_now's */
};

enum { COMPANY_ALL = 1 << 10 };

/* A request was accepted, that long after its connection's last answer; UINT64_MAX: it had none. */
void company_note(struct company *company, uint64_t after);

/* A tick has ended that took ns. So many rows were in it or ready beside it, and so many are ready
 * now. true: the rest of them is waited for. */
bool company_expect(struct company *company, size_t rows, size_t ready, uint64_t ns, uint64_t now);

/* So many rows are ready now: are others still waited for? */
bool company_is_awaited(struct company *company, size_t ready, uint64_t now);

#endif
