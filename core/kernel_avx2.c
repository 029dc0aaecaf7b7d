/* The scalar kernel's arithmetic, eight lanes at a time. A lane is one output's chain, so vectors
 * never reorder a sum; rows and panels only decide how many chains run side by side.
 *
 * An inner loop needs 8 independent chains to keep two FMA units of 4 cycles' latency busy, and as
 * many uses of each loaded weight as registers allow: 3 rows x 4 vectors = 12 accumulators, 3
 * broadcasts and 1 weight fill the 16 registers exactly. A lone row runs two panels instead.
 *
 * Accumulators are named members, never arrays: gcc 12 keeps arrays of vectors in memory. */
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "core/activation_constants.h"
#include "core/kernels.h"

#define INLINE static inline __attribute__((always_inline))

/* Functions that hold an inner loop: inlined into a larger one gcc 12 would let its accumulators go
 * to the stack, at times, for what surrounds them (a lone row's step took 1.4 times as long). */
#define ALONE static __attribute__((noinline))

/* Four vectors: one row's columns of a full panel. In gate panels, a unit's pre-activations. */
struct quad {
    __m256 i, f, g, o;
};

/* Keeps a loaded weight in its register: gcc would otherwise load it again for each use. */
#define KEEP(vector) __asm__("" : "+x"(vector))

/* Weights beyond the caches arrive too late when they are only asked for as they are used, and the
 * hardware's own prefetching stops at every page. So while one panel is worked on, the next one is
 * asked for, a few cache lines every STRIDE inputs, in several places at once: each is a stream of
 * its own to the hardware, which then fetches on in all of them. */
enum { CACHE_LINE = 64, STRIDE = 32, STREAMS = 8 };

/* Smaller matrices stay in the second-level cache from one step to the next; asking for what is
 * there costs up to a third of the pass. */
#define NEAR_BYTES ((size_t)384 * 1024)

struct ahead {
    uintptr_t next; /* of the first stream */
    size_t apart;   /* bytes from one stream to the next */
    size_t lines;   /* of each stream, per STRIDE inputs */
};

/* How the panels of a matrix are gone through. */
struct walk {
    size_t depth;
    size_t block_count; /* passes over each panel; 0: nothing need be asked for ahead */
    bool descending;
};

INLINE bool is_far(const struct panels *panels)
{
    return panels->panel_count * panels->depth * PANEL_WIDTH * sizeof(float) > NEAR_BYTES;
}

INLINE size_t divided_up(size_t n, size_t by)
{
    return (n + by - 1) / by;
}

/* The share of the panel after w that the block-th pass over w asks for. */
INLINE struct ahead ahead_of(const struct walk *walk, const float *w, size_t block)
{
    if (walk->block_count == 0)
        return (struct ahead){0, 0, 0};
    const size_t panel = walk->depth * PANEL_WIDTH * sizeof(float);
    const size_t stream = divided_up(panel / CACHE_LINE, STREAMS); /* lines */
    const size_t strides = divided_up(walk->depth, STRIDE);
    const size_t lines = divided_up(stream, strides * walk->block_count);
    if (block * strides * lines >= stream)
        return (struct ahead){0, 0, 0};
    /* An address, not a pointer: past the last panel there may be nothing, which does no harm. */
    const uintptr_t next = walk->descending ? (uintptr_t)w - panel : (uintptr_t)w + panel;
    return (struct ahead){next + block * strides * lines * CACHE_LINE, stream * CACHE_LINE, lines};
}

INLINE void ask(struct ahead *ahead)
{
    for (size_t i = 0; i < ahead->lines; i++, ahead->next += CACHE_LINE)
        for (size_t s = 0; s < STREAMS; s++)
            _mm_prefetch((const void *)(ahead->next + s * ahead->apart), _MM_HINT_T0);
}

INLINE struct quad quad_load(const float *from)
{
    return (struct quad){_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8),
                         _mm256_loadu_ps(from + 16), _mm256_loadu_ps(from + 24)};
}

