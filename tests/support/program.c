#include "tests/support/program.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/die.h"
#include "tests/support/whole_file.h"

static size_t list_length(const char *const *list)
{
    size_t n = 0;
    while (list != NULL && list[n] != NULL)
        n++;
    return n;
}

/* Does the list hold another value for the variable of this "NAME=VALUE"? */
static bool is_replaced(const char *variable, const char *const *additions)
{
    const size_t size = strcspn(variable, "=") + 1;
    for (; additions != NULL && *additions != NULL; additions++)
        if (strncmp(variable, *additions, size) == 0)
            return true;
    return false;
}

/* This process's environment without LSTMD_..., then the additions. The strings are borrowed. */
static char **child_environment(const char *const *additions)
{
    const size_t inherited = list_length((const char *const *)environ);
    char **result = must_allocate_zeros(inherited + list_length(additions) + 1, sizeof *result);
    size_t n = 0;
    for (size_t i = 0; i < inherited; i++)
        if (strncmp(environ[i], "LSTMD_", 6) != 0 && !is_replaced(environ[i], additions))
            result[n++] = environ[i];
    for (size_t i = 0; i < list_length(additions); i++)
        memcpy(&result[n++], &additions[i], sizeof *result);
    return result;
}

/* In the child, between fork and exec: system calls only. */
static void become(const struct program *program, char *const *arguments, char *const *environment)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(program->output, STDOUT_FILENO);
    dup2(program->errors, STDERR_FILENO);
    execve(arguments[0], arguments, environment);
    static const char text[] = "cannot be executed\n";
    (void)!write(STDERR_FILENO, text, sizeof text - 1);
    _exit(127);
}

void program_start(struct program *program, const char *const *arguments,
                   const char *const *environment)
{
    program->output = memfd_create("output", MFD_CLOEXEC);
    program->errors = memfd_create("errors", MFD_CLOEXEC);
    if (program->output < 0 || program->errors < 0)
        die("memfd_create: %s", strerror(errno));

    char **child_variables = child_environment(environment);
    char **child_arguments = must_allocate_zeros(list_length(arguments) + 1, sizeof(char *));
    memcpy(child_arguments, arguments, list_length(arguments) * sizeof(char *));

    program->pid = fork();
    if (program->pid < 0)
        die("fork: %s", strerror(errno));
    if (program->pid == 0)
        become(program, child_arguments, child_variables);
    free(child_arguments);
    free(child_variables);
}

int program_wait(struct program *program, int milliseconds)
{
    for (int waited = 0; program->pid != 0; waited++) {
        int status;
        if (waitpid(program->pid, &status, WNOHANG) == program->pid) {
            program->pid = 0;
            program->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        } else if (waited >= milliseconds) {
            return PROGRAM_STILL_RUNNING;
        } else {
            usleep(1000);
        }
    }
    return program->exit_status;
}

void program_signal(const struct program *program, int signal_number)
{
    if (program->pid != 0)
        kill(program->pid, signal_number);
}

char *program_output(const struct program *program)
{
    size_t size;
    return whole_file_read_open(program->output, &size);
}

char *program_errors(const struct program *program)
{
    size_t size;
    return whole_file_read_open(program->errors, &size);
}

void program_fini(struct program *program)
{
    if (program->pid != 0) {
        program_signal(program, SIGKILL);
        program_wait(program, 10000);
    }
    close(program->output);
    close(program->errors);
}
