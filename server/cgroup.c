#include "server/cgroup.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/file.h"

#define PATH_TEXT_MAX 1024
#define ROOT          "/sys/fs/cgroup"

size_t cgroup_quota_cpus(int64_t quota, int64_t period)
{
    if (quota <= 0 || period <= 0)
        return 0;
    const int64_t cpus = quota / period + (quota % period != 0);
    return (size_t)cpus;
}

size_t cgroup_parse_cpu_max(const char *text)
{
    int64_t quota, period;
    if (sscanf(text, "%" SCNd64 " %" SCNd64, &quota, &period) != 2)
        return 0;
    return cgroup_quota_cpus(quota, period);
}

size_t cgroup_parse_memory(const char *text)
{
    uint64_t bytes;
    if (text[0] < '0' || text[0] > '9' || sscanf(text, "%" SCNu64, &bytes) != 1)
        return SIZE_MAX;
    /* Version 1 writes "none" as the largest multiple of a page below 2^63. */
    return bytes >= UINT64_C(1) << 62 ? SIZE_MAX : (size_t)bytes;
}

/* Is name one of the words of list, which commas divide and a colon ends? */
static bool lists_controller(const char *list, const char *name)
{
    const size_t size = strlen(name);
    while (*list != ':') {
        const size_t word = strcspn(list, ",:");
        if (word == size && memcmp(list, name, size) == 0)
            return true;
        list += word;
        list += *list == ',';
    }
    return false;
}

bool cgroup_parse_path(const char *text, const char *controller, char *path, size_t capacity)
{
    /* Lines of "ID:CONTROLLERS:PATH"; version 2 has no controllers. */
    for (const char *line = text; *line != '\0';) {
        const size_t line_size = strcspn(line, "\n");
        const char *list = memchr(line, ':', line_size);
        list = list != NULL ? list + 1 : line + line_size;
        const char *colon = memchr(list, ':', (size_t)(line + line_size - list));
        if (colon != NULL &&
            (controller == NULL ? list == colon : lists_controller(list, controller))) {
            const size_t size = (size_t)(line + line_size - (colon + 1));
            if (size >= capacity)
                return false;
            memcpy(path, colon + 1, size);
            path[size] = '\0';
            return true;
        }
        line += line_size;
        line += *line == '\n';
    }
    return false;
}

/* The contents of ROOT/hierarchy/group/name, "" when there is no such file. */
static void read_limit(const char *hierarchy, const char *group, const char *name, char *text,
                       size_t capacity)
{
    char path[2 * PATH_TEXT_MAX];
    text[0] = '\0';
    snprintf(path, sizeof path, ROOT "%s%s/%s", hierarchy, group, name);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return;
    text[fread(text, 1, capacity - 1, file)] = '\0';
    fclose(file);
}

static size_t v2_cpus(const char *hierarchy, const char *group)
{
    char text[64];
    read_limit(hierarchy, group, "cpu.max", text, sizeof text);
    return cgroup_parse_cpu_max(text);
}

static size_t v1_cpus(const char *hierarchy, const char *group)
{
    char quota[32], period[32];
    read_limit(hierarchy, group, "cpu.cfs_quota_us", quota, sizeof quota);
    read_limit(hierarchy, group, "cpu.cfs_period_us", period, sizeof period);
    return cgroup_quota_cpus(strtoll(quota, NULL, 10), strtoll(period, NULL, 10));
}

static size_t v2_memory(const char *hierarchy, const char *group)
{
    char text[32];
    read_limit(hierarchy, group, "memory.max", text, sizeof text);
    return cgroup_parse_memory(text);
}

static size_t v1_memory(const char *hierarchy, const char *group)
{
    char text[32];
    read_limit(hierarchy, group, "memory.limit_in_bytes", text, sizeof text);
    return cgroup_parse_memory(text);
}

/* Asks for the group and each one above it, the root ("") last, and keeps the tightest answer. In a
 * container that sees only its own part of the tree, the path may not exist under ROOT; its upper
 * ends still do. none is what stands for no limit. */
static size_t tightest(const char *controller, const char *hierarchy, size_t none,
                       size_t (*ask)(const char *hierarchy, const char *group))
{
    char group[PATH_TEXT_MAX], text[PATH_TEXT_MAX * 4];
    FILE *file = fopen("/proc/self/cgroup", "re");
    if (file == NULL)
        return none;
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    if (!cgroup_parse_path(text, controller, group, sizeof group))
        return none;
    if (strcmp(group, "/") == 0)
        group[0] = '\0';
    size_t found = none;
    for (;;) {
        const size_t limit = ask(hierarchy, group);
        if (limit != none && (found == none || limit < found))
            found = limit;
        char *slash = strrchr(group, '/');
        if (slash == NULL)
            return found;
        *slash = '\0';
    }
}

static size_t smaller_cpus(size_t a, size_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

size_t cgroup_cpus(void)
{
    const size_t v1 = smaller_cpus(tightest("cpu", "/cpu", 0, v1_cpus),
                                   tightest("cpu", "/cpu,cpuacct", 0, v1_cpus));
    return smaller_cpus(tightest(NULL, "", 0, v2_cpus), v1);
}

size_t cgroup_memory(void)
{
    const size_t v2 = tightest(NULL, "", SIZE_MAX, v2_memory);
    const size_t v1 = tightest("memory", "/memory", SIZE_MAX, v1_memory);
    return v1 < v2 ? v1 : v2;
}