/* ---- products: a += x W for one full panel, chains in the order of k ---- */

INLINE void accumulate_1(struct quad *a, const float *w, const float *x, size_t depth)
{
    struct quad s = *a;
    for (size_t k = 0; k < depth; k++, w += PANEL_WIDTH) {
        const __m256 b = _mm256_broadcast_ss(x + k);
        s.i = _mm256_fmadd_ps(b, _mm256_loadu_ps(w), s.i);
        s.f = _mm256_fmadd_ps(b, _mm256_loadu_ps(w + 8), s.f);
        s.g = _mm256_fmadd_ps(b, _mm256_loadu_ps(w + 16), s.g);
        s.o = _mm256_fmadd_ps(b, _mm256_loadu_ps(w + 24), s.o);
    }
    *a = s;
}

/* One row, two panels. */
INLINE void accumulate_1x2(struct quad *a, struct quad *b, const float *wa, const float *wb,
                           const float *x, size_t depth)
{
    struct quad s = *a, t = *b;
    for (size_t k = 0; k < depth; k++, wa += PANEL_WIDTH, wb += PANEL_WIDTH) {
        const __m256 v = _mm256_broadcast_ss(x + k);
        s.i = _mm256_fmadd_ps(v, _mm256_loadu_ps(wa), s.i);
        s.f = _mm256_fmadd_ps(v, _mm256_loadu_ps(wa + 8), s.f);
        s.g = _mm256_fmadd_ps(v, _mm256_loadu_ps(wa + 16), s.g);
        s.o = _mm256_fmadd_ps(v, _mm256_loadu_ps(wa + 24), s.o);
        t.i = _mm256_fmadd_ps(v, _mm256_loadu_ps(wb), t.i);
        t.f = _mm256_fmadd_ps(v, _mm256_loadu_ps(wb + 8), t.f);
        t.g = _mm256_fmadd_ps(v, _mm256_loadu_ps(wb + 16), t.g);
        t.o = _mm256_fmadd_ps(v, _mm256_loadu_ps(wb + 24), t.o);
    }
    *a = s;
    *b = t;
}

INLINE void accumulate_2(struct quad *a, struct quad *b, const float *w, const float *xa,
                         const float *xb, size_t depth, struct ahead ahead)
{
    struct quad s = *a, t = *b;
    const size_t stride = ahead.lines > 0 ? STRIDE : depth;
    for (size_t k = 0; k < depth;) {
        const size_t end = depth - k < stride ? depth : k + stride;
        ask(&ahead);
        for (; k < end; k++, w += PANEL_WIDTH) {
            const __m256 u = _mm256_broadcast_ss(xa + k);
            const __m256 v = _mm256_broadcast_ss(xb + k);
            __m256 weight = _mm256_loadu_ps(w);
            KEEP(weight);
            s.i = _mm256_fmadd_ps(u, weight, s.i);
            t.i = _mm256_fmadd_ps(v, weight, t.i);
            weight = _mm256_loadu_ps(w + 8);
            KEEP(weight);
            s.f = _mm256_fmadd_ps(u, weight, s.f);
            t.f = _mm256_fmadd_ps(v, weight, t.f);
            weight = _mm256_loadu_ps(w + 16);
            KEEP(weight);
            s.g = _mm256_fmadd_ps(u, weight, s.g);
            t.g = _mm256_fmadd_ps(v, weight, t.g);
            weight = _mm256_loadu_ps(w + 24);
            KEEP(weight);
            s.o = _mm256_fmadd_ps(u, weight, s.o);
            t.o = _mm256_fmadd_ps(v, weight, t.o);
        }
    }
    *a = s;
    *b = t;
}

