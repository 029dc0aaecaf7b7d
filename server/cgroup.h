/* What a container's control group leaves to this process. The files' contents are read as text by
 * the first functions, which touch nothing; the last two go and look. */
#ifndef SERVER_CGROUP_H
#define SERVER_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The processors that a quota in microseconds of each period is worth, rounded up, at least 1; 0
 * for no limit. */
size_t cgroup_quota_cpus(int64_t quota, int64_t period);

/* cpu.max of version 2: "max 100000" or "150000 100000". 0 for no limit or what is not understood.
 */
size_t cgroup_parse_cpu_max(const char *text);

/* memory.max of version 2, memory.limit_in_bytes of version 1. SIZE_MAX for no limit or what is not
 * understood. */
size_t cgroup_parse_memory(const char *text);

/* This process's group in the hierarchy of a version 1 controller ("cpu", "memory") or, with NULL,
 * of version 2, out of the text of /proc/self/cgroup. false when there is none or it does not fit.
 */
bool cgroup_parse_path(const char *text, const char *controller, char *path, size_t capacity);

/* The tightest limit of this process's group and all above it. 0 and SIZE_MAX: none. */
size_t cgroup_cpus(void);
size_t cgroup_memory(void);

#endif
