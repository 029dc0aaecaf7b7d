#include "server/process_usage.h"

#include <dirent.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "server/clock.h"

/* Fields 22 to 24 of proc(5)'s stat. */
struct stat_fields {
    uint64_t start; /* clock ticks after boot */
    uint64_t virtual_bytes;
    uint64_t resident_pages;
};

/* The name, field 2, may hold anything; the last parenthesis ends it. */
static bool parse_stat(const char *line, struct stat_fields *fields)
{
    const char *at = strrchr(line, ')');
    for (int field = 2; at != NULL && field < 22; field++)
        at = strchr(at + 1, ' ');
    return at != NULL && sscanf(at, " %" SCNu64 " %" SCNu64 " %" SCNu64, &fields->start,
                                &fields->virtual_bytes, &fields->resident_pages) == 3;
}

static bool read_stat(struct stat_fields *fields)
{
    char line[1024];
    FILE *file = fopen("/proc/self/stat", "re");
    if (file == NULL)
        return false;
    const bool done = fgets(line, sizeof line, file) != NULL && parse_stat(line, fields);
    fclose(file);
    return done;
}

static uint64_t now_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * CLOCK_NS_PER_S + (uint64_t)now.tv_nsec;
}

static uint64_t start_ms;

static void find_start(void)
{
    struct stat_fields fields;
    if (!read_stat(&fields))
        return;
    const uint64_t boot = now_ns(CLOCK_REALTIME) - now_ns(CLOCK_BOOTTIME);
    const uint64_t second = (uint64_t)sysconf(_SC_CLK_TCK);
    start_ms = boot / CLOCK_NS_PER_MS + fields.start * 1000 / second;
}

static bool count_open_files(uint64_t *count)
{
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL)
        return false;
    *count = 0;
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder))
        *count += entry->d_name[0] != '.';
    *count -= 1; /* the folder itself */
    closedir(folder);
    return true;
}

static uint64_t timeval_ns(struct timeval time)
{
    return (uint64_t)time.tv_sec * CLOCK_NS_PER_S + (uint64_t)time.tv_usec * 1000;
}

bool process_usage_read(struct process_usage *usage)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct stat_fields fields;
    struct rusage times;
    struct rlimit files;
    /* Setting the wall clock must not make it look like another process. */
    pthread_once(&once, find_start);
    if (start_ms == 0 || !read_stat(&fields) || !count_open_files(&usage->open_files))
        return false;
    getrusage(RUSAGE_SELF, &times);
    getrlimit(RLIMIT_NOFILE, &files);
    usage->cpu_ns = timeval_ns(times.ru_utime) + timeval_ns(times.ru_stime);
    usage->resident_bytes = fields.resident_pages * (uint64_t)sysconf(_SC_PAGESIZE);
    usage->virtual_bytes = fields.virtual_bytes;
    usage->open_files_limit = files.rlim_cur;
    usage->start_ms = start_ms;
    return true;
}