INLINE void accumulate_3(struct quad *a, struct quad *b, struct quad *c, const float *w,
                         const float *xa, const float *xb, const float *xc, size_t depth,
                         struct ahead ahead)
{
    struct quad s = *a, t = *b, u = *c;
    const size_t stride = ahead.lines > 0 ? STRIDE : depth;
    for (size_t k = 0; k < depth;) {
        const size_t end = depth - k < stride ? depth : k + stride;
        ask(&ahead);
        for (; k < end; k++, w += PANEL_WIDTH) {
            const __m256 x = _mm256_broadcast_ss(xa + k);
            const __m256 y = _mm256_broadcast_ss(xb + k);
            const __m256 z = _mm256_broadcast_ss(xc + k);
            __m256 weight = _mm256_loadu_ps(w);
            KEEP(weight);
            s.i = _mm256_fmadd_ps(x, weight, s.i);
            t.i = _mm256_fmadd_ps(y, weight, t.i);
            u.i = _mm256_fmadd_ps(z, weight, u.i);
            weight = _mm256_loadu_ps(w + 8);
            KEEP(weight);
            s.f = _mm256_fmadd_ps(x, weight, s.f);
            t.f = _mm256_fmadd_ps(y, weight, t.f);
            u.f = _mm256_fmadd_ps(z, weight, u.f);
            weight = _mm256_loadu_ps(w + 16);
            KEEP(weight);
            s.g = _mm256_fmadd_ps(x, weight, s.g);
            t.g = _mm256_fmadd_ps(y, weight, t.g);
            u.g = _mm256_fmadd_ps(z, weight, u.g);
            weight = _mm256_loadu_ps(w + 24);
            KEEP(weight);
            s.o = _mm256_fmadd_ps(x, weight, s.o);
            t.o = _mm256_fmadd_ps(y, weight, t.o);
            u.o = _mm256_fmadd_ps(z, weight, u.o);
        }
    }
    *a = s;
    *b = t;
    *c = u;
}

/* ---- activations: core/activation.c, operation by operation ---- */

struct exp_parts {
    __m256 scale, p;
};

/* 2^n: n stands in the low bits of `shifted`, with the exponent's bias. */
INLINE __m256 scale_of(__m256 shifted)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(shifted), 23));
}

INLINE struct exp_parts exp_parts(__m256 a)
{
    a = _mm256_min_ps(_mm256_set1_ps(EXP_CLAMP), a); /* the second operand when a is NaN */
    const __m256 round = _mm256_set1_ps(EXP_ROUND);
    const __m256 shifted = _mm256_fmadd_ps(a, _mm256_set1_ps(EXP_MINUS_LOG2E), round);
    const __m256 n = _mm256_sub_ps(shifted, round);
    const __m256 r = _mm256_fmsub_ps(n, _mm256_set1_ps(EXP_MINUS_LN2), a);
    const __m256 r2 = _mm256_mul_ps(r, r);
    const __m256 low = _mm256_fmadd_ps(r, _mm256_set1_ps(EXP_Q1), _mm256_set1_ps(EXP_Q0));
    const __m256 middle = _mm256_fmadd_ps(r, _mm256_set1_ps(EXP_Q3), _mm256_set1_ps(EXP_Q2));
    const __m256 high = _mm256_fmadd_ps(r2, _mm256_set1_ps(EXP_Q4), middle);
    const __m256 q = _mm256_fmadd_ps(r2, high, low);
    return (struct exp_parts){scale_of(shifted), _mm256_fmadd_ps(r2, q, r)};
}

INLINE __m256 sigmoid(__m256 x)
{
    const __m256 sign = _mm256_set1_ps(-0.0f);
    const __m256 one = _mm256_set1_ps(1.0f);
    const struct exp_parts parts = exp_parts(_mm256_andnot_ps(sign, x));
    const __m256 e = _mm256_fmadd_ps(parts.scale, parts.p, parts.scale);
    const __m256 small = _mm256_div_ps(e, _mm256_add_ps(e, one));
    return _mm256_blendv_ps(_mm256_sub_ps(one, small), small, x);
}

