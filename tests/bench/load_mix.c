#include "tests/bench/load_mix.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool parse_steps(const char **text, size_t *steps)
{
    if (**text < '0' || **text > '9')
        return false;
    char *rest;
    const unsigned long value = strtoul(*text, &rest, 10);
    if (value < 1 || value > LOAD_MIX_STEPS_MAX)
        return false;
    *steps = value;
    *text = rest;
    return true;
}

static bool parse_weight(const char **text, double *weight)
{
    if ((**text < '0' || **text > '9') && **text != '.')
        return false;
    char *rest;
    *weight = strtod(*text, &rest);
    const bool good = rest != *text && isfinite(*weight) && *weight > 0;
    *text = rest;
    return good;
}

static bool is_listed(const struct load_mix *mix, size_t steps)
{
    for (size_t i = 0; i < mix->count; i++)
        if (mix->steps[i] == steps)
            return true;
    return false;
}

static bool add_class(struct load_mix *mix, size_t steps, double weight)
{
    if (mix->count == LOAD_MIX_MAX || is_listed(mix, steps))
        return false;
    const double before = mix->count == 0 ? 0 : mix->until[mix->count - 1];
    mix->steps[mix->count] = steps;
    mix->until[mix->count++] = before + weight;
    return true;
}

static bool parse_pairs(struct load_mix *mix, const char *text)
{
    for (;; text++) {
        size_t steps;
        double weight;
        if (!parse_steps(&text, &steps) || *text++ != '@' || !parse_weight(&text, &weight) ||
            !add_class(mix, steps, weight))
            return false;
        if (*text != ',')
            return *text == '\0';
    }
}

bool load_mix_parse(struct load_mix *mix, const char *text)
{
    static const char prefix[] = "mix:";
    *mix = (struct load_mix){0};
    size_t steps;
    if (strncmp(text, prefix, sizeof prefix - 1) != 0)
        return parse_steps(&text, &steps) && *text == '\0' && add_class(mix, steps, 1);
    if (!parse_pairs(mix, text + sizeof prefix - 1) || !isfinite(mix->until[mix->count - 1]))
        return false;
    const double sum = mix->until[mix->count - 1];
    for (size_t i = 0; i < mix->count; i++)
        mix->until[i] /= sum;
    return true;
}

size_t load_mix_pick(const struct load_mix *mix, double unit)
{
    size_t i = 0;
    while (i + 1 < mix->count && unit >= mix->until[i])
        i++;
    return i;
}
