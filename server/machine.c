#include "server/machine.h"

#include <sched.h>
#include <stdint.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/checked.h"
#include "server/cgroup.h"

#define CPUS_MAX 65536

/* The mask has as many bits as the kernel was built for, which can be more than cpu_set_t's. */
static size_t affinity_cpus(void)
{
    for (size_t bits = CPU_SETSIZE; bits <= CPUS_MAX; bits *= 2) {
        cpu_set_t *set = CPU_ALLOC(bits);
        if (set == NULL)
            return 1;
        const size_t size = CPU_ALLOC_SIZE(bits);
        const int count = sched_getaffinity(0, size, set) == 0 ? CPU_COUNT_S(size, set) : 0;
        CPU_FREE(set);
        if (count > 0)
            return (size_t)count;
    }
    return 1;
}

size_t machine_cpus(void)
{
    const size_t mask = affinity_cpus();
    const size_t quota = cgroup_cpus();
    return quota != 0 && quota < mask ? quota : mask;
}

size_t machine_memory(void)
{
    const long pages = sysconf(_SC_PHYS_PAGES);
    const long page_size = sysconf(_SC_PAGESIZE);
    const size_t group = cgroup_memory();
    size_t machine;
    if (pages <= 0 || page_size <= 0 || !checked_mul((size_t)pages, (size_t)page_size, &machine))
        return group;
    return group < machine ? group : machine;
}

size_t machine_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max > SIZE_MAX)
        return SIZE_MAX;
    return (size_t)limit.rlim_max;
}

bool machine_allow_files(size_t count, struct fault *fault)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= count)
        return true;
    if (limit.rlim_max < count)
        return fault_set(fault, 400,
                         "%zu open files are needed for this many connections, the limit "
                         "(ulimit -n) is %ju: lower connection_limit or raise the limit",
                         count, (uintmax_t)limit.rlim_max);
    limit.rlim_cur = count;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0 ||
           fault_set(fault, 400, "could not raise the limit of open files to %zu", count);
}
