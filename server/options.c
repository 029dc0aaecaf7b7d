#include "server/options.h"

#include <assert.h>
#include <cjson/cJSON.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/config_json.h"
#include "proto/excerpt.h"
#include "server/file.h"
#include "server/machine.h"
#include "server/tick_rule.h"

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)
#define GIB ((size_t)1 << 30)

#define DAY_MS ((size_t)24 * 3600 * 1000)

/* LIST: of paths; WORDS: of anything else. */
enum option_type { TEXT, PATH, LIST, WORDS, SIZE, FLAG };

enum option_places { ANYWHERE, NOT_IN_FILE, ONLY_AS_FLAG };

enum option_source { FROM_NOWHERE, FROM_FILE, FROM_ENVIRONMENT, FROM_FLAG };

struct option {
    const char *key;
    enum option_type type;
    enum option_places places;
    size_t offset;                      /* in struct options */
    size_t min, max;                    /* SIZE only */
    size_t fallback;                    /* the same; 0 where fill_in_defaults asks the machine */
    const char *text;                   /* TEXT's default, or NULL */
    const char *argument, *description; /* for --help; FLAG has no argument */
};

#define AT(member) offsetof(struct options, member)

static const struct option table[] = {
    {"config", TEXT, NOT_IN_FILE, AT(config), 0, 0, 0, NULL, "FILE",
     "JSON with any of these options as keys"},
    {"models", LIST, ANYWHERE, AT(models), 0, 0, 0, NULL, "DIR",
     "serve every model config (*.json) in DIR; repeatable"},
    {"model", LIST, ANYWHERE, AT(model), 0, 0, 0, NULL, "FILE",
     "serve the model of this config; repeatable"},
    {"http", TEXT, ANYWHERE, AT(http), 0, 0, 0, "127.0.0.1:8080", "ADDR:PORT|none",
     "where to answer HTTP; port 0: a free one"},
    {"admin", TEXT, ANYWHERE, AT(admin), 0, 0, 0, NULL, "ADDR:PORT",
     "answer probes, metrics and model control there, on a thread of their own"},
    {"zmq", WORDS, ANYWHERE, AT(zmq), 0, 0, 0, NULL, "ENDPOINT|none",
     "where to answer ZeroMQ: tcp://ADDR:PORT, ipc://PATH; repeatable (none)"},
    {"zmq_events", TEXT, ANYWHERE, AT(zmq_events), 0, 0, 0, "none", "ENDPOINT|none",
     "where to publish what happens to models and sequences"},
    {"zmq_peer_limit", SIZE, ANYWHERE, AT(zmq_peer_limit), 1, 1000000, 1024, NULL, "N",
     "requests of one ZeroMQ peer at once"},
    {"zmq_curve_secret", PATH, ANYWHERE, AT(zmq_curve_secret), 0, 0, 0, NULL, "FILE",
     "ZeroMQ with CURVE: the server's key, as --make-curve-keys wrote it"},
    {"zmq_curve_clients", PATH, ANYWHERE, AT(zmq_curve_clients), 0, 0, 0, NULL, "FILE",
     "the public keys of those who are let in, one a line"},
    {"workers", SIZE, ANYWHERE, AT(workers), 1, 1024, 0, NULL, "N",
     "threads that compute; default: the processors there are"},
    {"http_threads", SIZE, ANYWHERE, AT(http_threads), 2, 64, 0, NULL, "N",
     "threads that serve connections; default: the processors there are, 2 to 16"},
    {"kernel", TEXT, ANYWHERE, AT(kernel), 0, 0, 0, NULL, "NAME",
     "instruction set to compute with; default: the best"},
    {"queue_limit", SIZE, ANYWHERE, AT(queue_limit), 1, 1000000, 256, NULL, "N",
     "requests of one model at once, waiting or being computed"},
    {"queue_rows_limit", SIZE, ANYWHERE, AT(queue_rows_limit), 1, 100000000, 4096, NULL, "N",
     "rows in them; a request alone may have more"},
    {"queue_client_percent", SIZE, ANYWHERE, AT(queue_client_percent), 1, 100, 75, NULL, "N",
     "part of both that one address (of IPv6: /64) may take; 100: all of it"},
    {"tick_rows", SIZE, ANYWHERE, AT(tick_rows), 1, TICK_ROWS, TICK_ROWS, NULL, "N",
     "most rows of different requests that go through a model together; 1: no batching"},
    {"connection_limit", SIZE, ANYWHERE, AT(connection_limit), 8, 1000000, 0, NULL, "N",
     "open connections; default: 1024, or half the files that may be open"},
    {"max_body_bytes", SIZE, ANYWHERE, AT(max_body_bytes), 1 * KIB, 16 * GIB, 64 * MIB, NULL, "N",
     "largest request body, unpacked where it comes packed"},
    /* Python's clients say that they take gzip whether their user cares or not, and packing costs
     * more than printing: what is short goes as it is. */
    {"compress_from_bytes", SIZE, ANYWHERE, AT(compress_from_bytes), 1, 16 * GIB, 64 * KIB, NULL,
     "N", "answers so long are packed for clients that accept gzip or deflate"},
    {"max_memory_bytes", SIZE, ANYWHERE, AT(max_memory_bytes), 1 * MIB, 1024 * GIB, 0, NULL, "N",
     "for all requests together; default: 1 GiB or a quarter of the memory"},
    {"header_timeout_ms", SIZE, ANYWHERE, AT(header_timeout_ms), 1, DAY_MS, 10000, NULL, "N",
     "from a request's first line to its last header"},
    {"body_timeout_ms", SIZE, ANYWHERE, AT(body_timeout_ms), 1, DAY_MS, 10000, NULL, "N",
     "for a body, beside its bytes at min_rate_bytes"},
    {"reply_timeout_ms", SIZE, ANYWHERE, AT(reply_timeout_ms), 1, DAY_MS, 30000, NULL, "N",
     "for a reply to be taken, beside its bytes at min_rate_bytes"},
    {"min_rate_bytes", SIZE, ANYWHERE, AT(min_rate_bytes), 1, GIB, 16 * KIB, NULL, "N",
     "bytes a second expected of a client"},
    {"idle_timeout_ms", SIZE, ANYWHERE, AT(idle_timeout_ms), 1, DAY_MS, 60000, NULL, "N",
     "between two requests of a connection"},
    {"request_timeout_ms", SIZE, ANYWHERE, AT(request_timeout_ms), 1, DAY_MS, 30000, NULL, "N",
     "for a request to be computed, its wait included; then 504"},
    {"ignore_half_close", FLAG, ANYWHERE, AT(ignore_half_close), 0, 0, 0, NULL, NULL,
     "compute requests of clients that closed their sending side"},
    {"sequence_limit", SIZE, ANYWHERE, AT(sequence_limit), 1, 10000000, 10000, NULL, "N",
     "sequences whose state is kept"},
    {"sequence_bytes_limit", SIZE, ANYWHERE, AT(sequence_bytes_limit), 64 * KIB, 1024 * GIB,
     256 * MIB, NULL, "N", "memory for them"},
    {"sequence_idle_timeout_ms", SIZE, ANYWHERE, AT(sequence_idle_timeout_ms), 0, 365 * DAY_MS,
     60000, NULL, "N", "until a sequence without requests is dropped; 0: never"},
    {"sequence_file", PATH, ANYWHERE, AT(sequence_file), 0, 0, 0, NULL, "FILE",
     "keep the sequences in FILE from a stop to the next start"},
    {"tokens_file", PATH, ANYWHERE, AT(tokens_file), 0, 0, 0, NULL, "FILE",
     "bearer tokens, one a line: read, infer or admin, then the token"},
    {"auth", TEXT, ANYWHERE, AT(auth), 0, 0, 0, NULL, "tokens|none",
     "none: serve without tokens where others than this machine can connect"},
    {"tls_certificate", PATH, ANYWHERE, AT(tls_certificate), 0, 0, 0, NULL, "FILE",
     "serve HTTPS with this certificate (PEM, with those that signed it)"},
    {"tls_key", PATH, ANYWHERE, AT(tls_key), 0, 0, 0, NULL, "FILE", "its private key (PEM)"},
    {"tls_client_ca", PATH, ANYWHERE, AT(tls_client_ca), 0, 0, 0, NULL, "FILE",
     "serve only clients whose certificate one of these has signed"},
    {"sandbox", TEXT, ANYWHERE, AT(sandbox), 0, 0, 0, "on", "on|off",
     "give up what serving does not need (Landlock, seccomp)"},
    {"allow_model_control", FLAG, ANYWHERE, AT(allow_model_control), 0, 0, 0, NULL, NULL,
     "let clients load and unload the configured models over HTTP"},
    {"log_format", TEXT, ANYWHERE, AT(log_format), 0, 0, 0, "text", "text|json",
     "lines of text, or a JSON object a line"},
    {"access_log", FLAG, ANYWHERE, AT(access_log), 0, 0, 0, NULL, NULL,
     "log a line for every HTTP request"},
    {"slow_request_ms", SIZE, ANYWHERE, AT(slow_request_ms), 0, DAY_MS, 0, NULL, "N",
     "log HTTP requests that take so long, with the parts of their time; 0: none"},
    {"drain_delay_ms", SIZE, ANYWHERE, AT(drain_delay_ms), 0, DAY_MS, 0, NULL, "N",
     "when told to stop: serve on for so long, not ready"},
    {"drain_timeout_ms", SIZE, ANYWHERE, AT(drain_timeout_ms), 0, DAY_MS, 20000, NULL, "N",
     "then: finish what was accepted within so long"},
    {"check", FLAG, ANYWHERE, AT(check), 0, 0, 0, NULL, NULL,
     "load and try every model, say what would be served, exit 0 or 1 (2: wrong options)"},
    {"make_curve_keys", PATH, ONLY_AS_FLAG, AT(make_curve_keys), 0, 0, 0, NULL, "FILE",
     "write a new pair of CURVE keys to FILE, print the public one"},
    {"probe", TEXT, ONLY_AS_FLAG, AT(probe), 0, 0, 0, NULL, "URL",
     "ask a server whether it is well, exit 0 or 1; http:// alone: with TLS ask its --admin"},
    {"version", FLAG, ONLY_AS_FLAG, AT(version), 0, 0, 0, NULL, NULL, "print the version"},
    {"help", FLAG, ONLY_AS_FLAG, AT(help), 0, 0, 0, NULL, NULL, "print this"},
};