INLINE __m256 tanh8(__m256 x)
{
    const __m256 sign = _mm256_set1_ps(-0.0f);
    const __m256 one = _mm256_set1_ps(1.0f);
    const __m256 absolute = _mm256_andnot_ps(sign, x);
    const struct exp_parts parts = exp_parts(_mm256_add_ps(absolute, absolute));
    const __m256 e = _mm256_fmadd_ps(parts.scale, parts.p, parts.scale);
    const __m256 em1 = _mm256_fmadd_ps(parts.scale, parts.p, _mm256_sub_ps(parts.scale, one));
    const __m256 quotient = _mm256_div_ps(em1, _mm256_add_ps(e, one));
    return _mm256_or_ps(_mm256_andnot_ps(sign, quotient), _mm256_and_ps(sign, x));
}

INLINE __m256 relu(__m256 x)
{
    const __m256 zero = _mm256_setzero_ps();
    return _mm256_blendv_ps(x, zero, _mm256_cmp_ps(x, zero, _CMP_LT_OQ));
}

INLINE __m256 hard_sigmoid(const struct activation_function *function, __m256 x)
{
    const __m256 zero = _mm256_setzero_ps(), one = _mm256_set1_ps(1.0f);
    const __m256 y =
        _mm256_fmadd_ps(_mm256_set1_ps(function->alpha), x, _mm256_set1_ps(function->beta));
    /* Of two numbers one of which is NaN these give the second. */
    return _mm256_min_ps(one, _mm256_max_ps(zero, y));
}

INLINE __m256 activate8(const struct activation_function *function, __m256 x)
{
    switch (function->kind) {
    case ACTIVATION_RELU:
        return relu(x);
    case ACTIVATION_SIGMOID:
        return sigmoid(x);
    case ACTIVATION_TANH:
        return tanh8(x);
    case ACTIVATION_HARD_SIGMOID:
        return hard_sigmoid(function, x);
    default:
        return x;
    }
}

INLINE bool has_vectors(enum activation kind)
{
    return kind <= ACTIVATION_HARD_SIGMOID;
}

static void avx2_activate(const struct activation_function *function, float *values, size_t count)
{
    size_t i = 0;
    if (!has_vectors(function->kind)) {
        for (; i < count; i++)
            values[i] = activation_apply(function, values[i]);
        return;
    }
    for (; i + PANEL_LANES <= count; i += PANEL_LANES)
        _mm256_storeu_ps(values + i, activate8(function, _mm256_loadu_ps(values + i)));
    if (i < count) {
        float tail[PANEL_LANES] = {0};
        memcpy(tail, values + i, (count - i) * sizeof(float));
        _mm256_storeu_ps(tail, activate8(function, _mm256_loadu_ps(tail)));
        memcpy(values + i, tail, (count - i) * sizeof(float));
    }
}

/* ---- the cell: core/cell.c, operation by operation ---- */

INLINE __m256 cut(__m256 x, float limit)
{
    /* Of two numbers one of which is NaN these give the second. */
    return _mm256_max_ps(_mm256_set1_ps(-limit), _mm256_min_ps(_mm256_set1_ps(limit), x));
}

INLINE struct exp_parts exp_minus(float k, __m256 x)
{
    const float k2 = k * k, k4 = k2 * k2;
    const __m256 round = _mm256_set1_ps(EXP_ROUND);
    const __m256 shifted = _mm256_fmadd_ps(x, _mm256_set1_ps(k * EXP_MINUS_LOG2E), round);
    const __m256 n = _mm256_sub_ps(shifted, round);
    const __m256 r = _mm256_fmadd_ps(n, _mm256_set1_ps(-EXP_MINUS_LN2 / k), x);
    const __m256 r2 = _mm256_mul_ps(r, r);
    const __m256 low =
        _mm256_fmadd_ps(r, _mm256_set1_ps(-EXP_Q1 * k2 * k), _mm256_set1_ps(EXP_Q0 * k2));
    const __m256 middle =
        _mm256_fmadd_ps(r, _mm256_set1_ps(-EXP_Q3 * k4 * k), _mm256_set1_ps(EXP_Q2 * k4));
    const __m256 high = _mm256_fmadd_ps(r2, _mm256_set1_ps(EXP_Q4 * k4 * k2), middle);
    const __m256 q = _mm256_fmadd_ps(r2, high, low);
    const __m256 kr = _mm256_mul_ps(_mm256_set1_ps(k), r);
    return (struct exp_parts){scale_of(shifted), _mm256_fmsub_ps(r2, q, kr)};
}

