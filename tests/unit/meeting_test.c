#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "server/meeting.h"

enum { MEMBERS_MAX = 6, ROUNDS = 8000 };

struct party {
    struct meeting meeting;
    unsigned size;
    /* Plain memory: only the meetings order what members write and read. */
    unsigned round_of[MEMBERS_MAX];
    unsigned errors[MEMBERS_MAX];
    atomic_bool stayed, resized;
};

struct member {
    struct party *party;
    unsigned number;
};

/* Every member says its round, meets, checks what all others said, and meets again. Every few
 * rounds one dawdles, so that the others fall asleep. */
static void *attend(void *argument)
{
    const struct member *m = argument;
    struct party *party = m->party;
    for (unsigned round = 1; round <= ROUNDS; round++) {
        party->round_of[m->number] = round;
        if (round % 2000 == m->number)
            for (int i = 0; i < 2000; i++)
                sched_yield();
        meeting_wait(&party->meeting);
        for (unsigned other = 0; other < party->size; other++)
            party->errors[m->number] += party->round_of[other] != round;
        meeting_wait(&party->meeting);
    }
    return NULL;
}

static void hold_party(struct party *party)
{
    struct member members[MEMBERS_MAX];
    pthread_t threads[MEMBERS_MAX];
    for (unsigned i = 0; i < party->size; i++) {
        members[i] = (struct member){party, i};
        assert_int_equal(pthread_create(&threads[i], NULL, attend, &members[i]), 0);
    }
    for (unsigned i = 0; i < party->size; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(party->errors[i], 0);
    }
}

static void hold(unsigned size)
{
    struct party party = {.size = size};
    meeting_init(&party.meeting, size);
    hold_party(&party);
}

static void nobody_leaves_before_all_have_come(void **state)
{
    (void)state;
    hold(2);
}

static void a_meeting_of_one_waits_for_nobody(void **state)
{
    (void)state;
    hold(1);
}

static void more_members_than_processors_still_meet(void **state)
{
    (void)state;
    hold(3);
}

static void others_may_meet_there_afterwards(void **state)
{
    (void)state;
    struct party party = {.size = 2};
    meeting_init(&party.meeting, 1);
    meeting_wait(&party.meeting);
    for (unsigned size = 3; size >= 1; size--) {
        party.size = size;
        meeting_resize(&party.meeting, size);
        hold_party(&party);
    }
}

/* One of three leaves late; the other two go on to meet by themselves. */
static void *leave_late(void *argument)
{
    struct party *party = argument;
    meeting_wait(&party->meeting);
    return NULL;
}

static void *stay(void *argument)
{
    struct party *party = argument;
    meeting_wait(&party->meeting);
    atomic_store(&party->stayed, true);
    while (!atomic_load(&party->resized))
        sched_yield();
    meeting_wait(&party->meeting);
    return NULL;
}

/* It compared what it had counted with the new size, and opened a round of the others'. As a rule
 * only the thread sanitizer sees it. */
static void bug_586_who_is_late_to_leave_has_nothing_to_do_with_the_new_size(void **state)
{
    (void)state;
    for (int i = 0; i < 2000; i++) {
        struct party party = {.size = 3};
        pthread_t late, other;
        meeting_init(&party.meeting, 3);
        assert_int_equal(pthread_create(&late, NULL, leave_late, &party), 0);
        assert_int_equal(pthread_create(&other, NULL, stay, &party), 0);
        meeting_wait(&party.meeting);
        while (!atomic_load(&party.stayed))
            sched_yield();
        meeting_resize(&party.meeting, 2);
        atomic_store(&party.resized, true);
        meeting_wait(&party.meeting);
        pthread_join(late, NULL);
        pthread_join(other, NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_leaves_before_all_have_come),
        cmocka_unit_test(a_meeting_of_one_waits_for_nobody),
        cmocka_unit_test(more_members_than_processors_still_meet),
        cmocka_unit_test(others_may_meet_there_afterwards),
        cmocka_unit_test(bug_586_who_is_late_to_leave_has_nothing_to_do_with_the_new_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