enum { OPTION_COUNT = sizeof table / sizeof *table };
_Static_assert(OPTION_COUNT <= OPTIONS_COUNT_MAX, "room for every option");

/* ---- one value ---- */

static void *member(struct options *options, const struct option *option)
{
    return (char *)options + option->offset;
}

static bool parse_size(const struct option *option, const char *text, size_t *value,
                       struct fault *fault)
{
    uint64_t number = 0;
    bool good = *text != '\0';
    for (const char *c = text; good && *c != '\0'; c++) {
        good = *c >= '0' && *c <= '9' && number <= UINT64_MAX / 100;
        number = number * 10 + (uint64_t)(*c - '0');
    }
    if (!good || number < option->min || number > option->max)
        return fault_set(fault, 400, "a whole number from %zu to %zu expected, got '%s'",
                         option->min, option->max, excerpt_of(text).text);
    *value = (size_t)number;
    return true;
}

static bool parse_flag(const char *text, bool *value, struct fault *fault)
{
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        return fault_set(fault, 400, "true or false expected, got '%s'", excerpt_of(text).text);
    *value = text[0] == 't';
    return true;
}

static void list_clear(struct option_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free((void *)list->items);
    *list = (struct option_list){0};
}

static bool is_list(const struct option *option)
{
    return option->type == LIST || option->type == WORDS;
}

