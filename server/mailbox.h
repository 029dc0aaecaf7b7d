/* Hands things from any threads to the one that reads them, which sleeps on a descriptor
 * meanwhile. Putting takes no lock and no memory; the reader is woken once for all that was put
 * since it last took.
 *
 * Threads: mailbox_put any; the rest the reader's. */
#ifndef SERVER_MAILBOX_H
#define SERVER_MAILBOX_H

#include <stdatomic.h>
#include <stdbool.h>

#include "proto/fault.h"

/* In whatever is handed over, which is the reader's from mailbox_put on. */
struct mail {
    struct mail *next;
};

struct mailbox {
    _Atomic(struct mail *) last; /* put and not taken; each knows the one put before it */
    int descriptor;              /* polls readable once anything is put */
    atomic_size_t putting;       /* threads in mailbox_put */
};

/* false, 503. */
bool mailbox_init(struct mailbox *mailbox, struct fault *fault);
/* When all that will ever be put was taken. Waits for threads that have put it and are not back
 * yet. */
void mailbox_fini(struct mailbox *mailbox);

void mailbox_put(struct mailbox *mailbox, struct mail *mail);
/* Only ends the reader's sleep. */
void mailbox_wake(struct mailbox *mailbox);

/* To be called when the descriptor was readable, and mailbox_take after that. */
void mailbox_settle(struct mailbox *mailbox);

/* All that was put, in that order; NULL: nothing. */
struct mail *mailbox_take(struct mailbox *mailbox);

#endif
