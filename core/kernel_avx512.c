/* The scalar kernel's arithmetic, sixteen lanes at a time. As in kernel_avx2.c a lane is one
 * output's chain, so vectors never reorder a sum.
 *
 * A vector is half a panel. With 32 registers two panels go together (1 to 6 rows x 4 vectors: up
 * to 24 accumulators, 4 weights, 1 broadcast), so a broadcast serves four multiply-adds, and a
 * cell's 16 units are those of two panels side by side. A lone row, which needs more chains side by
 * side than that gives, goes through four panels.
 *
 * Accumulators are named, never arrays: gcc 12 keeps arrays of vectors in memory. */
#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/activation_constants.h"
#include "core/kernels.h"

#define INLINE static inline __attribute__((always_inline))

/* Functions that hold an inner loop, as in kernel_avx2.c. */
#define ALONE static __attribute__((noinline))

enum { LANES = 16, ROWS_MAX = 6, PANELS_MAX = 4, CACHE_LINE = 64 };

/* Of 16 lanes the first so many. */
INLINE __mmask16 first_lanes(size_t count)
{
    return count >= LANES ? (__mmask16)0xffff : (__mmask16)((1u << count) - 1);
}

/* ---- sums: bias + x[r] W for the columns of a block of rows and panels, in the order of k ---- */

/* One row's columns of a panel. In gate panels: i and g, f and o. */
struct pair {
    __m512 a, b;
};

INLINE struct pair pair_load(const float *from, size_t second)
{
    return (struct pair){_mm512_loadu_ps(from), _mm512_loadu_ps(from + second)};
}

INLINE void pair_store(float *to, const struct pair *s)
{
    _mm512_storeu_ps(to, s->a);
    _mm512_storeu_ps(to + PANEL_HALF, s->b);
}

/* sum += x w, in the form that writes where it adds: see kernel_avx2.c. */
INLINE void multiply_add(__m512 *sum, __m512 x, __m512 w)
{
    __asm__("vfmadd231ps %2, %1, %0" : "+v"(*sum) : "v"(x), "v"(w));
}

INLINE void pair_add(struct pair *s, __m512 x, const struct pair *w)
{
    multiply_add(&s->a, x, w->a);
    multiply_add(&s->b, x, w->b);
}

/* Inputs per turn of an inner loop. */
enum { UNROLL = 4 }; /* written out where it is used */

/* Several rows' inputs, and their sums in one panel. */
struct inputs {
    const float *a, *b, *c, *d, *e, *f;
};

struct pairs {
    struct pair a, b, c, d, e, f;
};

INLINE struct inputs inputs_of(const float *const *x, size_t rows)
{
    return (struct inputs){x[0],
                           rows > 1 ? x[1] : NULL,
                           rows > 2 ? x[2] : NULL,
                           rows > 3 ? x[3] : NULL,
                           rows > 4 ? x[4] : NULL,
                           rows > 5 ? x[5] : NULL};
}

/* How a panel is read, as in struct panels; `step`, `rows` and `panels` below are constants
 * wherever they are used. */
struct reading {
    const float *p, *q; /* the first panel's weights, the second's */
    size_t depth, step, second;
};

INLINE void row_add(struct pair *p, struct pair *q, const float *x, const struct pair *w,
                    const struct pair *v, size_t panels)
{
    const __m512 b = _mm512_set1_ps(*x);
    pair_add(p, b, w);
    if (panels > 1)
        pair_add(q, b, v);
}

