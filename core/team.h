/* Several threads that compute one call together. The threads are the caller's; the core only needs
 * to know how many there are, which one it is on, and how to wait for the others. Every member
 * makes the same calls with the same arguments and does its slice of each piece of work; what one
 * member wrote before a meeting all members see after it. The answer's bits do not depend on the
 * team's size. */
#ifndef CORE_TEAM_H
#define CORE_TEAM_H

#include <stddef.h>

struct team {
    size_t size;
    void (*meet)(
        void *context); /* returns when all members have called it; not called by a team of 1 */
    void *context;
};

/* A team as one of its members sees it. */
struct share {
    const struct team *team;
    size_t member; /* 0..size-1 */
};

struct slice {
    size_t begin, end;
};

/* The member's part of count things: contiguous, all parts together exactly [0, count). */
static inline struct slice share_slice(const struct share *share, size_t count)
{
    const size_t size = share->team->size;
    const size_t each = count / size, extra = count % size, m = share->member;
    const size_t begin = each * m + (m < extra ? m : extra);
    return (struct slice){begin, begin + each + (m < extra ? 1 : 0)};
}

static inline void share_meet(const struct share *share)
{
    if (share->team->size > 1)
        share->team->meet(share->team->context);
}

#endif
