#include "server/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <libgen.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "server/log.h"

/* The leak check at the end of a build with the address sanitizer looks at the process from
 * outside. */
#if defined(__SANITIZE_ADDRESS__)
enum { IS_LOOKED_AT = 1 };
#else
enum { IS_LOOKED_AT = 0 };
#endif

/* Newer than the header of Debian 12. */
#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER (UINT64_C(1) << 13)
#endif
#define ACCESS_FS_TRUNCATE     (UINT64_C(1) << 14)
#define ACCESS_NET_CONNECT_TCP (UINT64_C(1) << 1)

/* ---- files, connections ---- */

struct ruleset {
    uint64_t files, network;
};

#define READING (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITING                                                                                    \
    (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE |                              \
     LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK | ACCESS_FS_TRUNCATE)
#define OF_A_FILE                                                                                  \
    (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_FS_TRUNCATE)

/* All that this version of the kernel's can forbid. */
static struct ruleset ruleset_of(long version)
{
    struct ruleset ruleset = {.files = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1};
    if (version >= 2)
        ruleset.files |= LANDLOCK_ACCESS_FS_REFER;
    if (version >= 3)
        ruleset.files |= ACCESS_FS_TRUNCATE;
    if (version >= 4)
        ruleset.network = ACCESS_NET_CONNECT_TCP;
    return ruleset;
}

static int create_ruleset(uint64_t *files)
{
    const long version =
        syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (version < 1)
        return -1;
    const struct ruleset ruleset = ruleset_of(version);
    const size_t size = ruleset.network != 0 ? sizeof ruleset : sizeof ruleset.files;
    *files = ruleset.files;
    return (int)syscall(SYS_landlock_create_ruleset, &ruleset, size, 0);
}

/* errno says why. A server that has lost a path would only find out when it needs it. */
static void note_failure(struct sandbox_plan *plan, const char *path)
{
    const bool is_absent = errno == ENOENT || errno == ENOTDIR || errno == EACCES;
    if (!is_absent && plan->fault.status == 0)
        fault_set(&plan->fault, 503, "sandbox: %s: %s", path, strerror(errno));
}

static bool add_rule(const struct sandbox_plan *plan, int fd, bool writable)
{
    struct landlock_path_beneath_attr rule = {.allowed_access = READING | (writable ? WRITING : 0),
                                              .parent_fd = fd};
    struct stat st;
    if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode))
        rule.allowed_access &= OF_A_FILE;
    rule.allowed_access &= plan->files;
    return syscall(SYS_landlock_add_rule, plan->ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
}

/* The kernel's ruleset is the list itself: it puts the rules of one folder together and has room
 * for any number of them, and nothing has to stay open until the plan ends. */
void sandbox_allow(struct sandbox_plan *plan, const char *path, bool writable)
{
    if (plan->ruleset < 0)
        return;
    const int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0 || !add_rule(plan, fd, writable))
        note_failure(plan, path);
    if (fd >= 0)
        close(fd);
}

void sandbox_plan_init(struct sandbox_plan *plan)
{
    *plan = (struct sandbox_plan){0};
    plan->ruleset = create_ruleset(&plan->files);
    sandbox_allow(plan, "/proc/self", false);
    sandbox_allow(plan, "/sys/fs/cgroup", false);
}

static void allow_folder_of(struct sandbox_plan *plan, const char *path, bool writable)
{
    char *copy = strdup(path);
    if (copy != NULL)
        sandbox_allow(plan, dirname(copy), writable);
    else
        note_failure(plan, path);
    free(copy);
}

void sandbox_allow_beside(struct sandbox_plan *plan, const char *path, bool writable)
{
    char *real = realpath(path, NULL);
    if (real != NULL)
        allow_folder_of(plan, real, writable);
    else
        note_failure(plan, path);
    free(real);
    allow_folder_of(plan, path, writable);
}

static bool restrict_files(const struct sandbox_plan *plan)
{
    return plan->ruleset >= 0 && syscall(SYS_landlock_restrict_self, plan->ruleset, 0) == 0;
}

/* ---- calls of the kernel ---- */

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

