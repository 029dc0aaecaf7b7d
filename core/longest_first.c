#include "core/longest_first.h"

#include <stdbool.h>

static void swap(struct row_length *a, struct row_length *b)
{
    const struct row_length kept = *a;
    *a = *b;
    *b = kept;
}

/* Restores the heap order below `root`: shortest row on top. */
static void sift_down(struct row_length *rows, size_t root, size_t count)
{
    for (size_t child; (child = 2 * root + 1) < count; root = child) {
        if (child + 1 < count && rows[child + 1].steps < rows[child].steps)
            child++;
        if (rows[root].steps <= rows[child].steps)
            return;
        swap(&rows[root], &rows[child]);
    }
}

/* Heapsort: the library's qsort may take memory. */
void sort_longest_first(struct row_length *rows, size_t count)
{
    bool sorted = true;
    for (size_t i = 1; i < count && sorted; i++)
        sorted = rows[i].steps <= rows[i - 1].steps;
    if (sorted)
        return;
    for (size_t root = count / 2; root-- > 0;)
        sift_down(rows, root, count);
    for (size_t left = count - 1; left > 0; left--) {
        swap(&rows[0], &rows[left]);
        sift_down(rows, 0, left);
    }
}