/* Of 1 to 6 rows the k-th inputs, in one panel or two. */
INLINE void rows_add(struct pairs *p, struct pairs *q, const float *w, const float *v,
                     size_t second, const struct inputs *x, size_t k, size_t rows, size_t panels)
{
    const struct pair wp = pair_load(w, second);
    const struct pair wq = panels > 1 ? pair_load(v, second) : wp;
    row_add(&p->a, &q->a, x->a + k, &wp, &wq, panels);
    if (rows > 1)
        row_add(&p->b, &q->b, x->b + k, &wp, &wq, panels);
    if (rows > 2)
        row_add(&p->c, &q->c, x->c + k, &wp, &wq, panels);
    if (rows > 3)
        row_add(&p->d, &q->d, x->d + k, &wp, &wq, panels);
    if (rows > 4)
        row_add(&p->e, &q->e, x->e + k, &wp, &wq, panels);
    if (rows > 5)
        row_add(&p->f, &q->f, x->f + k, &wp, &wq, panels);
}

INLINE void add_all(struct pairs *p, struct pairs *q, const struct reading *read, size_t step,
                    size_t second, const struct inputs *x, size_t rows, size_t panels)
{
    const float *w = read->p, *v = read->q;
    size_t k = 0;
    for (; k + UNROLL <= read->depth; k += UNROLL, w += UNROLL * step, v += UNROLL * step) {
        rows_add(p, q, w, v, second, x, k, rows, panels);
        rows_add(p, q, w + step, v + step, second, x, k + 1, rows, panels);
        rows_add(p, q, w + 2 * step, v + 2 * step, second, x, k + 2, rows, panels);
        rows_add(p, q, w + 3 * step, v + 3 * step, second, x, k + 3, rows, panels);
    }
    for (; k < read->depth; k++, w += step, v += step)
        rows_add(p, q, w, v, second, x, k, rows, panels);
}

INLINE void pairs_store(float (*to)[PANEL_WIDTH], const struct pairs *s, size_t rows)
{
    pair_store(to[0], &s->a);
    if (rows > 1)
        pair_store(to[1], &s->b);
    if (rows > 2)
        pair_store(to[2], &s->c);
    if (rows > 3)
        pair_store(to[3], &s->d);
    if (rows > 4)
        pair_store(to[4], &s->e);
    if (rows > 5)
        pair_store(to[5], &s->f);
}

/* The sums of a block, which wait in memory for what is made of them. */
struct block {
    _Alignas(CACHE_LINE) float sums[PANELS_MAX][ROWS_MAX][PANEL_WIDTH];
};

INLINE const float *weights_of(const struct panels *panels, size_t p)
{
    return panels->weights + p * PANEL_WIDTH * panels->depth;
}

INLINE struct pair bias_of(const struct panels *panels, size_t p)
{
    return pair_load(panels->bias + p * PANEL_WIDTH, PANEL_HALF);
}

/* Panels [p, p + count), 1 or 2 of them. */
INLINE void block_sums(struct block *block, const struct panels *panels, size_t p,
                       const float *const *x, size_t rows, size_t count)
{
    const struct inputs in = inputs_of(x, rows);
    const struct pair first = bias_of(panels, p), last = bias_of(panels, p + count - 1);
    struct pairs s = {first, first, first, first, first, first};
    struct pairs t = {last, last, last, last, last, last};
    const struct reading read = {weights_of(panels, p), weights_of(panels, p + count - 1),
                                 panels->depth, panels->step, panels->second};
    if (panels->step == PANEL_WIDTH)
        add_all(&s, &t, &read, PANEL_WIDTH, PANEL_HALF, &in, rows, count);
    else
        add_all(&s, &t, &read, PANEL_HALF, panels->second, &in, rows, count);
    pairs_store(block->sums[0], &s, rows);
    if (count > 1)
        pairs_store(block->sums[1], &t, rows);
}

typedef void sums_function(struct block *block, const struct panels *panels, size_t p,
                           const float *const *x);

#define SUMS(rows, count)                                                                          \
    ALONE void sums_##rows##_##count(struct block *block, const struct panels *panels, size_t p,   \
                                     const float *const *x)                                        \
    {                                                                                              \
        block_sums(block, panels, p, x, rows, count);                                              \
    }

SUMS(1, 1)
SUMS(2, 1)
SUMS(3, 1)
SUMS(4, 1)
SUMS(5, 1)
SUMS(6, 1)
SUMS(1, 2)
SUMS(2, 2)
SUMS(3, 2)
SUMS(4, 2)
SUMS(5, 2)
SUMS(6, 2)

