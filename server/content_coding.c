#include "server/content_coding.h"

#include <string.h>
#include <strings.h>

/* Thousandths; NOT_NAMED is less than any. */
enum { NOT_NAMED = -1, Q_MAX = 1000 };

static const char *const names[] = {
    [CODING_IDENTITY] = "identity",
    [CODING_GZIP] = "gzip",
    [CODING_DEFLATE] = "deflate",
};

const char *content_coding_name(enum content_coding coding)
{
    return names[coding];
}

/* A part of a header's value. */
struct span {
    const char *text;
    size_t size;
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static struct span trim(struct span span)
{
    while (span.size > 0 && is_space(span.text[0])) {
        span.text++;
        span.size--;
    }
    while (span.size > 0 && is_space(span.text[span.size - 1]))
        span.size--;
    return span;
}

/* What is before the next separator, trimmed; rest begins behind it. */
static struct span take(struct span *rest, char separator)
{
    const char *end = rest->size > 0 ? memchr(rest->text, separator, rest->size) : NULL;
    const size_t size = end != NULL ? (size_t)(end - rest->text) : rest->size;
    const struct span taken = {rest->text, size};
    const size_t gone = end != NULL ? size + 1 : size;
    rest->text += gone;
    rest->size -= gone;
    return trim(taken);
}

static bool is(struct span span, const char *text)
{
    return span.size == strlen(text) && strncasecmp(span.text, text, span.size) == 0;
}

/* "0", "0.5", "1.000"; 0 for what is none of those. */
static int parse_q(struct span text)
{
    int q = 0, weight = Q_MAX;
    if (text.size == 0 || text.size > 5 || (text.size > 1 && text.text[1] != '.'))
        return 0;
    for (size_t i = 0; i < text.size; i++) {
        if (i == 1)
            continue;
        if (text.text[i] < '0' || text.text[i] > '9')
            return 0;
        q += (text.text[i] - '0') * weight;
        weight /= 10;
    }
    return q <= Q_MAX ? q : 0;
}

/* Of one item's parameters; other ones are passed over. */
static int find_q(struct span parameters)
{
    while (parameters.size > 0) {
        struct span value = take(&parameters, ';');
        const struct span name = take(&value, '=');
        if (is(name, "q"))
            return parse_q(trim(value));
    }
    return Q_MAX;
}

/* The q of the item of that name in a list. */
static int quality(const char *value, size_t size, const char *name)
{
    for (struct span list = {value, size}; list.size > 0;) {
        struct span item = take(&list, ',');
        if (is(take(&item, ';'), name))
            return find_q(item);
    }
    return NOT_NAMED;
}

bool content_coding_parse(const char *value, size_t size, enum content_coding *coding)
{
    const struct span name = trim((struct span){value, size});
    *coding = CODING_IDENTITY;
    if (is(name, "gzip") || is(name, "x-gzip"))
        *coding = CODING_GZIP;
    else if (is(name, "deflate"))
        *coding = CODING_DEFLATE;
    else
        return name.size == 0 || is(name, "identity");
    return true;
}

enum content_coding content_coding_preferred(const char *value, size_t size)
{
    const int gzip = quality(value, size, "gzip"), deflate = quality(value, size, "deflate");
    const int best = gzip >= deflate ? gzip : deflate;
    if (best <= 0 || best < quality(value, size, "identity"))
        return CODING_IDENTITY;
    return gzip == best ? CODING_GZIP : CODING_DEFLATE;
}

bool content_coding_prefers_json(const char *value, size_t size)
{
    const int json = quality(value, size, "application/json");
    return json > 0 && json > quality(value, size, "application/octet-stream");
}