static bool list_add(struct option_list *list, const char *text, struct fault *fault)
{
    char **items = (char **)realloc((void *)list->items, (list->count + 1) * sizeof *list->items);
    if (items != NULL)
        list->items = items;
    char *copy = items != NULL ? strdup(text) : NULL;
    if (copy == NULL)
        return fault_set(fault, 503, "out of memory");
    list->items[list->count++] = copy;
    return true;
}

static bool set_text(char **value, const char *text, struct fault *fault)
{
    char *copy = strdup(text);
    if (copy == NULL)
        return fault_set(fault, 503, "out of memory");
    free(*value);
    *value = copy;
    return true;
}

/* Stores one value that was given by source. A place that a stronger source has set already is
 * checked and left. */
static bool assign(struct options *options, const struct option *option, enum option_source source,
                   const char *text, struct fault *fault)
{
    int *set_by = &options->set_by[option - table];
    const bool beaten = *set_by > (int)source;
    void *at = member(options, option);
    size_t size = 0;
    bool flag = false;
    if (*text == '\0')
        return fault_set(fault, 400, "a value expected, got ''");
    if (option->type == SIZE && !parse_size(option, text, &size, fault))
        return false;
    if (option->type == FLAG && !parse_flag(text, &flag, fault))
        return false;
    if (beaten)
        return true;
    *set_by = (int)source;
    if (is_list(option))
        return list_add(at, text, fault);
    if (option->type == TEXT || option->type == PATH)
        return set_text(at, text, fault);
    if (option->type == SIZE)
        *(size_t *)at = size;
    else
        *(bool *)at = flag;
    return true;
}