/* A lone row uses each weight once, so it may come from memory in the multiply-add itself. */
INLINE void add_one(struct pair *s, __m512 x, const float *w, size_t second)
{
    s->a = _mm512_fmadd_ps(x, _mm512_loadu_ps(w), s->a);
    s->b = _mm512_fmadd_ps(x, _mm512_loadu_ps(w + second), s->b);
}

struct four {
    struct pair p, q, r, s;
};

INLINE void lone_add(struct four *sums, const float *x, const float *w, size_t panel, size_t second)
{
    const __m512 b = _mm512_set1_ps(*x);
    add_one(&sums->p, b, w, second);
    add_one(&sums->q, b, w + panel, second);
    add_one(&sums->r, b, w + 2 * panel, second);
    add_one(&sums->s, b, w + 3 * panel, second);
}

ALONE void sums_1_4(struct block *block, const struct panels *panels, size_t p,
                    const float *const *x)
{
    const size_t panel = PANEL_WIDTH * panels->depth, step = panels->step, second = panels->second;
    const float *w = weights_of(panels, p);
    struct four s = {bias_of(panels, p), bias_of(panels, p + 1), bias_of(panels, p + 2),
                     bias_of(panels, p + 3)};
    for (size_t k = 0; k < panels->depth; k++, w += step)
        lone_add(&s, x[0] + k, w, panel, second);
    pair_store(block->sums[0][0], &s.p);
    pair_store(block->sums[1][0], &s.q);
    pair_store(block->sums[2][0], &s.r);
    pair_store(block->sums[3][0], &s.s);
}

static sums_function *const sums_functions[ROWS_MAX + 1][3] = {
    {NULL, NULL, NULL},         {NULL, sums_1_1, sums_1_2}, {NULL, sums_2_1, sums_2_2},
    {NULL, sums_3_1, sums_3_2}, {NULL, sums_4_1, sums_4_2}, {NULL, sums_5_1, sums_5_2},
    {NULL, sums_6_1, sums_6_2},
};

static void sums(struct block *block, const struct panels *panels, size_t p, size_t count,
                 const float *const *x, size_t rows)
{
    if (count == PANELS_MAX)
        sums_1_4(block, panels, p, x);
    else
        sums_functions[rows][count](block, panels, p, x);
}

/* ---- which panels and rows go together ---- */

INLINE size_t divided_up(size_t n, size_t by)
{
    return (n + by - 1) / by;
}

/* Blocks of rows are as even as can be. */
INLINE size_t next_rows(size_t left)
{
    return divided_up(left, divided_up(left, ROWS_MAX));
}

INLINE size_t next_panels(size_t left, size_t row_count)
{
    if (row_count == 1 && left >= PANELS_MAX)
        return PANELS_MAX;
    return left < 2 ? left : 2;
}

/* ---- activations: core/activation.c, operation by operation ---- */

struct exp_parts {
    __m512 scale, p;
};

INLINE __m512 of(float x)
{
    return _mm512_set1_ps(x);
}

/* 2^n: n stands in the low bits of `shifted`, with the exponent's bias. */
INLINE __m512 scale_of(__m512 shifted)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(shifted), 23));
}

INLINE struct exp_parts exp_parts(__m512 a)
{
    a = _mm512_min_ps(of(EXP_CLAMP), a); /* the second operand when a is NaN */
    const __m512 shifted = _mm512_fmadd_ps(a, of(EXP_MINUS_LOG2E), of(EXP_ROUND));
    const __m512 n = _mm512_sub_ps(shifted, of(EXP_ROUND));
    const __m512 r = _mm512_fmsub_ps(n, of(EXP_MINUS_LN2), a);
    const __m512 r2 = _mm512_mul_ps(r, r);
    const __m512 low = _mm512_fmadd_ps(r, of(EXP_Q1), of(EXP_Q0));
    const __m512 middle = _mm512_fmadd_ps(r, of(EXP_Q3), of(EXP_Q2));
    const __m512 high = _mm512_fmadd_ps(r2, of(EXP_Q4), middle);
    const __m512 q = _mm512_fmadd_ps(r2, high, low);
    return (struct exp_parts){scale_of(shifted), _mm512_fmadd_ps(r2, q, r)};
}

