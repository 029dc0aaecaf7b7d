/* machine-peaks: what this machine can do at best, as lines for run_bench.py.
 *
 *   machine-peaks --threads N
 *
 *   peak=fma threads=1 gflops=95.1
 *   peak=read threads=1 bytes=16384 gbps=129.4
 *
 * Float32 fused multiply-adds in registers, and reading one buffer of so many bytes again and again
 * (each thread reads its share), with the instructions the best kernel uses. Each number is the
 * best of several attempts: others' work only ever makes it smaller. */
#include <immintrin.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "tests/support/die.h"

#define AVX2            __attribute__((target("avx2,fma")))
#define AVX512          __attribute__((target("avx512f")))
#define ATTEMPT_SECONDS 0.02

enum {
    ATTEMPTS = 12,
    THREADS_MAX = 256,
    FMA_CHAINS = 12, /* more than two units of 4 cycles' latency need */
    FMA_ROUNDS = 100000,
    READ_BLOCK = 256, /* bytes an iteration of the reading loop takes */
    READ_STREAMS = 4,
    READ_AT_ONCE = 4 << 20, /* bytes between two looks at the clock, at least */
    READ_BYTES_MIN = 8 << 10,
    READ_BYTES_MAX = 128 << 20,
    HUGE_PAGE = 2 << 20,
};

/* What a thread repeats; work() returns how much it has done: floating point operations or bytes.
 */
struct task {
    double (*work)(const char *buffer, size_t bytes);
    size_t bytes; /* of all threads together */
    size_t threads;
    atomic_size_t arrivals; /* at the starts of attempts, of all threads */
};

struct member {
    struct task *task;
    pthread_t thread;
    double rates[ATTEMPTS]; /* per second */
};

static bool wide; /* has what the AVX-512 kernel needs: set before there are threads */

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* ---- the work ---- */

/* Volatile assembly keeps the compiler from computing this beforehand. */
#define MULTIPLY_ADDS(x)                                                                           \
    __asm__ volatile("vfmadd231ps %12, %12, %0\n\tvfmadd231ps %12, %12, %1\n\t"                    \
                     "vfmadd231ps %12, %12, %2\n\tvfmadd231ps %12, %12, %3\n\t"                    \
                     "vfmadd231ps %12, %12, %4\n\tvfmadd231ps %12, %12, %5\n\t"                    \
                     "vfmadd231ps %12, %12, %6\n\tvfmadd231ps %12, %12, %7\n\t"                    \
                     "vfmadd231ps %12, %12, %8\n\tvfmadd231ps %12, %12, %9\n\t"                    \
                     "vfmadd231ps %12, %12, %10\n\tvfmadd231ps %12, %12, %11"                      \
                     : "+v"(a), "+v"(b), "+v"(c), "+v"(d), "+v"(e), "+v"(f), "+v"(g), "+v"(h),     \
                       "+v"(i), "+v"(j), "+v"(k), "+v"(l)                                          \
                     : "v"(x))

AVX2 static double multiply_add_8(const char *buffer, size_t bytes)
{
    (void)buffer, (void)bytes;
    const __m256 x = _mm256_set1_ps(0.5f);
    __m256 a = x, b = x, c = x, d = x, e = x, f = x, g = x, h = x, i = x, j = x, k = x, l = x;
    for (int n = 0; n < FMA_ROUNDS; n++)
        MULTIPLY_ADDS(x);
    return 2.0 * FMA_CHAINS * 8 * FMA_ROUNDS;
}

AVX512 static double multiply_add_16(const char *buffer, size_t bytes)
{
    (void)buffer, (void)bytes;
    const __m512 x = _mm512_set1_ps(0.5f);
    __m512 a = x, b = x, c = x, d = x, e = x, f = x, g = x, h = x, i = x, j = x, k = x, l = x;
    for (int n = 0; n < FMA_ROUNDS; n++)
        MULTIPLY_ADDS(x);
    return 2.0 * FMA_CHAINS * 16 * FMA_ROUNDS;
}

/* READ_BLOCK bytes. */
AVX2 static inline void read_by_32(const char *at)
{
    __asm__ volatile("vmovaps (%0), %%ymm0\n\tvmovaps 32(%0), %%ymm1\n\t"
                     "vmovaps 64(%0), %%ymm2\n\tvmovaps 96(%0), %%ymm3\n\t"
                     "vmovaps 128(%0), %%ymm4\n\tvmovaps 160(%0), %%ymm5\n\t"
                     "vmovaps 192(%0), %%ymm6\n\tvmovaps 224(%0), %%ymm7"
                     :
                     : "r"(at)
                     : "ymm0", "ymm1", "ymm2", "ymm3", "ymm4", "ymm5", "ymm6", "ymm7", "memory");
}

AVX512 static inline void read_by_64(const char *at)
{
    __asm__ volatile("vmovaps (%0), %%zmm0\n\tvmovaps 64(%0), %%zmm1\n\t"
                     "vmovaps 128(%0), %%zmm2\n\tvmovaps 192(%0), %%zmm3"
                     :
                     : "r"(at)
                     : "zmm0", "zmm1", "zmm2", "zmm3", "memory");
}