/* ---- flags ---- */

/* "--max-body-bytes" or "--max-body-bytes=..." against "max_body_bytes". */
static bool is_flag(const char *argument, const char *key)
{
    argument += 2;
    for (; *key != '\0'; key++, argument++)
        if (*argument != (*key == '_' ? '-' : *key))
            return false;
    return *argument == '\0' || *argument == '=';
}

static const struct option *find_flag(const char *argument)
{
    if (strncmp(argument, "--", 2) != 0)
        return NULL;
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (is_flag(argument, table[i].key))
            return &table[i];
    return NULL;
}

/* Reads argv[at] and, where it has its value in the next one, that; *used is how many. */
static bool read_flag(struct options *options, int argc, char *const *argv, int at, int *used,
                      struct fault *fault)
{
    const struct option *option = find_flag(argv[at]);
    if (option == NULL)
        return fault_set(fault, 400, "unknown option '%s', see --help", excerpt_of(argv[at]).text);
    const char *equals = strchr(argv[at], '=');
    const char *value = equals != NULL ? equals + 1 : option->type == FLAG ? "true" : NULL;
    *used = value == NULL ? 2 : 1;
    if (value == NULL && at + 1 < argc)
        value = argv[at + 1];
    if (value == NULL)
        return fault_set(fault, 400, "%s: a value expected, got none", argv[at]);
    if (!is_list(option) && options->set_by[option - table] == FROM_FLAG)
        return fault_set(fault, 400, "%.*s: given twice", (int)strcspn(argv[at], "="), argv[at]);
    return assign(options, option, FROM_FLAG, value, fault) ||
           fault_prefix(fault, "%.*s", (int)strcspn(argv[at], "="), argv[at]);
}

static bool read_flags(struct options *options, int argc, char *const *argv, struct fault *fault)
{
    int used = 0;
    for (int at = 1; at < argc; at += used)
        if (!read_flag(options, argc, argv, at, &used, fault))
            return false;
    return true;
}

/* ---- environment ---- */

static void variable_name(const struct option *option, char name[64])
{
    char *at = name + snprintf(name, 64, "LSTMD_%s", option->key);
    for (char *c = name; c < at; c++)
        if (*c >= 'a' && *c <= 'z')
            *c = (char)(*c - 'a' + 'A');
}

static const char *find_variable(char *const *environment, const char *name)
{
    const size_t size = strlen(name);
    for (; *environment != NULL; environment++)
        if (strncmp(*environment, name, size) == 0 && (*environment)[size] == '=')
            return *environment + size + 1;
    return NULL;
}

/* Paths are written like PATH; what may have colons itself, with commas. */
static bool assign_text_list(struct options *options, const struct option *option,
                             const char *value, struct fault *fault)
{
    for (;;) {
        const size_t size = strcspn(value, option->type == LIST ? ":" : ",");
        char *item = strndup(value, size);
        if (item == NULL)
            return fault_set(fault, 503, "out of memory");
        const bool done = assign(options, option, FROM_ENVIRONMENT, item, fault);
        free(item);
        if (!done)
            return false;
        if (value[size] == '\0')
            return true;
        value += size + 1;
    }
}

/* Variables that are empty count as not there: so compose files write "no value". Unknown ones are
 * let be: Kubernetes makes LSTMD_PORT and the like for a service of that name. */
static bool read_environment(struct options *options, char *const *environment, struct fault *fault)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        char name[64];
        variable_name(&table[i], name);
        const char *value = find_variable(environment, name);
        if (value == NULL || *value == '\0' || table[i].places == ONLY_AS_FLAG)
            continue;
        const bool done = is_list(&table[i])
                              ? assign_text_list(options, &table[i], value, fault)
                              : assign(options, &table[i], FROM_ENVIRONMENT, value, fault);
        if (!done)
            return fault_prefix(fault, "%s", name);
    }
    return true;
}

