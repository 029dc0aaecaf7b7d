/* Where the members of a team wait for each other between steps: a barrier that answers within a
 * fraction of a microsecond while all members are on their processors, and gives the processor back
 * when one of them is late. */
#ifndef SERVER_MEETING_H
#define SERVER_MEETING_H

#include <stdatomic.h>

struct meeting {
    unsigned size;
    atomic_uint arrived;
    atomic_uint round; /* counts the meetings that are over; late comers sleep on it */
    atomic_uint sleepers;
};

void meeting_init(struct meeting *meeting, unsigned size);

/* Others meet from now on, so many of them. Who has met here before may still be on its way out of
 * meeting_wait; that it was told of the new size, by whatever way, must come after this. */
void meeting_resize(struct meeting *meeting, unsigned size);

/* Returns when all `size` members have called it. What any of them wrote before, all see after. */
void meeting_wait(struct meeting *meeting);

#endif
