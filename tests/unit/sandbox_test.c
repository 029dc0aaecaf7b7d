#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/sandbox.h"

/* There is no way back: what is tried is tried by a child. The number of the first thing that was
 * not as it should be, 0 for none. */
static int tried_by_a_child(int (*trying)(void))
{
    fflush(NULL);
    const pid_t child = fork();
    int status = -1;
    assert_true(child >= 0);
    if (child == 0)
        _exit(trying());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static bool enter(void)
{
    struct sandbox_plan plan;
    struct fault fault;
    sandbox_plan_init(&plan);
    sandbox_allow(&plan, "tests/unit", false);
    return sandbox_enter(&plan, &fault);
}

static bool fails_with(long result, int error)
{
    return result == -1 && errno == error;
}

static int try_forbidden(void)
{
    char *const nothing[] = {NULL};
    if (!enter())
        return 100;
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
    assert_int_equal(tried_by_a_child(try_forbidden), 0);
}

/* EPERM would have a C library believe that the call is there. */
static int try_unknown(void)
{
    if (!enter())
        return 101;
    for (int i = 0; i < 100; i++)
        if (!fails_with(syscall(451 + i, -1, -1, -1, -1, -1, -1), ENOSYS))
            return i + 1;
    return 0;
}

static void calls_newer_than_the_list_are_not_there(void **state)
{
    (void)state;
    assert_int_equal(tried_by_a_child(try_unknown), 0);
}

static void *run_thread(void *argument)
{
    return argument;
}

static int try_usual(void)
{
    pthread_t thread;
    void *result = NULL, *wanted = &result;
    if (!enter())
        return 100;
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
    assert_int_equal(tried_by_a_child(try_usual), 0);
}

/* ---- many paths ---- */

enum { FOLDERS = 1500 };

static char parent[] = "/tmp/sandbox_test_XXXXXX";

static void folder_name(char name[64], int number)
{
    snprintf(name, 64, "%s/%d", parent, number);
}

static int make_folders(void **state)
{
    char name[64];
    (void)state;
    if (mkdtemp(parent) == NULL)
        return -1;
    for (int i = 0; i < FOLDERS; i++) {
        folder_name(name, i);
        if (mkdir(name, 0700) != 0)
            return -1;
    }
    return 0;
}

static int remove_folders(void **state)
{
    char name[64];
    (void)state;
    for (int i = 0; i < FOLDERS; i++) {
        folder_name(name, i);
        rmdir(name);
    }
    return rmdir(parent);
}

static bool limit_open_files(rlim_t count)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = count;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

static bool can_open(const char *path, int flags)
{
    const int fd = open(path, flags | O_CLOEXEC, 0600);
    return fd >= 0 && close(fd) == 0;
}

static int try_after_many(void)
{
    struct sandbox_plan plan;
    struct fault fault;
    char name[64], file[96];
    if (!limit_open_files(64))
        return 1;
    sandbox_plan_init(&plan);
    for (int i = 0; i < FOLDERS; i++) {
        folder_name(name, i);
        sandbox_allow(&plan, name, false);
    }
    sandbox_allow(&plan, "tests/unit", false);
    sandbox_allow(&plan, name, true); /* the last one, once more */
    sandbox_allow(&plan, name, false);
    if (!sandbox_enter(&plan, &fault))
        return 2;
    snprintf(file, sizeof file, "%s/file", name);
    if (!can_open("tests/unit/sandbox_test.c", O_RDONLY))
        return 3;
    return can_open(file, O_WRONLY | O_CREAT) && unlink(file) == 0 ? 0 : 4;
}

static void bug_416_a_path_is_allowed_however_many_came_before_it(void **state)
{
    (void)state;
    assert_int_equal(tried_by_a_child(try_after_many), 0);
}

static int try_without_room(void)
{
    struct sandbox_plan plan;
    struct fault fault = {0};
    sandbox_plan_init(&plan);
    const bool has_landlock = plan.ruleset >= 0;
    if (!limit_open_files(0))
        return 1;
    sandbox_allow(&plan, "tests/unit", false);
    sandbox_allow(&plan, "tests/wire", false);
    if (sandbox_enter(&plan, &fault) == has_landlock)
        return 2;
    if (!has_landlock)
        return 0;
    if (fault.status != 503 || strstr(fault.text, "tests/unit: Too many open files") == NULL)
        return 3;
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0 ? 0 : 4;
}

static void bug_416_a_path_that_could_not_be_allowed_is_told(void **state)
{
    (void)state;
    assert_int_equal(tried_by_a_child(try_without_room), 0);
}

/* A file of sequences that is written for the first time is not there yet. */
static int try_absent(void)
{
    struct sandbox_plan plan;
    struct fault fault;
    sandbox_plan_init(&plan);
    sandbox_allow(&plan, "tests/nobody", false);
    sandbox_allow_beside(&plan, "tests/unit/nobody", true);
    sandbox_allow_beside(&plan, "tests/unit/sandbox_test.c/nobody", false);
    if (!sandbox_enter(&plan, &fault))
        return 1;
    return can_open("tests/unit/sandbox_test.c", O_RDONLY) ? 0 : 2;
}

static void what_is_not_there_is_left_out(void **state)
{
    (void)state;
    assert_int_equal(tried_by_a_child(try_absent), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_serving_never_does_is_forbidden),
        cmocka_unit_test(calls_newer_than_the_list_are_not_there),
        cmocka_unit_test(threads_events_and_named_files_are_as_ever),
        cmocka_unit_test_setup_teardown(bug_416_a_path_is_allowed_however_many_came_before_it,
                                        make_folders, remove_folders),
        cmocka_unit_test(bug_416_a_path_that_could_not_be_allowed_is_told),
        cmocka_unit_test(what_is_not_there_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
