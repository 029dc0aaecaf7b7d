#include "proto/answer_classes.h"

#include <assert.h>

#include "core/checked.h"

static bool plan_output(struct answer_classes *classes, const struct infer_answer_tensor *tensor,
                        size_t count)
{
    const size_t i = tensor->wanted;
    assert(tensor->rank > 0);
    const size_t n = tensor->shape[tensor->rank - 1];
    const size_t k = count < n ? count : n;
    classes->outputs[i].wanted = true;
    classes->outputs[i].strings = NULL;
    classes->outputs[i].what = (struct classification){n, k, tensor->labels};
    if (k > classes->longest)
        classes->longest = k;
    size_t groups;
    return infer_elements(tensor->shape, tensor->rank - 1, &groups) &&
           classification_size(&classes->outputs[i].what, groups, &classes->outputs[i].bound);
}

bool answer_classes_plan(struct answer_classes *classes, const struct infer_request *request,
                         const struct infer_answer *answer, size_t *bytes)
{
    size_t sum = 0, best;
    classes->output_count = answer->output_count;
    classes->longest = 0;
    for (size_t i = 0; i < answer->output_count; i++) {
        assert(answer->outputs[i].wanted == i);
        const size_t count = infer_output_classification(request, i);
        classes->outputs[i].wanted = false;
        if (count > 0 && (!plan_output(classes, &answer->outputs[i], count) ||
                          !checked_add(sum, classes->outputs[i].bound, &sum)))
            return false;
    }
    return checked_mul(classes->longest, sizeof *classes->best, &best) &&
           checked_add(sum, best, bytes);
}

void answer_classes_place(struct answer_classes *classes, void *memory)
{
    classes->best = memory;
    char *at = (char *)(classes->best + classes->longest);
    for (size_t i = 0; i < classes->output_count; i++) {
        if (!classes->outputs[i].wanted)
            continue;
        classes->outputs[i].strings = at;
        at += classes->outputs[i].bound;
    }
}

void answer_classes_begin(struct answer_classes *classes)
{
    classes->output = classes->group = 0;
    for (size_t i = 0; i < classes->output_count; i++)
        classes->outputs[i].size = 0;
}

/* An answer in parts may have fewer than there was planned for. */
static size_t count_groups(const struct infer_answer_tensor *tensor)
{
    size_t groups = 0;
    const bool fits = infer_elements(tensor->shape, tensor->rank - 1, &groups);
    assert(fits);
    return groups;
}

/* Of one output's groups that are left, as many as limit has room for; one at least. */
static void make_some(struct answer_classes *classes, const struct infer_answer_tensor *tensor,
                      size_t left, size_t *limit)
{
    const size_t i = tensor->wanted;
    const struct classification *what = &classes->outputs[i].what;
    const size_t room = what->classes > 0 ? *limit / what->classes : left;
    const size_t groups = room == 0 ? 1 : room < left ? room : left;
    classes->outputs[i].size +=
        classification_write(what, tensor->data + classes->group * what->classes, groups,
                             classes->best, classes->outputs[i].strings + classes->outputs[i].size);
    assert(classes->outputs[i].size <= classes->outputs[i].bound);
    classes->group += groups;
    *limit -= groups * what->classes < *limit ? groups * what->classes : *limit;
}

bool answer_classes_make(struct answer_classes *classes, const struct infer_answer *answer,
                         size_t *limit)
{
    while (classes->output < answer->output_count) {
        const struct infer_answer_tensor *tensor = &answer->outputs[classes->output];
        const bool wanted = classes->outputs[tensor->wanted].wanted;
        const size_t left = wanted ? count_groups(tensor) - classes->group : 0;
        if (left == 0) {
            classes->output++;
            classes->group = 0;
        } else if (*limit == 0) {
            return false;
        } else {
            make_some(classes, tensor, left, limit);
        }
    }
    return true;
}

void answer_classes_show(const struct answer_classes *classes, struct infer_answer *answer)
{
    for (size_t i = 0; i < answer->output_count; i++) {
        struct infer_answer_tensor *tensor = &answer->outputs[i];
        const size_t w = tensor->wanted;
        const bool made = classes->output > i;
        if (!classes->outputs[w].wanted)
            continue;
        tensor->datatype = DATATYPE_BYTES;
        tensor->shape[tensor->rank - 1] = classes->outputs[w].what.count;
        tensor->strings = classes->outputs[w].strings;
        tensor->strings_size = made ? classes->outputs[w].size : classes->outputs[w].bound;
    }
}