INLINE struct exp_parts of_sigmoid(__m256 x)
{
    return exp_minus(1, cut(x, CELL_SIGMOID_CUT));
}

INLINE struct exp_parts of_tanh(__m256 x)
{
    return exp_minus(2, cut(x, CELL_TANH_CUT));
}

INLINE __m256 one_plus(struct exp_parts e)
{
    return _mm256_fmadd_ps(e.scale, e.p, _mm256_add_ps(_mm256_set1_ps(1.0f), e.scale));
}

INLINE __m256 one_minus(struct exp_parts e)
{
    return _mm256_fnmadd_ps(e.scale, e.p, _mm256_sub_ps(_mm256_set1_ps(1.0f), e.scale));
}

INLINE __m256 cell_c(const struct quad *gates, __m256 c)
{
    const struct exp_parts g = of_tanh(gates->g);
    const __m256 input =
        _mm256_div_ps(one_minus(g), _mm256_mul_ps(one_plus(of_sigmoid(gates->i)), one_plus(g)));
    const __m256 f = _mm256_div_ps(_mm256_set1_ps(1.0f), one_plus(of_sigmoid(gates->f)));
    return _mm256_fmadd_ps(f, c, input);
}

INLINE __m256 cell_h(__m256 o, __m256 c)
{
    const struct exp_parts t = of_tanh(c);
    return _mm256_div_ps(one_minus(t), _mm256_mul_ps(one_plus(of_sigmoid(o)), one_plus(t)));
}

/* The last panel may hold fewer than 8 units. */
INLINE __m256 load_some(const float *from, size_t count)
{
    if (count >= PANEL_LANES)
        return _mm256_loadu_ps(from);
    float all[PANEL_LANES] = {0};
    for (size_t j = 0; j < count; j++)
        all[j] = from[j];
    return _mm256_loadu_ps(all);
}

INLINE void store_some(float *to, __m256 v, size_t count)
{
    if (count >= PANEL_LANES) {
        _mm256_storeu_ps(to, v);
        return;
    }
    float all[PANEL_LANES];
    _mm256_storeu_ps(all, v);
    for (size_t j = 0; j < count; j++)
        to[j] = all[j];
}

/* ---- one step of an LSTM ---- */

/* The part of a step that one call of an accumulate function covers. */
struct place {
    const float *w, *bias; /* the panel's */
    const float *gates;    /* the panel's input terms, row 0 */
    size_t unit, units;    /* the panel's first unit; how many there are from it on */
};

INLINE struct place place_of(const struct kernel_lstm_step *step, size_t p)
{
    return (struct place){
        .w = step->recurrent->weights + p * PANEL_WIDTH * step->recurrent->depth,
        .bias = step->recurrent->bias + p * PANEL_WIDTH,
        .gates = step->gates + p * step->gates_stride,
        .unit = p * PANEL_LANES,
        .units = step->hidden_size - p * PANEL_LANES,
    };
}

/* A cell is one long chain of operations after another, far longer than what a core looks ahead. So
 * several cells side by side are computed in two halves: all new c, of whose chains many run at
 * once, then all h. */
struct half_cell {
    __m256 o, c; /* o's pre-activation; the new c */
};

