#include "server/job_turn.h"

/* The first field of both. */
static void turn_comes(struct sequence_ticket *ticket)
{
    struct job_turn *turn = (struct job_turn *)ticket;
    if (atomic_exchange(&turn->begins, true))
        turn->type->begin(turn);
    if (atomic_exchange(&turn->finishes, true))
        turn->type->finish(turn);
}

void job_turn_init(struct job_turn *turn, const struct job_turn_type *type)
{
    turn->ticket.turn = turn_comes;
    turn->held = false;
    turn->now = true;
    turn->type = type;
    turn->steps = 0;
    atomic_init(&turn->begins, true);
    atomic_init(&turn->finishes, true);
}

bool job_turn_enter(struct job_turn *turn, struct sequences *sequences,
                    const struct sequence_owner *owner, struct infer_parameters *parameters,
                    size_t rows, bool brings_states, struct fault *fault)
{
    const bool start = parameters->sequence_start, end = parameters->sequence_end;
    if (parameters->sequence_id.kind == SEQUENCE_ID_NONE && !start && !end)
        return true;
    if (brings_states && !start)
        return fault_set(fault, 400,
                         "a sequence goes on from the state that the server keeps: states may be "
                         "sent only with sequence_start");
    turn->sequences = sequences;
    /* The turn may come before sequences_enter has returned. */
    atomic_store(&turn->begins, false);
    atomic_store(&turn->finishes, false);
    bool now = false;
    turn->held = sequences_enter(sequences, owner, &parameters->sequence_id, start, end, rows,
                                 &turn->ticket, &now, fault);
    turn->now = !turn->held || now;
    if (turn->now) {
        atomic_store(&turn->begins, true);
        atomic_store(&turn->finishes, true);
    }
    return turn->held;
}

bool job_turn_is_now(const struct job_turn *turn)
{
    return turn->now;
}

bool job_turn_accepted(struct job_turn *turn)
{
    return atomic_exchange(&turn->begins, true);
}

bool job_turn_state(struct job_turn *turn, const float **state, struct fault *fault)
{
    *state = NULL;
    return !turn->held || sequences_state(&turn->ticket, state, &turn->steps, fault);
}

bool job_turn_ended(struct job_turn *turn)
{
    if (turn->held && sequences_withdraw(turn->sequences, &turn->ticket)) {
        turn->held = false;
        return true;
    }
    return atomic_exchange(&turn->finishes, true);
}

void job_turn_leave(struct job_turn *turn, const float *state, uint64_t steps)
{
    if (!turn->held)
        return;
    turn->held = false;
    sequences_leave(turn->sequences, &turn->ticket, state, steps);
}
