#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "server/mailbox.h"

enum { THREADS = 4, EACH = 20000 };

struct letter {
    struct mail mail; /* first */
    size_t sender, number;
};

static atomic_bool slow;  /* who wakes the reader is held up */
static atomic_bool woken; /* and has woken it */

/* In the C library's place. */
ssize_t write(int descriptor, const void *data, size_t size)
{
    if (atomic_load(&slow))
        usleep(50000);
    const ssize_t written = syscall(SYS_write, descriptor, data, size);
    if (atomic_load(&slow))
        atomic_store(&woken, written == (ssize_t)size);
    return written;
}

static struct mailbox mailbox;
static struct letter letters[THREADS][EACH];

static int setup(void **state)
{
    struct fault fault;
    (void)state;
    return mailbox_init(&mailbox, &fault) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    mailbox_fini(&mailbox);
    return 0;
}

static bool is_readable(int milliseconds)
{
    struct pollfd pollfd = {.fd = mailbox.descriptor, .events = POLLIN};
    return poll(&pollfd, 1, milliseconds) == 1;
}

static void letters_come_out_in_the_order_they_went_in(void **state)
{
    (void)state;
    assert_null(mailbox_take(&mailbox));
    for (size_t i = 0; i < 3; i++)
        mailbox_put(&mailbox, &letters[0][i].mail);
    struct mail *mail = mailbox_take(&mailbox);
    for (size_t i = 0; i < 3; i++, mail = mail->next)
        assert_ptr_equal(mail, &letters[0][i].mail);
    assert_null(mail);
    assert_null(mailbox_take(&mailbox));
}

static void the_first_letter_wakes_the_reader_once(void **state)
{
    (void)state;
    assert_false(is_readable(0));
    mailbox_put(&mailbox, &letters[0][0].mail);
    assert_true(is_readable(0));
    mailbox_settle(&mailbox);
    mailbox_put(&mailbox, &letters[0][1].mail);
    assert_false(is_readable(0));
    assert_non_null(mailbox_take(&mailbox));
    mailbox_wake(&mailbox);
    assert_true(is_readable(0));
}

static void *send_letters(void *argument)
{
    struct letter *own = argument;
    for (size_t i = 0; i < EACH; i++)
        mailbox_put(&mailbox, &own[i].mail);
    return NULL;
}

/* A reader that sleeps whenever there is nothing gets every letter, each sender's in order. */
static void no_letter_is_lost_between_threads(void **state)
{
    pthread_t threads[THREADS];
    size_t next[THREADS] = {0};
    (void)state;
    for (size_t i = 0; i < THREADS; i++) {
        for (size_t j = 0; j < EACH; j++)
            letters[i][j] = (struct letter){.sender = i, .number = j};
        assert_int_equal(pthread_create(&threads[i], NULL, send_letters, letters[i]), 0);
    }
    for (size_t left = (size_t)THREADS * EACH; left > 0;) {
        struct mail *mail = mailbox_take(&mailbox);
        if (mail == NULL) {
            assert_true(is_readable(60000));
            mailbox_settle(&mailbox);
        }
        for (; mail != NULL; mail = mail->next, left--) {
            const struct letter *letter = (const struct letter *)mail;
            assert_int_equal(letter->number, next[letter->sender]++);
        }
    }
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void *send_a_letter(void *argument)
{
    mailbox_put(&mailbox, argument);
    return NULL;
}

static void bug_412_the_mailbox_stays_until_who_has_put_is_back(void **state)
{
    struct mail *mail = NULL;
    pthread_t thread;
    (void)state;
    setup(NULL);
    atomic_store(&slow, true);
    assert_int_equal(pthread_create(&thread, NULL, send_a_letter, &letters[0][0].mail), 0);
    while (mail == NULL)
        mail = mailbox_take(&mailbox);
    mailbox_fini(&mailbox);
    pthread_join(thread, NULL);
    atomic_store(&slow, false);
    assert_true(atomic_load(&woken));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(letters_come_out_in_the_order_they_went_in, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_first_letter_wakes_the_reader_once, setup, teardown),
        cmocka_unit_test_setup_teardown(no_letter_is_lost_between_threads, setup, teardown),
        cmocka_unit_test(bug_412_the_mailbox_stays_until_who_has_put_is_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
