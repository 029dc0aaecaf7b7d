#include "server/access.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proto/utf8.h"
#include "server/file.h"

#define FILE_SIZE_MAX ((size_t)64 << 10)

/* Each has the bits of those before it: what several lines say of a token, put together without a
 * comparison, is the widest of them and never more. */
enum scope { SCOPE_NONE = 0, SCOPE_READ = 1, SCOPE_INFER = 3, SCOPE_ADMIN = 7 };

struct token {
    enum scope scope;
    unsigned char bytes[ACCESS_TOKEN_MAX + 1]; /* with zeros to the end: all are equally long */
};

struct tokens {
    size_t count;
    struct token list[ACCESS_TOKENS_MAX];
};

struct access {
    char *path;
    pthread_rwlock_t lock;
    struct tokens tokens;
};

/* ---- the file ---- */

static enum scope find_scope(const char *word, size_t size)
{
    static const struct {
        const char *name;
        enum scope scope;
    } scopes[] = {{"read", SCOPE_READ}, {"infer", SCOPE_INFER}, {"admin", SCOPE_ADMIN}};
    for (size_t i = 0; i < sizeof scopes / sizeof *scopes; i++)
        if (strlen(scopes[i].name) == size && memcmp(scopes[i].name, word, size) == 0)
            return scopes[i].scope;
    return SCOPE_NONE;
}

/* What RFC 6750 lets a token be of. */
static bool is_token(const char *text, size_t size)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                  "0123456789-._~+/=";
    return size >= ACCESS_TOKEN_MIN && size <= ACCESS_TOKEN_MAX && strspn(text, letters) >= size;
}

/* line: without its newline, which or a NUL follows. */
static bool read_line(struct tokens *tokens, const char *line, size_t size, size_t number,
                      struct fault *fault)
{
    const size_t word = strcspn(line, " \t\r\n");
    const char *token = line + word;
    token += strspn(token, " \t");
    const size_t token_size = strcspn(token, " \t\r\n");
    const char *rest = token + token_size;
    if (rest > line + size)
        token = rest = line + size;
    const enum scope scope = find_scope(line, word);
    if (scope == SCOPE_NONE || !is_token(token, token_size) ||
        strspn(rest, " \t\r") < (size_t)(line + size - rest))
        return fault_set(fault, 400,
                         "line %zu: read, infer or admin and a token of %d to %d letters, digits "
                         "or -._~+/= expected",
                         number, ACCESS_TOKEN_MIN, ACCESS_TOKEN_MAX);
    if (tokens->count == ACCESS_TOKENS_MAX)
        return fault_set(fault, 400, "at most %d tokens expected", ACCESS_TOKENS_MAX);
    struct token *added = &tokens->list[tokens->count++];
    added->scope = scope;
    memcpy(added->bytes, token, token_size);
    return true;
}

static bool read_lines(struct tokens *tokens, const char *text, struct fault *fault)
{
    for (size_t number = 1; *text != '\0'; number++) {
        text += strspn(text, " \t\r");
        const size_t size = strcspn(text, "\n");
        if (size != 0 && *text != '#' && !read_line(tokens, text, size, number, fault))
            return false;
        text += size + (text[size] == '\n');
    }
    return tokens->count != 0 || fault_set(fault, 400, "holds no token");
}

static bool read_file(struct tokens *tokens, const char *path, struct fault *fault)
{
    char *text;
    size_t size;
    if (!file_read(path, FILE_SIZE_MAX, &text, &size, fault))
        return false;
    memset(tokens, 0, sizeof *tokens);
    const bool done = strlen(text) == size ? read_lines(tokens, text + utf8_mark(text, size), fault)
                                           : fault_set(fault, 400, "holds a NUL");
    explicit_bzero(text, size);
    free(text);
    return done || fault_prefix(fault, "%s", path);
}

bool access_reload(struct access *access, struct fault *fault)
{
    struct tokens tokens;
    const bool done = read_file(&tokens, access->path, fault);
    if (done) {
        pthread_rwlock_wrlock(&access->lock);
        access->tokens = tokens;
        pthread_rwlock_unlock(&access->lock);
    }
    explicit_bzero(&tokens, sizeof tokens);
    return done;
}

bool access_open(struct access **opened, const char *path, struct fault *fault)
{
    struct access *access = calloc(1, sizeof *access);
    char *copy = strdup(path);
    if (access == NULL || copy == NULL) {
        free(access);
        free(copy);
        return fault_set(fault, 503, "out of memory");
    }
    access->path = copy;
    pthread_rwlock_init(&access->lock, NULL);
    if (access_reload(access, fault)) {
        *opened = access;
        return true;
    }
    access_close(access);
    return false;
}

