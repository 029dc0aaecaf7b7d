#include "deploy/convert/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* A sanitizer's shadow memory is as large as the address space. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MEMORY RLIM_INFINITY
#else
#define MEMORY ((rlim_t)8 << 30)
#endif

static const struct {
    const char *name;
    __rlimit_resource_t resource;
    rlim_t most;
} limits[] = {
    {"RLIMIT_CORE", RLIMIT_CORE, 0},
    {"RLIMIT_AS", RLIMIT_AS, MEMORY},
    {"RLIMIT_CPU", RLIMIT_CPU, CONFINE_CPU_SECONDS},
    {"RLIMIT_FSIZE", RLIMIT_FSIZE, (rlim_t)4 << 30},
    {"RLIMIT_NOFILE", RLIMIT_NOFILE, 32},
};

static const int allowed[] = {
    SCMP_SYS(read),           SCMP_SYS(write),        SCMP_SYS(readv),
    SCMP_SYS(writev),         SCMP_SYS(pread64),      SCMP_SYS(lseek),
    SCMP_SYS(_llseek),        SCMP_SYS(fstat),        SCMP_SYS(fstat64),
    SCMP_SYS(close),          SCMP_SYS(sendto),       SCMP_SYS(sendmsg),
    SCMP_SYS(recvfrom),       SCMP_SYS(recvmsg),      SCMP_SYS(brk),
    SCMP_SYS(munmap),         SCMP_SYS(mremap),       SCMP_SYS(madvise),
    SCMP_SYS(futex),          SCMP_SYS(getrandom),    SCMP_SYS(clock_gettime),
    SCMP_SYS(gettimeofday),   SCMP_SYS(time),         SCMP_SYS(getpid),
    SCMP_SYS(gettid),         SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigprocmask), SCMP_SYS(sigaltstack),  SCMP_SYS(sched_yield),
    SCMP_SYS(exit),           SCMP_SYS(exit_group),
};

static bool set_limits(struct fault *fault)
{
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        struct rlimit limit;
        if (getrlimit(limits[i].resource, &limit) != 0)
            return fault_set(fault, 503, "%s: %s", limits[i].name, strerror(errno));
        /* One that is stricter already stays. The hard limit is a little higher where it can be: at
         * that of time the kernel kills without saying why. */
        if (limit.rlim_cur > limits[i].most)
            limit.rlim_cur = limits[i].most;
        if (limits[i].most != RLIM_INFINITY && limit.rlim_max > limits[i].most)
            limit.rlim_max = limits[i].most + (limits[i].resource == RLIMIT_CPU);
        if (setrlimit(limits[i].resource, &limit) != 0)
            return fault_set(fault, 503, "%s: %s", limits[i].name, strerror(errno));
    }
    return true;
}

/* Of those that take more than a number, only the harmless arguments. */
static int allow_some(scmp_filter_ctx filter)
{
    static const int mapping[] = {SCMP_SYS(mmap), SCMP_SYS(mmap2), SCMP_SYS(mprotect)};
    int error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), 1,
                                 SCMP_A3(SCMP_CMP_EQ, AT_EMPTY_PATH)); /* this is how fstat asks */
    for (size_t i = 0; error == 0 && i < sizeof mapping / sizeof mapping[0]; i++)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, mapping[i], 1,
                                 SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    if (error == 0) /* abort's */
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
                                 SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
    return error;
}

/* Input and output: whatever they are, a terminal perhaps, they are the caller's. */
static bool close_standard(void)
{
    const int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    const bool closed =
        nothing >= 0 && dup2(nothing, STDIN_FILENO) >= 0 && dup2(nothing, STDOUT_FILENO) >= 0;
    if (nothing > STDERR_FILENO)
        close(nothing);
    return closed;
}

static int load_filter(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int error = filter == NULL ? -ENOMEM : 0;
    for (size_t i = 0; error == 0 && i < sizeof allowed / sizeof allowed[0]; i++)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
    if (error == 0)
        error = allow_some(filter);
    if (error == 0)
        error = seccomp_load(filter);
    seccomp_release(filter);
    return error;
}

bool confine(struct fault *fault)
{
    if (!close_standard())
        return fault_set(fault, 503, "/dev/null: %s", strerror(errno));
    if (!set_limits(fault))
        return false;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return fault_set(fault, 503, "prctl: %s", strerror(errno));
    const int error = load_filter();
    return error == 0 || fault_set(fault, 503, "the system call filter: %s", strerror(-error));
}
