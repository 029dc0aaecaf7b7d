/* The one clock of all deadlines, monotonic, so that setting the wall clock moves none of them; and
 * that one. */
#ifndef SERVER_CLOCK_H
#define SERVER_CLOCK_H

#include <stdint.h>
#include <time.h>

#define CLOCK_NS_PER_US UINT64_C(1000)
#define CLOCK_NS_PER_MS UINT64_C(1000000)
#define CLOCK_NS_PER_S  UINT64_C(1000000000)

/* Nanoseconds since some fixed moment. */
static inline uint64_t clock_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * CLOCK_NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Milliseconds since 1970, by the wall clock: for people to read, never to wait by. */
static inline uint64_t clock_wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / CLOCK_NS_PER_MS;
}

/* A moment of clock_now's as the pthread_..._clock functions want it. */
static inline struct timespec clock_timespec(uint64_t at)
{
    return (struct timespec){.tv_sec = (time_t)(at / CLOCK_NS_PER_S),
                             .tv_nsec = (long)(at % CLOCK_NS_PER_S)};
}

#endif