/* ---- file ---- */

/* Paths in a file are relative to the file, as in model configs. */
static bool assign_path(struct options *options, const struct option *option, const char *path,
                        struct fault *fault)
{
    const char *slash = strrchr(options->config, '/');
    const int folder =
        slash != NULL && path[0] != '/' && path[0] != '\0' ? (int)(slash + 1 - options->config) : 0;
    char *joined;
    if (asprintf(&joined, "%.*s%s", folder, options->config, path) < 0)
        return fault_set(fault, 503, "out of memory");
    const bool done = assign(options, option, FROM_FILE, joined, fault);
    free(joined);
    return done;
}

static bool assign_item(struct options *options, const struct option *option, const char *text,
                        struct fault *fault)
{
    return option->type == WORDS ? assign(options, option, FROM_FILE, text, fault)
                                 : assign_path(options, option, text, fault);
}

static bool assign_json_list(struct options *options, const struct option *option,
                             const struct cJSON *value, struct fault *fault)
{
    if (cJSON_IsString(value))
        return assign_item(options, option, value->valuestring, fault) ||
               fault_prefix(fault, "%s", option->key);
    if (!cJSON_IsArray(value))
        return config_json_refuse(value, "", option->key, "a string or an array of strings", fault);
    size_t index = 0;
    for (const struct cJSON *item = value->child; item != NULL; item = item->next, index++) {
        if (!cJSON_IsString(item))
            return config_json_refuse(item, "", option->key, "an array of strings", fault);
        if (!assign_item(options, option, item->valuestring, fault))
            return fault_prefix(fault, "%s[%zu]", option->key, index);
    }
    return true;
}

static bool assign_json(struct options *options, const struct option *option,
                        const struct cJSON *object, const struct cJSON *value, struct fault *fault)
{
    struct optional_size size = {0};
    struct optional_bool flag = {0};
    const char *text = NULL;
    char number[24];
    switch (option->type) {
    case LIST:
    case WORDS:
        return assign_json_list(options, option, value, fault);
    case SIZE:
        if (!config_json_size(object, "", option->key, option->min, option->max, &size, fault))
            return false;
        snprintf(number, sizeof number, "%zu", size.value);
        text = number;
        break;
    case FLAG:
        if (!config_json_bool(object, "", option->key, &flag, fault))
            return false;
        text = flag.value ? "true" : "false";
        break;
    case TEXT:
    case PATH:
        if (!config_json_string(object, "", option->key, &text, fault))
            return false;
        break;
    }
    if (option->type == PATH)
        return assign_path(options, option, text, fault) || fault_prefix(fault, "%s", option->key);
    return assign(options, option, FROM_FILE, text, fault) ||
           fault_prefix(fault, "%s", option->key);
}

static const struct option *find_key(const char *key)
{
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (table[i].places == ANYWHERE && strcmp(table[i].key, key) == 0)
            return &table[i];
    return NULL;
}

static bool assign_object(struct options *options, const struct cJSON *object, struct fault *fault)
{
    bool seen[OPTION_COUNT] = {false};
    if (!cJSON_IsObject(object))
        return config_json_refuse(object, "", "", "an object", fault);
    for (const struct cJSON *value = object->child; value != NULL; value = value->next) {
        const struct option *option = find_key(value->string);
        const struct excerpt key = excerpt_of(value->string);
        if (option == NULL)
            return fault_set(fault, 400, "%s: unknown key, see --help", key.text);
        if (seen[option - table])
            return fault_set(fault, 400, "%s: given twice", key.text);
        seen[option - table] = true;
        if (!assign_json(options, option, object, value, fault))
            return false;
    }
    return true;
}

static bool read_config(struct options *options, struct fault *fault)
{
    char *text;
    size_t size;
    if (options->config == NULL)
        return true;
    if (!file_read(options->config, CONFIG_JSON_SIZE_MAX, &text, &size, fault))
        return false;
    struct cJSON *object = config_json_parse(text, size, fault);
    free(text);
    const bool done = object != NULL && assign_object(options, object, fault);
    cJSON_Delete(object);
    return done || fault_prefix(fault, "%s", options->config);
}

/* ---- where a value came from ---- */