/* Four streams side by side: beyond the caches that is up to twice as fast as one. */
#define READ_ONCE(read_block)                                                                      \
    do {                                                                                           \
        const size_t quarter = bytes / READ_STREAMS;                                               \
        for (const char *at = buffer; at < buffer + quarter; at += READ_BLOCK) {                   \
            read_block(at);                                                                        \
            read_block(at + quarter);                                                              \
            read_block(at + 2 * quarter);                                                          \
            read_block(at + 3 * quarter);                                                          \
        }                                                                                          \
    } while (0)

AVX2 static void read_once_by_32(const char *buffer, size_t bytes)
{
    READ_ONCE(read_by_32);
}

AVX512 static void read_once_by_64(const char *buffer, size_t bytes)
{
    READ_ONCE(read_by_64);
}

static double read_again(const char *buffer, size_t bytes)
{
    void (*const read_once)(const char *, size_t) = wide ? read_once_by_64 : read_once_by_32;
    const size_t times = 1 + READ_AT_ONCE / bytes;
    for (size_t i = 0; i < times; i++)
        read_once(buffer, bytes);
    return (double)bytes * (double)times;
}

/* ---- threads ---- */

/* On huge pages where the system gives them, so that page tables do not limit. */
static char *map_buffer(size_t bytes)
{
    const size_t rounded = (bytes / HUGE_PAGE + 1) * HUGE_PAGE;
    char *buffer = mmap(NULL, rounded, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (buffer == MAP_FAILED)
        die("no memory for %zu bytes", rounded);
    madvise(buffer, rounded, MADV_HUGEPAGE);
    memset(buffer, 1, rounded);
    return buffer;
}

static double attempt(const struct task *task, const char *buffer, size_t bytes)
{
    const double start = now();
    double done = 0, end;
    do {
        done += task->work(buffer, bytes);
        end = now();
    } while (end - start < ATTEMPT_SECONDS);
    return done / (end - start);
}

static void *run_member(void *argument)
{
    struct member *member = argument;
    struct task *task = member->task;
    const size_t unit = READ_BLOCK * READ_STREAMS;
    const size_t share = task->bytes / task->threads / unit * unit;
    char *buffer = map_buffer(share);
    attempt(task, buffer, share);
    for (size_t i = 0; i < ATTEMPTS; i++) {
        /* All begin together, so that what is added up was there at the same time. */
        atomic_fetch_add(&task->arrivals, 1);
        while (atomic_load(&task->arrivals) < (i + 1) * task->threads)
            ;
        member->rates[i] = attempt(task, buffer, share);
    }
    munmap(buffer, (share / HUGE_PAGE + 1) * HUGE_PAGE);
    return NULL;
}

static double best_sum(const struct member *members, size_t count)
{
    double best = 0;
    for (size_t i = 0; i < ATTEMPTS; i++) {
        double sum = 0;
        for (size_t m = 0; m < count; m++)
            sum += members[m].rates[i];
        best = sum > best ? sum : best;
    }
    return best;
}

/* Units of work a second, of all threads together. */
static double measure(double (*work)(const char *, size_t), size_t bytes, size_t threads)
{
    struct task task = {.work = work, .bytes = bytes, .threads = threads};
    struct member *members = must_allocate_zeros(threads, sizeof *members);
    for (size_t m = 0; m < threads; m++) {
        members[m].task = &task;
        const int error = pthread_create(&members[m].thread, NULL, run_member, &members[m]);
        if (error != 0)
            die("no thread: %s", strerror(error));
    }
    for (size_t m = 0; m < threads; m++)
        pthread_join(members[m].thread, NULL);
    const double best = best_sum(members, threads);
    free(members);
    return best;
}

static size_t thread_count(int argc, char **argv)
{
    char *rest = argv[0];
    const bool named = argc == 3 && strcmp(argv[1], "--threads") == 0;
    const unsigned long threads = named ? strtoul(argv[2], &rest, 10) : 0;
    if (threads < 1 || threads > THREADS_MAX || *rest != '\0') {
        fprintf(stderr, "usage: machine-peaks --threads N (1 to %d)\n", THREADS_MAX);
        exit(2);
    }
    return threads;
}

int main(int argc, char **argv)
{
    const size_t threads = thread_count(argc, argv);
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
        die("machine-peaks measures with AVX2 and FMA, which this machine does not have");
    wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq");
    printf("peak=fma threads=%zu gflops=%.1f\n", threads,
           measure(wide ? multiply_add_16 : multiply_add_8, 0, threads) * 1e-9);
    for (size_t bytes = READ_BYTES_MIN; bytes <= READ_BYTES_MAX; bytes *= 2)
        printf("peak=read threads=%zu bytes=%zu gbps=%.1f\n", threads, bytes,
               measure(read_again, bytes, threads) * 1e-9);
    return 0;
}