INLINE __m512 sigmoid(__m512 x)
{
    const struct exp_parts parts = exp_parts(_mm512_andnot_ps(of(-0.0f), x));
    const __m512 e = _mm512_fmadd_ps(parts.scale, parts.p, parts.scale);
    const __m512 small = _mm512_div_ps(e, _mm512_add_ps(e, of(1.0f)));
    return _mm512_mask_blend_ps(_mm512_movepi32_mask(_mm512_castps_si512(x)),
                                _mm512_sub_ps(of(1.0f), small), small);
}

INLINE __m512 tanh16(__m512 x)
{
    const __m512 absolute = _mm512_andnot_ps(of(-0.0f), x);
    const struct exp_parts parts = exp_parts(_mm512_add_ps(absolute, absolute));
    const __m512 e = _mm512_fmadd_ps(parts.scale, parts.p, parts.scale);
    const __m512 em1 = _mm512_fmadd_ps(parts.scale, parts.p, _mm512_sub_ps(parts.scale, of(1.0f)));
    const __m512 quotient = _mm512_div_ps(em1, _mm512_add_ps(e, of(1.0f)));
    return _mm512_or_ps(_mm512_andnot_ps(of(-0.0f), quotient), _mm512_and_ps(of(-0.0f), x));
}

INLINE __m512 relu(__m512 x)
{
    const __m512 zero = _mm512_setzero_ps();
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, zero, _CMP_LT_OQ), x, zero);
}

INLINE __m512 hard_sigmoid(const struct activation_function *function, __m512 x)
{
    const __m512 y = _mm512_fmadd_ps(of(function->alpha), x, of(function->beta));
    /* Of two numbers one of which is NaN these give the second. */
    return _mm512_min_ps(of(1.0f), _mm512_max_ps(_mm512_setzero_ps(), y));
}