static const struct option *option_at(const char *text)
{
    const size_t size = strcspn(text, ":");
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (strlen(table[i].key) == size && strncmp(table[i].key, text, size) == 0)
            return &table[i];
    return NULL;
}

static void flag_name(const struct option *option, char name[64])
{
    char *at = name + snprintf(name, 64, "--%s", option->key);
    for (char *c = name + 2; c < at; c++)
        if (*c == '_')
            *c = '-';
}

void options_place(const struct options *options, struct fault *fault)
{
    const struct option *option = option_at(fault->text);
    char name[64];
    if (option == NULL)
        return;
    const char *rest = fault->text + strlen(option->key);
    switch (options->set_by[option - table]) {
    case FROM_FILE:
        fault_prefix(fault, "%s", options->config);
        return;
    case FROM_ENVIRONMENT:
        variable_name(option, name);
        break;
    case FROM_FLAG:
        flag_name(option, name);
        break;
    default:
        return;
    }
    fault_set(fault, fault->status, "%s%s", name, rest);
}

/* ---- all of it ---- */

static size_t default_http_threads(void)
{
    const size_t cpus = machine_cpus();
    return cpus < 2 ? 2 : cpus > 16 ? 16 : cpus;
}

/* Where few files may be open (1024 in some containers), half of them are left for all else. */
static size_t default_connection_limit(void)
{
    const size_t half = machine_files() / 2;
    return half > 1024 ? 1024 : half < 8 ? 8 : half;
}

static bool fill_in_defaults(struct options *options, struct fault *fault)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (options->set_by[i] != FROM_NOWHERE)
            continue;
        if (table[i].type == SIZE)
            *(size_t *)member(options, &table[i]) = table[i].fallback;
        if (table[i].text != NULL && !set_text(member(options, &table[i]), table[i].text, fault))
            return false;
    }
    if (options->workers == 0)
        options->workers = machine_cpus();
    if (options->http_threads == 0)
        options->http_threads = default_http_threads();
    if (options->connection_limit == 0)
        options->connection_limit = default_connection_limit();
    if (options->max_memory_bytes == 0) {
        const size_t quarter = machine_memory() / 4;
        options->max_memory_bytes = quarter < GIB ? quarter : GIB;
    }
    return true;
}

bool options_read(struct options *options, int argc, char *const *argv, char *const *environment,
                  struct fault *fault)
{
    *options = (struct options){0};
    if (read_flags(options, argc, argv, fault) && read_environment(options, environment, fault) &&
        read_config(options, fault) && fill_in_defaults(options, fault))
        return true;
    options_fini(options);
    return false;
}

void options_fini(struct options *options)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (table[i].type == TEXT || table[i].type == PATH)
            free(*(char **)member(options, &table[i]));
        if (is_list(&table[i]))
            list_clear(member(options, &table[i]));
    }
    *options = (struct options){0};
}

static void print_flag(FILE *out, const struct option *option)
{
    char flag[64];
    snprintf(flag, sizeof flag, "--%s%s%s", option->key, option->argument != NULL ? " " : "",
             option->argument != NULL ? option->argument : "");
    for (char *c = flag; *c != '\0' && *c != ' '; c++)
        if (*c == '_')
            *c = '-';
    fprintf(out, "  %-27s %s", flag, option->description);
    if (option->type == SIZE && option->fallback != 0)
        fprintf(out, " (%zu)", option->fallback);
    if (option->type == TEXT && option->text != NULL)
        fprintf(out, " (%s)", option->text);
    fputc('\n', out);
}

void options_print_help(FILE *out)
{
    fputs("usage: lstmd [OPTION]...\n"
          "Serves trained LSTM models over HTTP and ZeroMQ.\n\n",
          out);
    for (size_t i = 0; i < OPTION_COUNT; i++)
        print_flag(out, &table[i]);
    fputs("\nEvery option may also stand in the environment (--max-body-bytes as "
          "LSTMD_MAX_BODY_BYTES)\nand in the JSON of --config (as \"max_body_bytes\"; paths are "
          "relative to that file).\nFlags beat the environment, the environment beats the "
          "file.\nIn the environment switches are true or false; LSTMD_MODELS and LSTMD_MODEL may "
          "be several\npaths with ':' between them, LSTMD_ZMQ several endpoints with ','.\n",
          out);
}
