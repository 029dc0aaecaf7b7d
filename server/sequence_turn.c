#include "server/sequence_turn.h"

#include <assert.h>

enum { SUBMITTED = 1, CAME = 2 };

/* The ticket's turn has come. Whoever sees both bits set begins the work. */
static void come(struct sequence_ticket *ticket)
{
    struct sequence_turn *turn = (struct sequence_turn *)ticket;
    if (atomic_fetch_or(&turn->seen, CAME) & SUBMITTED)
        scheduler_begin(turn->scheduler, turn->work);
}

bool sequence_turn_enter(struct sequence_turn *turn, struct sequences *sequences,
                         const struct sequence_request *request, struct scheduler *scheduler,
                         struct work *work, struct fault *fault)
{
    turn->ticket.turn = come;
    turn->sequences = sequences;
    turn->scheduler = scheduler;
    turn->work = work;
    atomic_init(&turn->seen, 0);
    if (!scheduler_accept(scheduler, work, fault))
        return false;
    turn->held = sequences_enter(sequences, request->owner, request->id, request->start,
                                 request->end, request->rows, &turn->ticket, &turn->at_once, fault);
    if (!turn->held)
        scheduler_cancel(scheduler, work);
    return turn->held;
}

void sequence_turn_submit(struct sequence_turn *turn)
{
    if (turn->at_once || atomic_fetch_or(&turn->seen, SUBMITTED) & CAME)
        scheduler_begin(turn->scheduler, turn->work);
}

/* While the submission is taken back the turn may come, but the work does not begin, so that the
 * ticket is still there to be withdrawn. If that is too late, the work begins as one given up. */
static void give_up_waiting(struct sequence_turn *turn)
{
    const bool withdrawn = sequences_withdraw(turn->sequences, &turn->ticket);
    turn->held = !withdrawn;
    const bool abandoned = scheduler_abandon(turn->scheduler, turn->work);
    assert(abandoned); /* it had not begun */
    if (withdrawn || atomic_fetch_or(&turn->seen, SUBMITTED) & CAME)
        scheduler_begin(turn->scheduler, turn->work);
}

bool sequence_turn_abandon(struct sequence_turn *turn)
{
    if (turn->at_once || atomic_fetch_and(&turn->seen, ~(unsigned)SUBMITTED) & CAME)
        return scheduler_abandon(turn->scheduler, turn->work);
    give_up_waiting(turn);
    return true;
}

void sequence_turn_cancel(struct sequence_turn *turn)
{
    assert(turn->at_once);
    sequence_turn_leave(turn, NULL, 0);
    scheduler_cancel(turn->scheduler, turn->work);
}

bool sequence_turn_state(const struct sequence_turn *turn, const float **state, uint64_t *steps,
                         struct fault *fault)
{
    return sequences_state(&turn->ticket, state, steps, fault);
}

void sequence_turn_leave(struct sequence_turn *turn, const float *state, uint64_t steps)
{
    if (!turn->held)
        return;
    turn->held = false;
    sequences_leave(turn->sequences, &turn->ticket, state, steps);
}
