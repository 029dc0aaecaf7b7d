#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "server/zmq_peers.h"

static struct zmq_peers peers;

static int setup(void **state)
{
    (void)state;
    return zmq_peers_init(&peers, 12345) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    zmq_peers_fini(&peers);
    return 0;
}

static void a_peer_is_found_again_by_its_id(void **state)
{
    enum { COUNT = 1000 };
    struct zmq_peer *known[COUNT];
    (void)state;
    for (uint32_t i = 0; i < COUNT; i++) {
        known[i] = zmq_peers_get(&peers, &i, sizeof i);
        known[i]->accepted = 1;
    }
    assert_int_equal(peers.count, COUNT);
    for (uint32_t i = 0; i < COUNT; i++)
        assert_ptr_equal(zmq_peers_get(&peers, &i, sizeof i), known[i]);
    for (uint32_t i = 0; i < COUNT; i++)
        known[i]->accepted = 0;
}

static void ids_of_other_sizes_are_others(void **state)
{
    static const char id[ZMQ_ROUTING_ID_MAX];
    (void)state;
    struct zmq_peer *shortest = zmq_peers_get(&peers, id, 1);
    struct zmq_peer *longest = zmq_peers_get(&peers, id, sizeof id);
    assert_ptr_not_equal(shortest, longest);
    assert_ptr_equal(zmq_peers_get(&peers, id, sizeof id), longest);
}

static void
bug_600_ids_longer_than_the_protocol_has_them_are_known_by_their_beginnings(void **state)
{
    static const char id[ZMQ_ROUTING_ID_MAX + 45];
    (void)state;
    struct zmq_peer *longer = zmq_peers_get(&peers, id, ZMQ_ROUTING_ID_MAX + 1);
    assert_non_null(longer);
    assert_ptr_equal(zmq_peers_get(&peers, id, sizeof id), longer);
    assert_ptr_equal(zmq_peers_get(&peers, id, ZMQ_ROUTING_ID_MAX), longer);
    assert_ptr_not_equal(zmq_peers_get(&peers, id, ZMQ_ROUTING_ID_MAX - 1), longer);
    assert_int_equal(peers.count, 2);
}

static void who_has_asked_or_not_read_is_not_forgotten(void **state)
{
    (void)state;
    zmq_peers_get(&peers, "idle", 4);
    struct zmq_peer *asks = zmq_peers_get(&peers, "asks", 4);
    struct zmq_peer *reads = zmq_peers_get(&peers, "reads", 5);
    asks->accepted = 1;
    atomic_store(&reads->unread, 1);
    zmq_peers_sweep(&peers);
    assert_int_equal(peers.count, 2);
    assert_ptr_equal(zmq_peers_get(&peers, "asks", 4), asks);
    assert_ptr_equal(zmq_peers_get(&peers, "reads", 5), reads);
    asks->accepted = 0;
    atomic_store(&reads->unread, 0);
    zmq_peers_sweep(&peers);
    assert_int_equal(peers.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_peer_is_found_again_by_its_id, setup, teardown),
        cmocka_unit_test_setup_teardown(ids_of_other_sizes_are_others, setup, teardown),
        cmocka_unit_test_setup_teardown(
            bug_600_ids_longer_than_the_protocol_has_them_are_known_by_their_beginnings, setup,
            teardown),
        cmocka_unit_test_setup_teardown(who_has_asked_or_not_read_is_not_forgotten, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
