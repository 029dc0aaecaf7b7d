#include "tests/support/exposition.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_SIZE   128
#define SERIES_MAX_SIZE 512
#define FAMILIES_MAX    128

struct sample {
    char name[NAME_MAX_SIZE];
    char series[SERIES_MAX_SIZE]; /* name and labels, le left out */
    char le[64];                  /* "" when there is none */
    double value;
};

struct checker {
    char family[NAME_MAX_SIZE], type[16];
    char families[FAMILIES_MAX][NAME_MAX_SIZE];
    size_t family_count;
    bool typed;

    char buckets[SERIES_MAX_SIZE]; /* the series whose buckets are being read, "" for none */
    double last_le, last_count;
    bool infinite; /* its +Inf has come */
    double infinite_count;
    const char *problem;
};

static bool wrong(struct checker *checker, const char *problem)
{
    checker->problem = problem;
    return false;
}

static bool is_name(const char *text, size_t size, bool colons)
{
    if (size == 0 || size >= NAME_MAX_SIZE || isdigit((unsigned char)text[0]))
        return false;
    for (size_t i = 0; i < size; i++)
        if (!isalnum((unsigned char)text[i]) && text[i] != '_' && !(colons && text[i] == ':'))
            return false;
    return true;
}

/* ---- comments ---- */

static bool begin_family(struct checker *checker, const char *name, size_t size)
{
    if (!is_name(name, size, true))
        return wrong(checker, "a family's name expected after HELP");
    memcpy(checker->family, name, size);
    checker->family[size] = '\0';
    for (size_t i = 0; i < checker->family_count; i++)
        if (strcmp(checker->families[i], checker->family) == 0)
            return wrong(checker, "a family comes twice");
    if (checker->family_count == FAMILIES_MAX)
        return wrong(checker, "too many families for this checker");
    memcpy(checker->families[checker->family_count++], checker->family, size + 1);
    checker->typed = false;
    checker->buckets[0] = '\0';
    return true;
}

static bool read_help(struct checker *checker, const char *line)
{
    const size_t size = strcspn(line, " ");
    return begin_family(checker, line, size) &&
           ((line[size] == ' ' && line[size + 1] != '\0') || wrong(checker, "HELP without a text"));
}

static bool read_type(struct checker *checker, const char *line)
{
    const size_t size = strlen(checker->family);
    if (checker->typed || size == 0 || strncmp(line, checker->family, size) != 0 ||
        line[size] != ' ')
        return wrong(checker, "TYPE must follow its family's HELP, once");
    snprintf(checker->type, sizeof checker->type, "%s", line + size + 1);
    checker->typed = true;
    return strcmp(checker->type, "counter") == 0 || strcmp(checker->type, "gauge") == 0 ||
           strcmp(checker->type, "histogram") == 0 || wrong(checker, "an unknown type");
}

/* ---- samples ---- */

/* Reads name="value" and what follows it, a comma or the brace; returns the place after. */
static const char *read_label(const char *at, struct sample *sample)
{
    const char *name = at;
    const size_t name_size = strcspn(at, "=");
    if (!is_name(name, name_size, false) || name[name_size + 1] != '"')
        return NULL;
    const char *value = name + name_size + 2, *end = value;
    for (; *end != '"'; end++) {
        if (*end == '\\' && strchr("\\\"n", *++end) == NULL)
            return NULL;
        if (*end == '\0')
            return NULL;
    }
    if (name_size == 2 && memcmp(name, "le", 2) == 0)
        snprintf(sample->le, sizeof sample->le, "%.*s", (int)(end - value), value);
    else
        strncat(sample->series, name,
                SERIES_MAX_SIZE - 1 - strlen(sample->series) < (size_t)(end + 1 - name)
                    ? 0
                    : (size_t)(end + 1 - name));
    return end[1] == ',' || end[1] == '}' ? end + 1 : NULL;
}

static bool parse_value(const char *text, double *value)
{
    char *end;
    if (isspace((unsigned char)*text) || *text == '\0')
        return false;
    *value = strtod(text, &end);
    return *end == '\0';
}

static bool parse_sample(const char *line, struct sample *sample)
{
    const size_t size = strcspn(line, "{ ");
    *sample = (struct sample){0};
    if (!is_name(line, size, true))
        return false;
    memcpy(sample->name, line, size);
    const char *at = line + size;
    if (*at == '{') {
        do
            at = read_label(at + 1, sample);
        while (at != NULL && *at == ',');
        if (at == NULL)
            return false;
        at++;
    }
    return *at == ' ' && parse_value(at + 1, &sample->value);
}