void access_close(struct access *access)
{
    pthread_rwlock_destroy(&access->lock);
    free(access->path);
    explicit_bzero(access, sizeof *access);
    free(access);
}

/* ---- a request ---- */

/* Without a default: a route that comes later does not compile until somebody has decided. Pages
 * are the same on every server and say nothing of this one; a browser sends no token for them. */
static enum scope scope_of(enum route_kind kind)
{
    switch (kind) {
    case ROUTE_NONE:
    case ROUTE_LIVE:
    case ROUTE_READY:
    case ROUTE_V1_LIVE:
    case ROUTE_CONSOLE:
    case ROUTE_CONSOLE_SCRIPT:
    case ROUTE_DOCS:
    case ROUTE_DOCS_SCRIPT:
    case ROUTE_DOCS_STYLE:
    case ROUTE_OPENAPI:
        return SCOPE_NONE;
    case ROUTE_SERVER_METADATA:
    case ROUTE_MODEL_LIST:
    case ROUTE_MODEL_METADATA:
    case ROUTE_MODEL_READY:
    case ROUTE_MODEL_CONFIG:
    case ROUTE_MODEL_STATS:
    case ROUTE_ALL_STATS:
    case ROUTE_REPOSITORY_INDEX:
    case ROUTE_LOGGING:
    case ROUTE_V1_MODEL_STATUS:
    case ROUTE_V1_MODEL_METADATA:
    case ROUTE_METRICS:
        return SCOPE_READ;
    case ROUTE_INFER:
    case ROUTE_INFER_STREAM:
    case ROUTE_V1_PREDICT:
    case ROUTE_SEQUENCE_LIST:
    case ROUTE_SEQUENCE_EXPORT:
    case ROUTE_SEQUENCE_IMPORT:
    case ROUTE_SEQUENCE_DROP:
        return SCOPE_INFER;
    case ROUTE_MODEL_LOAD:
    case ROUTE_MODEL_UNLOAD:
    case ROUTE_LOGGING_UPDATE:
    case ROUTE_COUNT: /* no route */
        break;
    }
    return SCOPE_ADMIN;
}

/* The token in "Bearer TOKEN", padded like those of the file. */
static bool read_authorization(const char *value, unsigned char bytes[ACCESS_TOKEN_MAX + 1])
{
    memset(bytes, 0, ACCESS_TOKEN_MAX + 1);
    if (value == NULL || strncasecmp(value, "Bearer ", 7) != 0)
        return false;
    value += 7;
    value += strspn(value, " ");
    const size_t size = strlen(value);
    if (!is_token(value, size))
        return false;
    memcpy(bytes, value, size);
    return true;
}

/* Every byte of every token is looked at, whatever was found before. */
static enum scope compare(const struct tokens *tokens,
                          const unsigned char bytes[ACCESS_TOKEN_MAX + 1])
{
    unsigned found = SCOPE_NONE;
    for (size_t i = 0; i < tokens->count; i++) {
        unsigned difference = 0;
        for (size_t j = 0; j <= ACCESS_TOKEN_MAX; j++)
            difference |= (unsigned)(tokens->list[i].bytes[j] ^ bytes[j]);
        const unsigned equal = (difference - 1U) >> (8 * sizeof difference - 1);
        found |= equal * (unsigned)tokens->list[i].scope;
    }
    return (enum scope)found;
}

bool access_check(struct access *access, enum route_kind kind, const char *authorization,
                  struct fault *fault)
{
    unsigned char bytes[ACCESS_TOKEN_MAX + 1];
    const enum scope wanted = scope_of(kind);
    if (wanted == SCOPE_NONE)
        return true;
    if (!read_authorization(authorization, bytes))
        return fault_set(fault, 401, "a token is needed: Authorization: Bearer TOKEN");
    pthread_rwlock_rdlock(&access->lock);
    const enum scope scope = compare(&access->tokens, bytes);
    pthread_rwlock_unlock(&access->lock);
    if (scope == SCOPE_NONE)
        return fault_set(fault, 401, "the token is not known");
    return scope >= wanted || fault_set(fault, 403, "the token does not allow this");
}

const char *access_challenge(int status, bool token_given)
{
    if (status == 401)
        return token_given ? "Bearer realm=\"lstmd\", error=\"invalid_token\""
                           : "Bearer realm=\"lstmd\"";
    return status == 403 ? "Bearer realm=\"lstmd\", error=\"insufficient_scope\"" : NULL;
}
