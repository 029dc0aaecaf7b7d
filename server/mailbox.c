#include "server/mailbox.h"

#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

bool mailbox_init(struct mailbox *mailbox, struct fault *fault)
{
    atomic_init(&mailbox->last, NULL);
    atomic_init(&mailbox->putting, 0);
    mailbox->descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return mailbox->descriptor >= 0 || fault_set(fault, 503, "eventfd: %s", strerror(errno));
}

void mailbox_fini(struct mailbox *mailbox)
{
    while (atomic_load_explicit(&mailbox->putting, memory_order_acquire) != 0)
        sched_yield();
    close(mailbox->descriptor);
}

void mailbox_wake(struct mailbox *mailbox)
{
    const uint64_t one = 1;
    /* It fails only when the counter is full: the descriptor is then readable anyway. */
    while (write(mailbox->descriptor, &one, sizeof one) < 0 && errno == EINTR)
        continue;
}

/* The reader may take the mail, and have done with the mailbox, before it is woken for it. */
void mailbox_put(struct mailbox *mailbox, struct mail *mail)
{
    atomic_fetch_add_explicit(&mailbox->putting, 1, memory_order_relaxed);
    struct mail *last = atomic_load_explicit(&mailbox->last, memory_order_relaxed);
    do
        mail->next = last;
    while (!atomic_compare_exchange_weak_explicit(&mailbox->last, &last, mail, memory_order_release,
                                                  memory_order_relaxed));
    if (last == NULL)
        mailbox_wake(mailbox);
    atomic_fetch_sub_explicit(&mailbox->putting, 1, memory_order_release);
}

void mailbox_settle(struct mailbox *mailbox)
{
    uint64_t count;
    while (read(mailbox->descriptor, &count, sizeof count) < 0 && errno == EINTR)
        continue;
}

struct mail *mailbox_take(struct mailbox *mailbox)
{
    struct mail *mail = atomic_exchange_explicit(&mailbox->last, NULL, memory_order_acquire);
    struct mail *first = NULL;
    while (mail != NULL) {
        struct mail *before = mail->next;
        mail->next = first;
        first = mail;
        mail = before;
    }
    return first;
}