INLINE struct half_cell begin_cell(const struct kernel_lstm_step *step, const struct place *at,
                                   size_t r, const struct quad *recurrent)
{
    const float *input = at->gates + r * PANEL_WIDTH;
    const struct quad gates = {_mm256_add_ps(recurrent->i, _mm256_loadu_ps(input)),
                               _mm256_add_ps(recurrent->f, _mm256_loadu_ps(input + 8)),
                               _mm256_add_ps(recurrent->g, _mm256_loadu_ps(input + 16)),
                               _mm256_add_ps(recurrent->o, _mm256_loadu_ps(input + 24))};
    float *c = step->c[r] + at->unit;
    const __m256 c_new = cell_c(&gates, load_some(c, at->units));
    store_some(c, c_new, at->units);
    return (struct half_cell){gates.o, c_new};
}

INLINE void end_cell(const struct kernel_lstm_step *step, const struct place *at, size_t r,
                     const struct half_cell *half)
{
    store_some(step->h_after[r] + at->unit, cell_h(half->o, half->c), at->units);
}

static void step_3_rows(const struct kernel_lstm_step *step, const struct place *at, size_t r,
                        struct ahead ahead)
{
    struct quad a = quad_load(at->bias), b = a, c = a;
    accumulate_3(&a, &b, &c, at->w, step->h_before[r], step->h_before[r + 1], step->h_before[r + 2],
                 step->recurrent->depth, ahead);
    const struct half_cell first = begin_cell(step, at, r, &a);
    const struct half_cell second = begin_cell(step, at, r + 1, &b);
    const struct half_cell third = begin_cell(step, at, r + 2, &c);
    end_cell(step, at, r, &first);
    end_cell(step, at, r + 1, &second);
    end_cell(step, at, r + 2, &third);
}

static void step_2_rows(const struct kernel_lstm_step *step, const struct place *at, size_t r,
                        struct ahead ahead)
{
    struct quad a = quad_load(at->bias), b = a;
    accumulate_2(&a, &b, at->w, step->h_before[r], step->h_before[r + 1], step->recurrent->depth,
                 ahead);
    const struct half_cell first = begin_cell(step, at, r, &a);
    const struct half_cell second = begin_cell(step, at, r + 1, &b);
    end_cell(step, at, r, &first);
    end_cell(step, at, r + 1, &second);
}

static void step_1_row(const struct kernel_lstm_step *step, const struct place *at, size_t r)
{
    struct quad a = quad_load(at->bias);
    accumulate_1(&a, at->w, step->h_before[r], step->recurrent->depth);
    const struct half_cell only = begin_cell(step, at, r, &a);
    end_cell(step, at, r, &only);
}

/* A lone row: two panels side by side. */
ALONE void step_1_row_2_panels(const struct kernel_lstm_step *step, size_t p, size_t q)
{
    const struct place here = place_of(step, p);
    const struct place next = place_of(step, q);
    struct quad a = quad_load(here.bias);
    struct quad b = quad_load(next.bias);
    accumulate_1x2(&a, &b, here.w, next.w, step->h_before[0], step->recurrent->depth);
    const struct half_cell first = begin_cell(step, &here, 0, &a);
    const struct half_cell second = begin_cell(step, &next, 0, &b);
    end_cell(step, &here, 0, &first);
    end_cell(step, &next, 0, &second);
}

/* 3 rows at a time; 4 left are better as 2 and 2 than as 3 and 1. */
INLINE struct walk walk_of(const struct panels *panels, size_t row_count, bool descending)
{
    return (struct walk){
        .depth = panels->depth,
        .block_count = is_far(panels) ? (row_count + 2) / 3 : 0,
        .descending = descending,
    };
}

static void step_rows(const struct kernel_lstm_step *step, const struct walk *walk,
                      const struct place *at)
{
    size_t r = 0, left = step->row_count, block = 0;
    for (; left == 3 || left > 4; left -= 3, r += 3)
        step_3_rows(step, at, r, ahead_of(walk, at->w, block++));
    for (; left >= 2; left -= 2, r += 2)
        step_2_rows(step, at, r, ahead_of(walk, at->w, block++));
    if (left == 1)
        step_1_row(step, at, r);
}

/* The i-th of the panels [first, end) to be visited. */
INLINE size_t nth_panel(size_t first, size_t end, size_t i, bool descending)
{
    return descending ? end - 1 - i : first + i;
}

