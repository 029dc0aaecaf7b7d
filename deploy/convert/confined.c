#include "deploy/convert/confined.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "deploy/convert/companions.h"
#include "deploy/convert/confine.h"
#include "deploy/convert/convert.h"
#include "deploy/convert/saved_model.h"

/* All that is opened before the child gives up opening. */
struct openings {
    int input, config, folder; /* config: -1 without --config */
    int parent, child;         /* the two ends of the companions' socket */
    int verdict[2];            /* a pipe: the child's fault */
};

/* ---- the child ---- */

static bool fail_file(const char *name, struct fault *fault)
{
    return fault_set(fault, 400, "%s: %s", name, strerror(errno));
}

/* The whole file, into memory that the blob's owner frees. */
static bool read_whole(int fd, const char *name, struct blob *blob, struct fault *fault)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return fail_file(name, fault);
    if ((uintmax_t)st.st_size > INPUT_SIZE_MAX)
        return fault_set(fault, 400, "%s: at most %zu bytes expected, got %jd", name,
                         INPUT_SIZE_MAX, (intmax_t)st.st_size);
    const size_t size = (size_t)st.st_size;
    unsigned char *bytes = malloc(size + 1);
    if (bytes == NULL)
        return fault_set(fault, 503, "%s: no memory for its %zu bytes", name, size);
    for (size_t done = 0; done < size;) {
        const ssize_t got = read(fd, bytes + done, size - done);
        if (got <= 0 && !(got < 0 && errno == EINTR)) {
            free(bytes);
            return got < 0 ? fail_file(name, fault)
                           : fault_set(fault, 400, "%s: it was cut while it was read", name);
        }
        done += got > 0 ? (size_t)got : 0;
    }
    bytes[size] = '\0';
    *blob = (struct blob){.bytes = bytes, .size = size};
    return true;
}

static bool read_beside(void *context, const char *name, struct blob *blob, struct fault *fault)
{
    const int fd = companions_ask(*(const int *)context, name, fault);
    if (fd < 0)
        return false;
    const bool done = read_whole(fd, name, blob, fault);
    close(fd);
    return done;
}

static bool put(FILE *file, const struct blob *blob, struct fault *fault)
{
    if (fwrite(blob->bytes, 1, blob->size, file) == blob->size && fflush(file) == 0)
        return true;
    return fault_set(fault, 503, "a temporary file: %s", strerror(errno));
}

static bool convert_input(struct input *input, const struct command_line *line,
                          const struct products *products, struct fault *fault)
{
    struct converted converted;
    if (!convert(input, line->name, &converted, fault))
        return false;
    const bool done = put(products->config, &converted.config, fault) &&
                      put(products->weights, &converted.weights, fault) &&
                      put(products->summary, &converted.summary, fault);
    converted_fini(&converted);
    return done;
}

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static bool run(const struct command_line *line, const struct openings *openings,
                const struct products *products, struct fault *fault)
{
    int socket = openings->child;
    struct input input = {.name = file_name(line->input),
                          .options = line->read,
                          .beside = read_beside,
                          .context = &socket};
    bool done = confine(fault) && read_whole(openings->input, input.name, &input.file, fault) &&
                (openings->config < 0 ||
                 read_whole(openings->config, line->config, &input.config, fault)) &&
                convert_input(&input, line, products, fault);
    free(input.file.bytes);
    free(input.config.bytes);
    return done;
}

static _Noreturn void be_the_child(const struct command_line *line, const struct openings *openings,
                                   const struct products *products)
{
    struct fault fault = {0};
    close(openings->parent);
    close(openings->folder);
    close(openings->verdict[0]);
    const bool done = run(line, openings, products, &fault);
    const ssize_t told = write(openings->verdict[1], &fault, sizeof fault);
    _exit(done && told == (ssize_t)sizeof fault ? 0 : 1);
}

/* ---- the parent ---- */

static bool fail_kind(int fd, const char *path, struct fault *fault)
{
    if (!saved_model_is_folder(fd))
        return fault_set(fault, 400, "%s: a regular file expected", path);
    return saved_model_refuse(fault) || fault_prefix(fault, "%s", path);
}

static int open_regular(const char *path, struct fault *fault)
{
    struct stat st;
    const int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0) {
        fail_file(path, fault);
        return -1;
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        fail_kind(fd, path, fault);
        close(fd);
        return -1;
    }
    return fd;
}

static bool open_folder(const char *path, struct openings *openings, struct fault *fault)
{
    char *copy = strdup(path);
    if (copy == NULL)
        return fault_set(fault, 503, "out of memory");
    openings->folder = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(copy);
    return openings->folder >= 0 || fail_file(path, fault);
}

static bool open_all(const struct command_line *line, struct openings *openings,
                     struct fault *fault)
{
    int ends[2];
    openings->input = open_regular(line->input, fault);
    if (openings->input < 0 || !open_folder(line->input, openings, fault))
        return false;
    if (line->config != NULL) {
        openings->config = open_regular(line->config, fault);
        if (openings->config < 0)
            return false;
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return fault_set(fault, 503, "socketpair: %s", strerror(errno));
    openings->parent = ends[0];
    openings->child = ends[1];
    if (pipe2(openings->verdict, O_CLOEXEC) != 0)
        return fault_set(fault, 503, "pipe: %s", strerror(errno));
    return true;
}

static void close_one(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void close_all(struct openings *openings)
{
    close_one(&openings->input);
    close_one(&openings->config);
    close_one(&openings->folder);
    close_one(&openings->parent);
    close_one(&openings->child);
    close_one(&openings->verdict[0]);
    close_one(&openings->verdict[1]);
}

static bool judge(int status, const struct fault *told, bool was_told, struct fault *fault)
{
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU)
        return fault_set(fault, 400, "reading it took more than %d seconds: given up",
                         CONFINE_CPU_SECONDS);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ)
        return fault_set(fault, 400, "the converted weights are too large for one file");
    if (WIFSIGNALED(status))
        return fault_set(fault, 400, "reading it crashed (%s): the file is broken, or made to harm",
                         strsignal(WTERMSIG(status)));
    if (!was_told || (WEXITSTATUS(status) != 0 && told->status == 0))
        return fault_set(fault, 400, "reading it ended without an answer (exit %d)",
                         WEXITSTATUS(status));
    *fault = *told;
    fault->text[sizeof fault->text - 1] = '\0';
    return WEXITSTATUS(status) == 0;
}

static bool await_child(pid_t child, struct openings *openings, const char *input,
                        struct fault *fault)
{
    struct fault told;
    int status;
    close_one(&openings->child);
    close_one(&openings->verdict[1]);
    companions_serve(openings->parent, openings->folder);
    const bool was_told = read(openings->verdict[0], &told, sizeof told) == (ssize_t)sizeof told;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return fault_set(fault, 503, "waitpid: %s", strerror(errno));
    return judge(status, &told, was_told, fault) || fault_prefix(fault, "%s", input);
}

bool confined_convert(const struct command_line *line, const struct products *products,
                      struct fault *fault)
{
    struct openings openings = {-1, -1, -1, -1, -1, {-1, -1}};
    bool done = false;
    if (open_all(line, &openings, fault)) {
        const pid_t child = fork();
        if (child == 0)
            be_the_child(line, &openings, products);
        done = child > 0 ? await_child(child, &openings, line->input, fault)
                         : fault_set(fault, 503, "fork: %s", strerror(errno));
    }
    close_all(&openings);
    return done;
}
