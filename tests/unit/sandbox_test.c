#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/sandbox.h"

/* There is no way back: what is tried is tried by a child that enters. The number of the first
 * thing that was not as it should be, 0 for none. */
static int tried_inside(int (*trying)(void))
{
    fflush(NULL);
    const pid_t child = fork();
    int status = -1;
    assert_true(child >= 0);
    if (child == 0) {
        struct sandbox_plan plan;
        sandbox_plan_init(&plan);
        sandbox_allow(&plan, "tests/unit", false);
        sandbox_enter(&plan);
        _exit(trying());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static bool fails_with(long result, int error)
{
    return result == -1 && errno == error;
}

static int try_forbidden(void)
{
    char *const nothing[] = {NULL};
    if (!fails_with(syscall(SYS_execve, "/bin/true", nothing, nothing), EPERM))
        return 1;
    if (!fails_with(syscall(SYS_unshare, 0), EPERM))
        return 2;
    if (!fails_with(syscall(SYS_fchownat, AT_FDCWD, "/", -1, -1, 0), EPERM))
        return 3;
    if (!fails_with(syscall(SYS_mknodat, AT_FDCWD, "/tmp/node", 0, 0), EPERM))
        return 4;
#ifdef __x86_64__
    if (!fails_with(syscall(SYS_chown, "/", -1, -1), EPERM))
        return 5;
    if (!fails_with(syscall(0x40000000 + SYS_getpid), EPERM))
        return 6;
#endif
    return 0;
}

static void what_serving_never_does_is_forbidden(void **state)
{
    (void)state;
    assert_int_equal(tried_inside(try_forbidden), 0);
}

/* EPERM would have a C library believe that the call is there. */
static int try_unknown(void)
{
    for (int i = 0; i < 100; i++)
        if (!fails_with(syscall(451 + i, -1, -1, -1, -1, -1, -1), ENOSYS))
            return i + 1;
    return 0;
}

static void calls_newer_than_the_list_are_not_there(void **state)
{
    (void)state;
    assert_int_equal(tried_inside(try_unknown), 0);
}

static void *run_thread(void *argument)
{
    return argument;
}

static int try_usual(void)
{
    pthread_t thread;
    void *result = NULL, *wanted = &result;
    if (pthread_create(&thread, NULL, run_thread, wanted) != 0 ||
        pthread_join(thread, &result) != 0 || result != wanted)
        return 1;
    const int event = eventfd(0, EFD_CLOEXEC);
    if (event < 0 || close(event) != 0)
        return 2;
    const int file = open("tests/unit/sandbox_test.c", O_RDONLY | O_CLOEXEC);
    if (file < 0 || close(file) != 0)
        return 3;
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : 4;
}

static void threads_events_and_named_files_are_as_ever(void **state)
{
    (void)state;
    assert_int_equal(tried_inside(try_usual), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_serving_never_does_is_forbidden),
        cmocka_unit_test(calls_newer_than_the_list_are_not_there),
        cmocka_unit_test(threads_events_and_named_files_are_as_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
