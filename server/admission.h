/* What of a model's bounds is taken, and by whom, so that nobody takes all of it.
 *
 * A client may have a place as long as what it has then is at most percent / (100 - percent) times
 * what is left (dynamic thresholds, Choudhury and Hahne 1998). So one alone fills that percentage
 * of the bound, several that want as much as they can get have equal parts, and something is always
 * left for one that has nothing yet, which is always let in where there is any room.
 *
 * Clients are counted by a hash of their number, seeded so that nobody can choose whom to meet
 * there: two may be taken for one, seldom (as in stochastic fairness queueing, McKenney 1990).
 *
 * Threads: none of its business; the scheduler locks. */
#ifndef SERVER_ADMISSION_H
#define SERVER_ADMISSION_H

#include <stddef.h>
#include <stdint.h>

enum { ADMISSION_CLIENTS = 1024 };

struct admission_limits {
    size_t requests, rows;
    unsigned client_percent; /* of both, for one client; 0 and 100: all of it */
    uint64_t seed;
};

/* Zeroed: nothing is taken. */
struct admission {
    size_t requests, rows;
    struct admission_client {
        size_t requests, rows;
    } clients[ADMISSION_CLIENTS];
};

/* What one request takes. */
struct admission_place {
    size_t client; /* its index */
    size_t rows;   /* counted: a request may have more than one client may, and takes that much */
};

enum admission_answer { ADMISSION_GRANTED, ADMISSION_FULL, ADMISSION_CLIENT_FULL };

/* *place is given back later if it was granted, else it is nothing. The first request of all may
 * have any number of rows. */
enum admission_answer admission_take(struct admission *admission,
                                     const struct admission_limits *limits, uint64_t client,
                                     size_t rows, struct admission_place *place);
void admission_give(struct admission *admission, const struct admission_place *place);

/* What admission_take would answer; nothing is taken. */
enum admission_answer admission_ask(const struct admission *admission,
                                    const struct admission_limits *limits, uint64_t client,
                                    size_t rows);

#endif