static void avx2_lstm_step(const struct kernel_lstm_step *step)
{
    const size_t first = step->first_panel, end = step->end_panel;
    const struct walk walk = walk_of(step->recurrent, step->row_count, step->descending);
    size_t i = 0;
    if (step->row_count == 1)
        for (; i + 1 < end - first; i += 2)
            step_1_row_2_panels(step, nth_panel(first, end, i, step->descending),
                                nth_panel(first, end, i + 1, step->descending));
    for (; i < end - first; i++) {
        const struct place at = place_of(step, nth_panel(first, end, i, step->descending));
        step_rows(step, &walk, &at);
    }
}

/* ---- linear ---- */

INLINE void quad_store(float *to, const struct quad *q, size_t columns)
{
    if (columns >= PANEL_WIDTH) {
        _mm256_storeu_ps(to, q->i);
        _mm256_storeu_ps(to + 8, q->f);
        _mm256_storeu_ps(to + 16, q->g);
        _mm256_storeu_ps(to + 24, q->o);
        return;
    }
    float all[PANEL_WIDTH];
    _mm256_storeu_ps(all, q->i);
    _mm256_storeu_ps(all + 8, q->f);
    _mm256_storeu_ps(all + 16, q->g);
    _mm256_storeu_ps(all + 24, q->o);
    memcpy(to, all, columns * sizeof(float));
}

/* One panel of a product. */
struct column {
    const float *w, *bias;
    size_t offset;  /* of the panel's columns in a row of y */
    size_t columns; /* from the panel's first on */
};

INLINE struct column column_of(const struct kernel_linear *linear, size_t p)
{
    return (struct column){
        .w = linear->w->weights + p * PANEL_WIDTH * linear->w->depth,
        .bias = linear->w->bias + p * PANEL_WIDTH,
        .offset = p * linear->y_stride,
        .columns = linear->w->columns - p * PANEL_WIDTH,
    };
}

static void linear_3_rows(const struct kernel_linear *l, const struct column *at, size_t r,
                          struct ahead ahead)
{
    struct quad a = quad_load(at->bias), b = a, c = a;
    accumulate_3(&a, &b, &c, at->w, l->x[r], l->x[r + 1], l->x[r + 2], l->w->depth, ahead);
    quad_store(l->y[r] + at->offset, &a, at->columns);
    quad_store(l->y[r + 1] + at->offset, &b, at->columns);
    quad_store(l->y[r + 2] + at->offset, &c, at->columns);
}

static void linear_2_rows(const struct kernel_linear *l, const struct column *at, size_t r,
                          struct ahead ahead)
{
    struct quad a = quad_load(at->bias), b = a;
    accumulate_2(&a, &b, at->w, l->x[r], l->x[r + 1], l->w->depth, ahead);
    quad_store(l->y[r] + at->offset, &a, at->columns);
    quad_store(l->y[r + 1] + at->offset, &b, at->columns);
}

static void linear_1_row(const struct kernel_linear *l, const struct column *at, size_t r)
{
    struct quad a = quad_load(at->bias);
    accumulate_1(&a, at->w, l->x[r], l->w->depth);
    quad_store(l->y[r] + at->offset, &a, at->columns);
}

ALONE void linear_1_row_2_panels(const struct kernel_linear *l, size_t p, size_t q)
{
    const struct column here = column_of(l, p);
    const struct column next = column_of(l, q);
    struct quad a = quad_load(here.bias), b = quad_load(next.bias);
    accumulate_1x2(&a, &b, here.w, next.w, l->x[0], l->w->depth);
    quad_store(l->y[0] + here.offset, &a, here.columns);
    quad_store(l->y[0] + next.offset, &b, next.columns);
}

static void linear_rows(const struct kernel_linear *l, const struct walk *walk,
                        const struct column *at)
{
    size_t r = 0, left = l->row_count, block = 0;
    for (; left == 3 || left > 4; left -= 3, r += 3)
        linear_3_rows(l, at, r, ahead_of(walk, at->w, block++));
    for (; left >= 2; left -= 2, r += 2)
        linear_2_rows(l, at, r, ahead_of(walk, at->w, block++));
    if (left == 1)
        linear_1_row(l, at, r);
}

