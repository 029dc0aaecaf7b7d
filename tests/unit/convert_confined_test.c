/* The process that reads a stranger's file: what it can still do, and what it gets on request. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "deploy/convert/companions.h"
#include "deploy/convert/confine.h"
#include "tests/support/temp_dir.h"

/* Runs it in a child and gives the child's exit status; -1 when a signal ended it. */
static int in_child(int (*run)(void))
{
    int status;
    const pid_t child = fork();
    if (child == 0)
        _exit(run());
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool refused(long result)
{
    return result < 0 && errno == EPERM;
}

/* The number of the first thing that was not refused. */
static int try_the_forbidden(void)
{
    struct fault fault;
    char *const arguments[] = {(char[]){"true"}, NULL};
    if (!confine(&fault))
        return 100;
    if (!refused(open("/etc/passwd", O_RDONLY)))
        return 1;
    if (!refused(open("/tmp/lstm-convert-test", O_WRONLY | O_CREAT, 0600)))
        return 2;
    if (!refused(socket(AF_INET, SOCK_STREAM, 0)))
        return 3;
    if (!refused(execv("/bin/true", arguments)))
        return 4;
    if (!refused(fork()))
        return 5;
    if (!refused(unlink("/tmp/lstm-convert-test")))
        return 6;
    const void *code =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return code == MAP_FAILED && errno == EPERM ? 0 : 7;
}

static void a_confined_process_opens_sends_and_starts_nothing(void **state)
{
    (void)state;
    assert_int_equal(in_child(try_the_forbidden), 0);
}

static int try_to_signal(void)
{
    struct fault fault;
    if (!confine(&fault))
        return 100;
    if (!refused(tgkill(getppid(), getppid(), 0)))
        return 1;
    if (!refused(kill(getpid(), 0)))
        return 2;
    return tgkill(getpid(), gettid(), 0) == 0 ? 0 : 3;
}

/* The others of the user are none of its business; abort still ends it. */
static void bug_451_a_confined_process_signals_itself_alone(void **state)
{
    (void)state;
    assert_int_equal(in_child(try_to_signal), 0);
}

/* A byte waits at standard input, another is written to standard output. */
static int use_the_callers(void)
{
    char byte = 'x';
    struct fault fault;
    int in[2], out[2];
    if (pipe(in) != 0 || pipe(out) != 0 || write(in[1], &byte, 1) != 1 || dup2(in[0], 0) != 0 ||
        dup2(out[1], 1) != 1 || close(out[1]) != 0 || !confine(&fault))
        return 100;
    if (read(0, &byte, 1) != 0)
        return 1;
    return write(1, &byte, 1) == 1 && read(out[0], &byte, 1) == 0 ? 0 : 2;
}

static void bug_451_a_confined_process_has_not_the_callers_input_and_output(void **state)
{
    (void)state;
    assert_int_equal(in_child(use_the_callers), 0);
}

static int read_and_write(void)
{
    char byte = 'x';
    struct fault fault;
    int ends[2];
    if (pipe(ends) != 0 || !confine(&fault))
        return 100;
    char *memory = malloc(1 << 24);
    if (memory == NULL || write(ends[1], &byte, 1) != 1 || read(ends[0], memory, 1) != 1)
        return 1;
    byte = memory[0];
    free(memory);
    return byte == 'x' ? 0 : 2;
}

static void what_is_open_can_still_be_read_and_written(void **state)
{
    (void)state;
    assert_int_equal(in_child(read_and_write), 0);
}

/* ---- companions ---- */

static int folder_of(const struct temp_dir *dir)
{
    const int folder = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(folder >= 0);
    return folder;
}

/* A child that serves the folder until the socket is closed; *socket is the asking end. */
static pid_t serve(int folder, int *socket)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    const pid_t child = fork();
    if (child == 0) {
        close(ends[1]);
        companions_serve(ends[0], folder);
        _exit(0);
    }
    close(ends[0]);
    *socket = ends[1];
    return child;
}

static void end(pid_t child, int socket)
{
    int status;
    close(socket);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void a_file_beside_the_input_can_be_asked_for(void **state)
{
    struct temp_dir dir;
    struct fault fault = {0};
    char text[16] = "";
    int socket;
    (void)state;
    temp_dir_create(&dir);
    temp_dir_write(&dir, "shard1of2.bin", "%s", "weights");
    const int folder = folder_of(&dir);
    const pid_t server = serve(folder, &socket);
    for (int i = 0; i < 3; i++) {
        const int fd = companions_ask(socket, "shard1of2.bin", &fault);
        assert_true(fd >= 0);
        assert_int_equal(read(fd, text, sizeof text), 7);
        assert_memory_equal(text, "weights", 7);
        assert_int_equal(write(fd, "x", 1), -1);
        close(fd);
    }
    assert_int_equal(companions_ask(socket, "shard2of2.bin", &fault), -1);
    assert_string_equal(fault.text, "shard2of2.bin: No such file or directory");
    end(server, socket);
    close(folder);
    temp_dir_remove(&dir);
}

static void nothing_else_can_be_asked_for(void **state)
{
    static const char *const names[] = {"",     ".",      "..",   "/etc/passwd", "../etc", "a/../b",
                                        "link", "folder", "pipe", "./regular",   "folder/"};
    struct temp_dir dir;
    int socket;
    (void)state;
    temp_dir_create(&dir);
    temp_dir_write(&dir, "regular", "%s", "");
    const int folder = folder_of(&dir);
    assert_int_equal(symlinkat("/etc/passwd", folder, "link"), 0);
    assert_int_equal(mkdirat(folder, "folder", 0700), 0);
    assert_int_equal(mkfifoat(folder, "pipe", 0600), 0);
    const pid_t server = serve(folder, &socket);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct fault fault = {0};
        if (companions_ask(socket, names[i], &fault) >= 0)
            fail_msg("'%s' was opened", names[i]);
        assert_true(fault.status == 400 && fault.text[0] != '\0');
    }
    end(server, socket);
    close(folder);
    temp_dir_remove(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_confined_process_opens_sends_and_starts_nothing),
        cmocka_unit_test(bug_451_a_confined_process_signals_itself_alone),
        cmocka_unit_test(bug_451_a_confined_process_has_not_the_callers_input_and_output),
        cmocka_unit_test(what_is_open_can_still_be_read_and_written),
        cmocka_unit_test(a_file_beside_the_input_can_be_asked_for),
        cmocka_unit_test(nothing_else_can_be_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
