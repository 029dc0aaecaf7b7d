/* A program run as a child, with everything it says kept. It does not outlive the test that started
 * it. */
#ifndef TESTS_SUPPORT_PROGRAM_H
#define TESTS_SUPPORT_PROGRAM_H

#include <sys/types.h>

struct program {
    pid_t pid;       /* 0 once it has ended */
    int exit_status; /* then: its exit code, or 128 + the signal that ended it */
    int output, errors;
};

#define PROGRAM_STILL_RUNNING (-1)

/* arguments: NULL-ended, the program's path first. environment: NULL, or NULL-ended "NAME=VALUE"s
 * that are added to this process's environment or replace what is in it; all LSTMD_... are taken
 * away first. */
void program_start(struct program *program, const char *const *arguments,
                   const char *const *environment);

/* The exit status, or PROGRAM_STILL_RUNNING when that many milliseconds have passed. */
int program_wait(struct program *program, int milliseconds);

void program_signal(const struct program *program, int signal_number);

/* What it has written so far, the caller's to free. */
char *program_output(const struct program *program);
char *program_errors(const struct program *program);

/* Kills it if it still runs. */
void program_fini(struct program *program);

#endif