#ifdef ARCHITECTURE
/* What no part of the server or of its libraries ever does. They fail with EPERM. */
static const int forbidden[] = {
    SYS_execve,
    SYS_execveat,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_kcmp,
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_unshare,
    SYS_setns,
    SYS_open_by_handle_at,
    SYS_name_to_handle_at,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_keyctl,
    SYS_add_key,
    SYS_request_key,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_kexec_file_load,
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_acct,
    SYS_quotactl,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_adjtimex,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_setuid,
    SYS_setgid,
    SYS_setreuid,
    SYS_setregid,
    SYS_setresuid,
    SYS_setresgid,
    SYS_setgroups,
    SYS_capset,
    SYS_personality,
    SYS_syslog,
    SYS_vhangup,
    SYS_fanotify_init,
    SYS_pidfd_getfd,
    SYS_move_mount,
    SYS_fsopen,
    SYS_open_tree,
    SYS_mount_setattr,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fspick,
    SYS_quotactl_fd,
    SYS_pidfd_open,
    SYS_process_madvise,
    SYS_move_pages,
    SYS_migrate_pages,
    SYS_mknodat,
    SYS_fchownat,
    SYS_fchown,
    SYS_setxattr,
    SYS_lsetxattr,
    SYS_fsetxattr,
    SYS_removexattr,
    SYS_lremovexattr,
    SYS_fremovexattr,
    SYS_linkat,
    SYS_symlinkat,
#ifdef __x86_64__
    SYS_mknod,
    SYS_chown,
    SYS_lchown,
    SYS_link,
    SYS_symlink,
    SYS_modify_ldt,
    SYS_iopl,
    SYS_ioperm,
    SYS_uselib,
#endif
    SYS_ptrace, /* the last one: it is left out where the process is looked at */
};

/* The newest that there was when this list was made (set_mempolicy_home_node). Of those that came
 * after it nobody here knows what they can do; they are not there, which C libraries are made for:
 * the same program runs on older kernels. */
#define NEWEST_KNOWN 450

enum {
    FORBIDDEN = sizeof forbidden / sizeof *forbidden - IS_LOOKED_AT,
    INSTRUCTIONS = FORBIDDEN + 9
};

_Static_assert(FORBIDDEN + 2 <= UINT8_MAX, "a jump's distance is a byte");

static size_t add(struct sock_filter *program, size_t at, unsigned code, uint32_t value,
                  size_t if_so, size_t if_not)
{
    program[at] = (struct sock_filter){(uint16_t)code, (uint8_t)if_so, (uint8_t)if_not, value};
    return at + 1;
}

/* Of a foreign architecture's calls the numbers mean other things: they end the process. Those of
 * x32, above all others, are forbidden. */
static size_t write_program(struct sock_filter program[INSTRUCTIONS])
{
    size_t at = 0;
    at = add(program, at, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0, 0);
    at = add(program, at, BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0);
    at = add(program, at, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS, 0, 0);
    at = add(program, at, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
    at = add(program, at, BPF_JMP | BPF_JGE | BPF_K, 0x40000000, FORBIDDEN + 2, 0);
    at = add(program, at, BPF_JMP | BPF_JGT | BPF_K, NEWEST_KNOWN, FORBIDDEN + 2, 0);
    for (size_t i = 0; i < FORBIDDEN; i++)
        at = add(program, at, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)forbidden[i], FORBIDDEN - i, 0);
    at = add(program, at, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
    at = add(program, at, BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM, 0, 0);
    return add(program, at, BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS, 0, 0);
}

static bool restrict_calls(void)
{
    struct sock_filter program[INSTRUCTIONS];
    const struct sock_fprog filter = {(unsigned short)write_program(program), program};
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}
#else
static bool restrict_calls(void)
{
    return false;
}
#endif

/* ---- all of it ---- */

static void restrict_all(const struct sandbox_plan *plan)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        log_line("lstmd: warning: no sandbox: %s", strerror(errno));
        return;
    }
    const bool files = restrict_files(plan), calls = restrict_calls();
    if (!files || !calls)
        log_line("lstmd: warning: the kernel has no %s: %s",
                 files   ? "seccomp"
                 : calls ? "Landlock"
                         : "Landlock and no seccomp",
                 files   ? "its calls are not restricted"
                 : calls ? "files are not restricted"
                         : "the server is not restricted");
}

static void enter(const struct sandbox_plan *plan)
{
    const struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    if (!IS_LOOKED_AT)
        prctl(PR_SET_DUMPABLE, 0);
    restrict_all(plan);
}

bool sandbox_enter(struct sandbox_plan *plan, struct fault *fault)
{
    const bool is_whole = plan->fault.status == 0;
    if (is_whole)
        enter(plan);
    else
        *fault = plan->fault;
    if (plan->ruleset >= 0)
        close(plan->ruleset);
    return is_whole;
}