/* The sample's name without its family's: "" or "_sum" and the like. NULL: of another family. */
static const char *suffix_of(const struct checker *checker, const struct sample *sample)
{
    const size_t size = strlen(checker->family);
    return strncmp(sample->name, checker->family, size) == 0 ? sample->name + size : NULL;
}

static bool read_bucket(struct checker *checker, const struct sample *sample)
{
    double le;
    if (!parse_value(sample->le, &le))
        return wrong(checker, "a bucket without a bound");
    if (strcmp(checker->buckets, sample->series) != 0) {
        if (checker->buckets[0] != '\0')
            return wrong(checker, "a histogram's lines are not together");
        memcpy(checker->buckets, sample->series, sizeof checker->buckets);
        checker->last_le = -INFINITY;
        checker->last_count = 0;
        checker->infinite = false;
    }
    if (le <= checker->last_le || sample->value < checker->last_count)
        return wrong(checker, "buckets must ascend");
    checker->last_le = le;
    checker->last_count = sample->value;
    checker->infinite = isinf(le);
    return true;
}

static bool read_histogram(struct checker *checker, const struct sample *sample, const char *suffix)
{
    if (strcmp(suffix, "_bucket") == 0)
        return read_bucket(checker, sample);
    if (strcmp(suffix, "_sum") != 0 && strcmp(suffix, "_count") != 0)
        return wrong(checker, "no sample of a histogram");
    if (sample->le[0] != '\0' || strcmp(checker->buckets, sample->series) != 0 ||
        !checker->infinite)
        return wrong(checker, "the buckets before do not end with +Inf, or are of another series");
    if (strcmp(suffix, "_sum") == 0)
        return true;
    checker->buckets[0] = '\0';
    return sample->value == checker->last_count ||
           wrong(checker, "_count is not what the +Inf bucket says");
}

static bool read_sample(struct checker *checker, const char *line)
{
    struct sample sample;
    if (!parse_sample(line, &sample))
        return wrong(checker, "malformed sample");
    const char *suffix = suffix_of(checker, &sample);
    if (!checker->typed || suffix == NULL)
        return wrong(checker, "a sample outside its family");
    if (strcmp(checker->type, "histogram") == 0)
        return read_histogram(checker, &sample, suffix);
    if (strcmp(checker->type, "counter") == 0 && !(sample.value >= 0))
        return wrong(checker, "a counter below 0");
    return (*suffix == '\0' && sample.le[0] == '\0') || wrong(checker, "not the family's name");
}

static bool read_line(struct checker *checker, const char *line)
{
    if (strncmp(line, "# HELP ", 7) == 0)
        return read_help(checker, line + 7);
    if (strncmp(line, "# TYPE ", 7) == 0)
        return read_type(checker, line + 7);
    return read_sample(checker, line);
}

/* ---- the text ---- */

/* Is there an earlier sample with all that stands before the value? */
static bool comes_twice(const char *text, const char *line, size_t size)
{
    const char *space = memrchr(line, ' ', size);
    if (*line == '#' || space == NULL)
        return false;
    for (const char *at = text; at < line; at = strchr(at, '\n') + 1)
        if (strncmp(at, line, (size_t)(space - line) + 1) == 0)
            return true;
    return false;
}

bool exposition_check(const char *text, char *problem, size_t capacity)
{
    struct checker state = {0}, *checker = &state;
    size_t number = 1;
    for (const char *at = text; checker->problem == NULL && *at != '\0'; number++) {
        const size_t size = strcspn(at, "\n");
        char *line = strndup(at, size);
        if (at[size] != '\n')
            wrong(checker, "the last line has no end");
        else if (comes_twice(text, at, size))
            wrong(checker, "a series comes twice");
        else if (read_line(checker, line))
            at += size + 1;
        if (checker->problem != NULL)
            snprintf(problem, capacity, "line %zu: %s: %s", number, checker->problem, line);
        free(line);
    }
    return checker->problem == NULL;
}

bool exposition_value(const char *text, const char *series, double *value)
{
    const size_t size = strlen(series);
    for (const char *at = text; *at != '\0'; at += strcspn(at, "\n") + 1)
        if (strncmp(at, series, size) == 0 && at[size] == ' ') {
            *value = strtod(at + size + 1, NULL);
            return true;
        }
    return false;
}
