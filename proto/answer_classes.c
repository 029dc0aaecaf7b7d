#include "proto/answer_classes.h"

#include <assert.h>

#include "core/checked.h"

static bool plan_output(struct answer_classes *classes, size_t i,
                        const struct infer_answer_tensor *tensor, size_t count)
{
    assert(tensor->rank > 0);
    const size_t n = tensor->shape[tensor->rank - 1];
    const size_t k = count < n ? count : n;
    classes->outputs[i].wanted = true;
    classes->outputs[i].strings = NULL;
    classes->outputs[i].what = (struct classification){n, k, tensor->labels};
    if (k > classes->longest)
        classes->longest = k;
    return infer_elements(tensor->shape, tensor->rank - 1, &classes->outputs[i].groups) &&
           classification_size(&classes->outputs[i].what, classes->outputs[i].groups,
                               &classes->outputs[i].bound);
}

bool answer_classes_plan(struct answer_classes *classes, const struct infer_request *request,
                         const struct infer_answer *answer, size_t *bytes)
{
    size_t sum = 0, best;
    classes->output_count = answer->output_count;
    classes->longest = 0;
    for (size_t i = 0; i < answer->output_count; i++) {
        const size_t count = infer_output_classification(request, i);
        classes->outputs[i].wanted = false;
        if (count > 0 && (!plan_output(classes, i, &answer->outputs[i], count) ||
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

/* Groups of one output, as many as limit has room for; one at least. */
static void make_some(struct answer_classes *classes, const float *data, size_t i, size_t *limit)
{
    const struct classification *what = &classes->outputs[i].what;
    const size_t left = classes->outputs[i].groups - classes->group;
    const size_t room = what->classes > 0 ? *limit / what->classes : left;
    const size_t groups = room == 0 ? 1 : room < left ? room : left;
    classes->outputs[i].size +=
        classification_write(what, data + classes->group * what->classes, groups, classes->best,
                             classes->outputs[i].strings + classes->outputs[i].size);
    assert(classes->outputs[i].size <= classes->outputs[i].bound);
    classes->group += groups;
    *limit -= groups * what->classes < *limit ? groups * what->classes : *limit;
}

bool answer_classes_make(struct answer_classes *classes, const struct infer_answer *answer,
                         size_t *limit)
{
    while (classes->output < classes->output_count) {
        const size_t i = classes->output;
        if (!classes->outputs[i].wanted || classes->group == classes->outputs[i].groups) {
            classes->output++;
            classes->group = 0;
        } else if (*limit == 0) {
            return false;
        } else {
            make_some(classes, answer->outputs[i].data, i, limit);
        }
    }
    return true;
}

static bool is_made(const struct answer_classes *classes, size_t i)
{
    return classes->output > i;
}

void answer_classes_show(const struct answer_classes *classes, struct infer_answer *answer)
{
    for (size_t i = 0; i < answer->output_count; i++) {
        struct infer_answer_tensor *tensor = &answer->outputs[i];
        if (!classes->outputs[i].wanted)
            continue;
        tensor->datatype = DATATYPE_BYTES;
        tensor->shape[tensor->rank - 1] = classes->outputs[i].what.count;
        tensor->strings = classes->outputs[i].strings;
        tensor->strings_size =
            is_made(classes, i) ? classes->outputs[i].size : classes->outputs[i].bound;
    }
}