INLINE __m512 activate16(const struct activation_function *function, __m512 x)
{
    switch (function->kind) {
    case ACTIVATION_RELU:
        return relu(x);
    case ACTIVATION_SIGMOID:
        return sigmoid(x);
    case ACTIVATION_TANH:
        return tanh16(x);
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

static void avx512_activate(const struct activation_function *function, float *values, size_t count)
{
    if (!has_vectors(function->kind)) {
        for (size_t i = 0; i < count; i++)
            values[i] = activation_apply(function, values[i]);
        return;
    }
    for (size_t i = 0; i < count; i += LANES) {
        const __mmask16 lanes = first_lanes(count - i);
        const __m512 x = _mm512_maskz_loadu_ps(lanes, values + i);
        _mm512_mask_storeu_ps(values + i, lanes, activate16(function, x));
    }
}

/* ---- the cell: core/cell.c, operation by operation ---- */

INLINE __m512 cut(__m512 x, float limit)
{
    /* Of two numbers one of which is NaN these give the second. */
    return _mm512_max_ps(of(-limit), _mm512_min_ps(of(limit), x));
}

INLINE struct exp_parts exp_minus(float k, __m512 x)
{
    const float k2 = k * k, k4 = k2 * k2;
    const __m512 shifted = _mm512_fmadd_ps(x, of(k * EXP_MINUS_LOG2E), of(EXP_ROUND));
    const __m512 n = _mm512_sub_ps(shifted, of(EXP_ROUND));
    const __m512 r = _mm512_fmadd_ps(n, of(-EXP_MINUS_LN2 / k), x);
    const __m512 r2 = _mm512_mul_ps(r, r);
    const __m512 low = _mm512_fmadd_ps(r, of(-EXP_Q1 * k2 * k), of(EXP_Q0 * k2));
    const __m512 middle = _mm512_fmadd_ps(r, of(-EXP_Q3 * k4 * k), of(EXP_Q2 * k4));
    const __m512 high = _mm512_fmadd_ps(r2, of(EXP_Q4 * k4 * k2), middle);
    const __m512 q = _mm512_fmadd_ps(r2, high, low);
    return (struct exp_parts){scale_of(shifted), _mm512_fmsub_ps(r2, q, _mm512_mul_ps(of(k), r))};
}

INLINE struct exp_parts of_sigmoid(__m512 x)
{
    return exp_minus(1, cut(x, CELL_SIGMOID_CUT));
}

INLINE struct exp_parts of_tanh(__m512 x)
{
    return exp_minus(2, cut(x, CELL_TANH_CUT));
}

INLINE __m512 one_plus(struct exp_parts e)
{
    return _mm512_fmadd_ps(e.scale, e.p, _mm512_add_ps(of(1.0f), e.scale));
}

INLINE __m512 one_minus(struct exp_parts e)
{
    return _mm512_fnmadd_ps(e.scale, e.p, _mm512_sub_ps(of(1.0f), e.scale));
}

/* 16 units' pre-activations. */
struct quad {
    __m512 i, f, g, o;
};

INLINE __m512 cell_c(const struct quad *gates, __m512 c)
{
    const struct exp_parts g = of_tanh(gates->g);
    const __m512 input =
        _mm512_div_ps(one_minus(g), _mm512_mul_ps(one_plus(of_sigmoid(gates->i)), one_plus(g)));
    const __m512 f = _mm512_div_ps(of(1.0f), one_plus(of_sigmoid(gates->f)));
    return _mm512_fmadd_ps(f, c, input);
}

INLINE __m512 cell_h(__m512 o, __m512 c)
{
    const struct exp_parts t = of_tanh(c);
    return _mm512_div_ps(one_minus(t), _mm512_mul_ps(one_plus(of_sigmoid(o)), one_plus(t)));
}

/* ---- one step of an LSTM ---- */

/* The lower 8 lanes of both, and the upper 8. */
INLINE __m512 lower(__m512 a, __m512 b)
{
    return _mm512_shuffle_f32x4(a, b, 0x44);
}

INLINE __m512 upper(__m512 a, __m512 b)
{
    return _mm512_shuffle_f32x4(a, b, 0xee);
}

/* A panel's pre-activations: recurrent sums and input terms. */
INLINE struct pair pre_activations(const float *recurrent, const float *input)
{
    const struct pair s = pair_load(recurrent, PANEL_HALF), t = pair_load(input, PANEL_HALF);
    return (struct pair){_mm512_add_ps(s.a, t.a), _mm512_add_ps(s.b, t.b)};
}

/* A cell's place: 16 units of a row, those of panels p and p + 1, or the 8 of p. */
struct cell {
    const float *sums[2], *gates[2];
    float *c, *h;
    __mmask16 lanes;
};

/* A cell is one long chain of operations after another, far longer than what a core looks ahead. So
 * several cells side by side are computed in two halves: all new c, then all h. */
struct half_cell {
    __m512 o, c; /* o's pre-activation; the new c */
};

INLINE struct half_cell begin_cell(const struct cell *at)
{
    const struct pair p = pre_activations(at->sums[0], at->gates[0]);
    const struct pair q = pre_activations(at->sums[1], at->gates[1]);
    const struct quad gates = {
        .i = lower(p.a, q.a), .g = upper(p.a, q.a), .f = lower(p.b, q.b), .o = upper(p.b, q.b)};
    const __m512 c = cell_c(&gates, _mm512_maskz_loadu_ps(at->lanes, at->c));
    _mm512_mask_storeu_ps(at->c, at->lanes, c);
    return (struct half_cell){gates.o, c};
}

INLINE void end_cell(const struct cell *at, const struct half_cell *half)
{
    _mm512_mask_storeu_ps(at->h, at->lanes, cell_h(half->o, half->c));
}

/* Row r's, the r-th of the block, with panels p and, where there are two, p + 1; the block's n-th
 * panels and next. */
INLINE struct cell cell_at(const struct kernel_lstm_step *step, const struct block *block, size_t r,
                           size_t i, size_t p, size_t n, bool two)
{
    const size_t unit = p * PANEL_LANES, left = step->hidden_size - unit;
    const float *gates = step->gates + p * step->gates_stride + r * PANEL_WIDTH;
    return (struct cell){
        .sums = {block->sums[n][i], block->sums[n + two][i]},
        .gates = {gates, two ? gates + step->gates_stride : gates},
        .c = step->c[r] + unit,
        .h = step->h_after[r] + unit,
        .lanes = first_lanes(!two && left > PANEL_LANES ? PANEL_LANES : left),
    };
}

static void cells(const struct kernel_lstm_step *step, const struct block *block, size_t r,
                  size_t rows, size_t p, size_t count)
{
    struct cell at[ROWS_MAX];
    struct half_cell half[ROWS_MAX];
    size_t cell_count = 0;
    for (size_t n = 0; n < count; n += 2)
        for (size_t i = 0; i < rows; i++, cell_count++) {
            at[cell_count] = cell_at(step, block, r + i, i, p + n, n, n + 1 < count);
            half[cell_count] = begin_cell(&at[cell_count]);
        }
    for (size_t i = 0; i < cell_count; i++)
        end_cell(&at[i], &half[i]);
}

static void avx512_lstm_step(const struct kernel_lstm_step *step)
{
    struct block block;
    const size_t first = step->first_panel, end = step->end_panel;
    for (size_t done = 0, count; done < end - first; done += count) {
        count = next_panels(end - first - done, step->row_count);
        const size_t p = step->descending ? end - done - count : first + done;
        for (size_t r = 0, rows; r < step->row_count; r += rows) {
            rows = next_rows(step->row_count - r);
            sums(&block, step->recurrent, p, count, step->h_before + r, rows);
            cells(step, &block, r, rows, p, count);
        }
    }
}

/* ---- linear ---- */

/* The sums of one panel go where they belong. */
static void store_panel(const struct kernel_linear *l, const struct block *block, size_t r,
                        size_t rows, size_t p, size_t n)
{
    const size_t columns = panels_columns(l->w, p);
    const __mmask16 first = first_lanes(columns);
    const __mmask16 second = first_lanes(columns < PANEL_HALF ? 0 : columns - PANEL_HALF);
    for (size_t i = 0; i < rows; i++) {
        float *y = l->y[r + i] + p * l->y_stride;
        const struct pair s = pair_load(block->sums[n][i], PANEL_HALF);
        _mm512_mask_storeu_ps(y, first, s.a);
        _mm512_mask_storeu_ps(y + PANEL_HALF, second, s.b);
    }
}

static void avx512_linear(const struct kernel_linear *l)
{
    struct block block;
    const size_t first = l->first_panel, end = l->end_panel;
    for (size_t done = 0, count; done < end - first; done += count) {
        count = next_panels(end - first - done, l->row_count);
        const size_t p = l->descending ? end - done - count : first + done;
        for (size_t r = 0, rows; r < l->row_count; r += rows) {
            rows = next_rows(l->row_count - r);
            sums(&block, l->w, p, count, l->x + r, rows);
            for (size_t n = 0; n < count; n++)
                store_panel(l, &block, r, rows, p + n, n);
        }
    }
}

/* gcc asks CPUID and whether the system saves the wide registers. */
static bool avx512_supported(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq");
}

const struct kernel kernel_avx512 = {
    .name = "avx512",
    .supported = avx512_supported,
    .linear = avx512_linear,
    .lstm_step = avx512_lstm_step,
    .activate = avx512_activate,
};