/* A last panel narrower than 32: vector by vector, 4 rows side by side. */
ALONE void vector_4_rows(const struct kernel_linear *l, const struct column *at, size_t width,
                         size_t r)
{
    const float *w = at->w, *x0 = l->x[r], *x1 = l->x[r + 1], *x2 = l->x[r + 2], *x3 = l->x[r + 3];
    __m256 a = _mm256_loadu_ps(at->bias), b = a, c = a, d = a;
    for (size_t k = 0; k < l->w->depth; k++, w += width) {
        __m256 weight = _mm256_loadu_ps(w);
        KEEP(weight);
        a = _mm256_fmadd_ps(_mm256_broadcast_ss(x0 + k), weight, a);
        b = _mm256_fmadd_ps(_mm256_broadcast_ss(x1 + k), weight, b);
        c = _mm256_fmadd_ps(_mm256_broadcast_ss(x2 + k), weight, c);
        d = _mm256_fmadd_ps(_mm256_broadcast_ss(x3 + k), weight, d);
    }
    store_some(l->y[r] + at->offset, a, at->columns);
    store_some(l->y[r + 1] + at->offset, b, at->columns);
    store_some(l->y[r + 2] + at->offset, c, at->columns);
    store_some(l->y[r + 3] + at->offset, d, at->columns);
}

ALONE void vector_1_row(const struct kernel_linear *l, const struct column *at, size_t width,
                        size_t r)
{
    const float *w = at->w, *x = l->x[r];
    __m256 a = _mm256_loadu_ps(at->bias);
    for (size_t k = 0; k < l->w->depth; k++, w += width)
        a = _mm256_fmadd_ps(_mm256_broadcast_ss(x + k), _mm256_loadu_ps(w), a);
    store_some(l->y[r] + at->offset, a, at->columns);
}

static void linear_narrow(const struct kernel_linear *l, struct column at, size_t width)
{
    for (size_t v = 0; v < width; v += PANEL_LANES) {
        size_t r = 0;
        for (; r + 4 <= l->row_count; r += 4)
            vector_4_rows(l, &at, width, r);
        for (; r < l->row_count; r++)
            vector_1_row(l, &at, width, r);
        at.w += PANEL_LANES;
        at.bias += PANEL_LANES;
        at.offset += PANEL_LANES;
        at.columns -= PANEL_LANES;
    }
}

static void full_panels(const struct kernel_linear *l, size_t first, size_t end)
{
    const struct walk walk = walk_of(l->w, l->row_count, l->descending);
    size_t i = 0;
    if (l->row_count == 1)
        for (; i + 1 < end - first; i += 2)
            linear_1_row_2_panels(l, nth_panel(first, end, i, l->descending),
                                  nth_panel(first, end, i + 1, l->descending));
    for (; i < end - first; i++) {
        const struct column at = column_of(l, nth_panel(first, end, i, l->descending));
        linear_rows(l, &walk, &at);
    }
}

static void avx2_linear(const struct kernel_linear *linear)
{
    const size_t last = linear->w->panel_count - 1;
    const size_t width = panels_width(linear->w, last);
    const bool narrow = linear->end_panel > last && width < PANEL_WIDTH;
    if (linear->first_panel == linear->end_panel)
        return;
    full_panels(linear, linear->first_panel, narrow ? last : linear->end_panel);
    if (narrow)
        linear_narrow(linear, column_of(linear, last), width);
}

/* gcc asks CPUID and whether the system saves the wide registers. */
static bool avx2_supported(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

const struct kernel kernel_avx2 = {
    .name = "avx2",
    .supported = avx2_supported,
    .linear = avx2_linear,
    .lstm_step = avx2_lstm_step,
    .activate = avx2_activate,
};
