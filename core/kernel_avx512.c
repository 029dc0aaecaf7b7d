/* The scalar kernel's arithmetic, sixteen lanes at a time. As in kernel_avx2.c a lane is one
 * output's chain, so vectors never reorder a sum.
 *
 * A vector is half a panel. With 32 registers two panels go together (1 to 6 rows x 4 vectors: up
 * to 24 accumulators, 4 weights, 1 broadcast), so a broadcast serves four multiply-adds, and a
 * cell's 16 units are those of two panels side by side. A lone row, to which that gives but four
 * chains, goes through four panels where that is faster: see NEAR_BYTES.
 *
 * Accumulators are named, never arrays: gcc 12 keeps arrays of vectors in memory. */
#include <assert.h>
#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/activation_constants.h"
#include "core/kernels.h"

#define INLINE static inline __attribute__((always_inline))

/* Functions that hold an inner loop, as in kernel_avx2.c. */
#define ALONE static __attribute__((noinline))

enum {
    LANES = 16,
    PAIR_WIDTH = 2 * PANEL_WIDTH,
    ROWS_MAX = 6,
    GROUP_MAX = 4, /* panels */
    CACHE_LINE = 64,
};

/* Bytes of a matrix. A lone row's pair is read front to back, which the second-level cache answers
 * twice as fast as reads in several places. But it has 4 chains only, too few where weights are
 * nearer than that; and from further away two streams are fetched ahead sooner than one. */
#define NEAR_BYTES         ((size_t)192 * 1024)
#define SECOND_LEVEL_BYTES ((size_t)2 * 1024 * 1024)

/* From the third-level cache the hardware fetches ahead soon enough, and asking as well cost 4 rows
 * a sixth. From memory it does not; weights come from there when they are too large, or others were
 * read since. Then the first pass of a few rows asks for what it needs itself, FAR_LINES ahead;
 * many rows' passes ask for the next pair, each for its part, which pays a little sooner. */
#define THIRD_LEVEL_BYTES ((size_t)24 * 1024 * 1024)
#define SHARING_BYTES     ((size_t)12 * 1024 * 1024)
enum { FAR_LINES = 256, SHARING_PASSES_MIN = 5 };

/* Of 16 lanes the first so many. */
INLINE __mmask16 first_lanes(size_t count)
{
    return (__mmask16)(count >= LANES ? 0xffffu : (1u << count) - 1);
}

/* ---- sums: bias + x[r] W for the columns of a block of rows and panels, in the order of k ---- */

/* One row's columns of a panel, or a panel's weights for one input. In gate panels the first half
 * is i and g, the second f and o. */
struct halves {
    __m512 first, second;
};

INLINE struct halves halves_load(const float *from)
{
    return (struct halves){_mm512_loadu_ps(from), _mm512_loadu_ps(from + PANEL_HALF)};
}

INLINE void halves_store(float *to, const struct halves *s)
{
    _mm512_storeu_ps(to, s->first);
    _mm512_storeu_ps(to + PANEL_HALF, s->second);
}

/* sum += x w, in the form that writes where it adds: see kernel_avx2.c. */
INLINE void multiply_add(__m512 *sum, __m512 x, __m512 w)
{
    __asm__("vfmadd231ps %2, %1, %0" : "+v"(*sum) : "v"(x), "v"(w));
}

INLINE void halves_add(struct halves *s, __m512 x, const struct halves *w)
{
    multiply_add(&s->first, x, w->first);
    multiply_add(&s->second, x, w->second);
}

/* Inputs per turn of an inner loop. */
enum { UNROLL = 4 }; /* written out where it is used */

/* Several rows' inputs, and their sums in one panel. */
struct inputs {
    const float *a, *b, *c, *d, *e, *f;
};

struct sums {
    struct halves a, b, c, d, e, f;
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

INLINE void row_add(struct halves *p, struct halves *q, const float *x, const struct halves *w,
                    const struct halves *v, size_t panels)
{
    const __m512 b = _mm512_set1_ps(*x);
    halves_add(p, b, w);
    if (panels > 1)
        halves_add(q, b, v);
}

/* Of 1 to 6 rows the k-th inputs, in one panel or a pair. `rows` and `panels`, and below `step`,
 * are constants wherever they are used. */
INLINE void rows_add(struct sums *p, struct sums *q, const float *weights, const struct inputs *x,
                     size_t k, size_t rows, size_t panels)
{
    const struct halves w = halves_load(weights);
    const struct halves v = panels > 1 ? halves_load(weights + PANEL_WIDTH) : w;
    row_add(&p->a, &q->a, x->a + k, &w, &v, panels);
    if (rows > 1)
        row_add(&p->b, &q->b, x->b + k, &w, &v, panels);
    if (rows > 2)
        row_add(&p->c, &q->c, x->c + k, &w, &v, panels);
    if (rows > 3)
        row_add(&p->d, &q->d, x->d + k, &w, &v, panels);
    if (rows > 4)
        row_add(&p->e, &q->e, x->e + k, &w, &v, panels);
    if (rows > 5)
        row_add(&p->f, &q->f, x->f + k, &w, &v, panels);
}

/* Weights to be asked for while others are used. An address, not a pointer: past the last panel
 * there may be nothing, which does no harm. */
struct ahead {
    uintptr_t next;
    size_t lines; /* per turn of the inner loop */
};

INLINE void ask(struct ahead *ahead)
{
    for (size_t i = 0; i < ahead->lines; i++, ahead->next += CACHE_LINE)
        _mm_prefetch((const void *)ahead->next, _MM_HINT_T0);
}

INLINE void add_all(struct sums *p, struct sums *q, const float *w, size_t step, size_t depth,
                    const struct inputs *x, size_t rows, size_t panels, struct ahead *ahead)
{
    size_t k = 0;
    for (; k + UNROLL <= depth; k += UNROLL, w += UNROLL * step) {
        if (ahead != NULL)
            ask(ahead);
        rows_add(p, q, w, x, k, rows, panels);
        rows_add(p, q, w + step, x, k + 1, rows, panels);
        rows_add(p, q, w + 2 * step, x, k + 2, rows, panels);
        rows_add(p, q, w + 3 * step, x, k + 3, rows, panels);
    }
    for (; k < depth; k++, w += step)
        rows_add(p, q, w, x, k, rows, panels);
}

/* Where a block's sums go: those of its n-th row and m-th panel to rows[n] + first + m * apart. */
struct target {
    float *const *rows;
    size_t first, apart;
};

INLINE void sums_store(const struct target *to, size_t m, const struct sums *s, size_t rows)
{
    const size_t at = to->first + m * to->apart;
    halves_store(to->rows[0] + at, &s->a);
    if (rows > 1)
        halves_store(to->rows[1] + at, &s->b);
    if (rows > 2)
        halves_store(to->rows[2] + at, &s->c);
    if (rows > 3)
        halves_store(to->rows[3] + at, &s->d);
    if (rows > 4)
        halves_store(to->rows[4] + at, &s->e);
    if (rows > 5)
        halves_store(to->rows[5] + at, &s->f);
}

INLINE struct halves bias_of(const struct panels *panels, size_t p)
{
    return halves_load(panels->bias + p * PANEL_WIDTH);
}

/* Panels [p, p + count): a pair, or one. */
INLINE void block_sums(const struct panels *panels, size_t p, const float *const *x,
                       const struct target *to, size_t rows, size_t count, struct ahead *ahead)
{
    const struct inputs in = inputs_of(x, rows);
    const struct panel_place place = panels_place(panels, p);
    const struct halves one = bias_of(panels, p), other = bias_of(panels, p + count - 1);
    struct sums s = {one, one, one, one, one, one};
    struct sums t = {other, other, other, other, other, other};
    if (count > 1 || place.step == PAIR_WIDTH)
        add_all(&s, &t, place.weights, PAIR_WIDTH, panels->depth, &in, rows, count, ahead);
    else
        add_all(&s, &t, place.weights, PANEL_WIDTH, panels->depth, &in, rows, count, NULL);
    sums_store(to, 0, &s, rows);
    if (count > 1)
        sums_store(to, 1, &t, rows);
}

#define BLOCK(name, rows, count, ahead_or_null)                                                    \
    ALONE void name(const struct panels *panels, size_t p, const float *const *x,                  \
                    const struct target *to, struct ahead ahead)                                   \
    {                                                                                              \
        (void)ahead;                                                                               \
        block_sums(panels, p, x, to, rows, count, ahead_or_null);                                  \
    }

BLOCK(block_1_1, 1, 1, NULL)
BLOCK(block_2_1, 2, 1, NULL)
BLOCK(block_3_1, 3, 1, NULL)
BLOCK(block_4_1, 4, 1, NULL)
BLOCK(block_5_1, 5, 1, NULL)
BLOCK(block_6_1, 6, 1, NULL)
BLOCK(block_1_2, 1, 2, NULL)
BLOCK(block_2_2, 2, 2, NULL)
BLOCK(block_3_2, 3, 2, NULL)
BLOCK(block_4_2, 4, 2, NULL)
BLOCK(block_5_2, 5, 2, NULL)
BLOCK(block_6_2, 6, 2, NULL)
BLOCK(block_2_2_asking, 2, 2, &ahead)
BLOCK(block_3_2_asking, 3, 2, &ahead)
BLOCK(block_4_2_asking, 4, 2, &ahead)
BLOCK(block_5_2_asking, 5, 2, &ahead)
BLOCK(block_6_2_asking, 6, 2, &ahead)

/* Four panels' sums of a lone row. It uses each weight once, so they come from memory in the
 * multiply-add itself. */
struct lone {
    struct halves p, q, r, s;
};

INLINE void lone_add(struct halves *s, __m512 x, const float *w)
{
    s->first = _mm512_fmadd_ps(x, _mm512_loadu_ps(w), s->first);
    s->second = _mm512_fmadd_ps(x, _mm512_loadu_ps(w + PANEL_HALF), s->second);
}

ALONE void block_1_4(const struct panels *panels, size_t p, const float *const *x,
                     const struct target *to)
{
    const size_t pair = PAIR_WIDTH * panels->depth;
    const float *w = panels_place(panels, p).weights;
    struct lone s = {bias_of(panels, p), bias_of(panels, p + 1), bias_of(panels, p + 2),
                     bias_of(panels, p + 3)};
    for (size_t k = 0; k < panels->depth; k++, w += PAIR_WIDTH) {
        const __m512 b = _mm512_set1_ps(x[0][k]);
        lone_add(&s.p, b, w);
        lone_add(&s.q, b, w + PANEL_WIDTH);
        lone_add(&s.r, b, w + pair);
        lone_add(&s.s, b, w + pair + PANEL_WIDTH);
    }
    float *y = to->rows[0] + to->first;
    halves_store(y, &s.p);
    halves_store(y + to->apart, &s.q);
    halves_store(y + 2 * to->apart, &s.r);
    halves_store(y + 3 * to->apart, &s.s);
}

/* ---- which panels and rows go together ---- */

/* Panels that go together: a pair; one, where there is no other; of a lone row two pairs. */
struct group {
    size_t first, count;
};

static void compute_block(const struct panels *panels, const struct group *group,
                          const float *const *x, const struct target *to, size_t rows,
                          struct ahead ahead)
{
    enum { SINGLE, PAIR, PAIR_ASKING, KINDS };
    static void (*const functions[ROWS_MAX][KINDS])(const struct panels *, size_t,
                                                    const float *const *, const struct target *,
                                                    struct ahead) = {
        {block_1_1, block_1_2, block_1_2},        {block_2_1, block_2_2, block_2_2_asking},
        {block_3_1, block_3_2, block_3_2_asking}, {block_4_1, block_4_2, block_4_2_asking},
        {block_5_1, block_5_2, block_5_2_asking}, {block_6_1, block_6_2, block_6_2_asking},
    };
    const size_t kind = group->count == 1 ? SINGLE : ahead.lines > 0 ? PAIR_ASKING : PAIR;
    if (group->count == GROUP_MAX)
        block_1_4(panels, group->first, x, to);
    else
        functions[rows - 1][kind](panels, group->first, x, to, ahead);
}

INLINE size_t divided_up(size_t n, size_t by)
{
    return (n + by - 1) / by;
}

/* Blocks of rows are as even as can be. But while weights come from far away there is time to
 * compute as many rows as go together: the first pass takes them. */
INLINE size_t next_rows(size_t left, bool far)
{
    if (far)
        return left < ROWS_MAX ? left : ROWS_MAX;
    return divided_up(left, divided_up(left, ROWS_MAX));
}

/* What is left to be visited of a matrix' panels. */
struct walk {
    size_t first, end;
    bool descending;
    bool fours;            /* two pairs together */
    size_t sharing_passes; /* over each pair, that ask for the next one; or 0 */
    bool far;              /* the first pass over each pair asks for it */
};

static struct walk walk_of(const struct panels *panels, size_t first, size_t end, bool descending,
                           size_t row_count, bool cold)
{
    assert(panels->layout == PANELS_BY_PAIRS);
    const size_t bytes = panels->panel_count * panels->depth * PANEL_WIDTH * sizeof(float);
    const size_t passes = divided_up(row_count, ROWS_MAX);
    const bool many = passes >= SHARING_PASSES_MIN;
    return (struct walk){
        .first = first,
        .end = end,
        .descending = descending,
        .fours = row_count == 1 && (bytes <= NEAR_BYTES || bytes > SECOND_LEVEL_BYTES),
        .sharing_passes = many && bytes > SHARING_BYTES ? passes : 0,
        .far = !many && bytes > (cold ? SECOND_LEVEL_BYTES : THIRD_LEVEL_BYTES),
    };
}

/* What the pass-th pass over a pair asks for. */
INLINE struct ahead ahead_of(const struct walk *walk, const struct panels *panels,
                             const struct group *group, size_t pass)
{
    enum { LINES = UNROLL * PAIR_WIDTH / LANES }; /* that a turn of the inner loop uses */
    const uintptr_t here = (uintptr_t)panels_place(panels, group->first).weights;
    if (walk->far && pass == 0)
        return (struct ahead){here + FAR_LINES * CACHE_LINE, LINES};
    if (walk->sharing_passes == 0)
        return (struct ahead){0, 0};
    const size_t lines = divided_up(LINES, walk->sharing_passes);
    if (pass * lines >= LINES)
        return (struct ahead){0, 0};
    const size_t turns = panels->depth / UNROLL, pair = panels->depth * PAIR_WIDTH * sizeof(float);
    return (struct ahead){
        (walk->descending ? here - pair : here + pair) + pass * lines * turns * CACHE_LINE, lines};
}

INLINE struct group next_group(struct walk *walk)
{
    const size_t left = walk->end - walk->first;
    const bool odd = (walk->descending ? walk->end : walk->first) % 2 == 1;
    const size_t count = odd || left == 1 ? 1 : walk->fours && left >= GROUP_MAX ? GROUP_MAX : 2;
    if (walk->descending)
        return (struct group){walk->end -= count, count};
    walk->first += count;
    return (struct group){walk->first - count, count};
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
INLINE struct halves pre_activations(const float *recurrent, const float *input)
{
    const struct halves s = halves_load(recurrent), t = halves_load(input);
    return (struct halves){_mm512_add_ps(s.first, t.first), _mm512_add_ps(s.second, t.second)};
}

/* A cell's place: 16 units of a row, those of two panels, or 8, when both are the same. */
struct place {
    const float *sums[2], *gates[2];
    float *c, *h;
    __mmask16 units;
};

/* A cell is one long chain of operations after another, far longer than what a core looks ahead. So
 * several cells side by side are computed in two halves: all new c, then all h. */
struct half_cell {
    __m512 o, c; /* o's pre-activation; the new c */
};

INLINE struct half_cell begin_cell(const struct place *at)
{
    const struct halves p = pre_activations(at->sums[0], at->gates[0]);
    const struct halves q = pre_activations(at->sums[1], at->gates[1]);
    const struct quad gates = {.i = lower(p.first, q.first),
                               .g = upper(p.first, q.first),
                               .f = lower(p.second, q.second),
                               .o = upper(p.second, q.second)};
    const __m512 c = cell_c(&gates, _mm512_maskz_loadu_ps(at->units, at->c));
    _mm512_mask_storeu_ps(at->c, at->units, c);
    return (struct half_cell){gates.o, c};
}

INLINE void end_cell(const struct place *at, const struct half_cell *half)
{
    _mm512_mask_storeu_ps(at->h, at->units, cell_h(half->o, half->c));
}

/* The sums of a block, which wait in memory for their cells. */
struct block {
    _Alignas(CACHE_LINE) float sums[GROUP_MAX][ROWS_MAX][PANEL_WIDTH];
};

/* The cells of the block's i-th row, row r, and the group's n-th panel and the next, if any. */
INLINE struct place place_of(const struct kernel_lstm_step *step, const struct group *group,
                             const struct block *block, size_t r, size_t i, size_t n)
{
    const size_t p = group->first + n, other = n + 1 < group->count;
    const size_t unit = p * PANEL_LANES, left = step->hidden_size - unit;
    const float *gates = step->gates + p * step->gates_stride + r * PANEL_WIDTH;
    return (struct place){
        .sums = {block->sums[n][i], block->sums[n + other][i]},
        .gates = {gates, gates + other * step->gates_stride},
        .c = step->c[r] + unit,
        .h = step->h_after[r] + unit,
        .units = first_lanes(other || left < PANEL_LANES ? left : PANEL_LANES),
    };
}

/* Rows [r, r + rows). */
static void compute_cells(const struct kernel_lstm_step *step, const struct group *group,
                          const struct block *block, size_t r, size_t rows)
{
    struct place at[ROWS_MAX];
    struct half_cell half[ROWS_MAX];
    size_t count = 0;
    for (size_t n = 0; n < group->count; n += 2)
        for (size_t i = 0; i < rows; i++, count++) {
            at[count] = place_of(step, group, block, r + i, i, n);
            half[count] = begin_cell(&at[count]);
        }
    for (size_t i = 0; i < count; i++)
        end_cell(&at[i], &half[i]);
}

static void avx512_lstm_step(const struct kernel_lstm_step *step)
{
    struct block block;
    float *const sums[ROWS_MAX] = {block.sums[0][0], block.sums[0][1], block.sums[0][2],
                                   block.sums[0][3], block.sums[0][4], block.sums[0][5]};
    const struct target to = {.rows = sums, .apart = ROWS_MAX * PANEL_WIDTH};
    struct walk walk = walk_of(step->recurrent, step->first_panel, step->end_panel,
                               step->descending, step->row_count, step->cold);
    while (walk.first < walk.end) {
        const struct group group = next_group(&walk);
        for (size_t r = 0, pass = 0, rows; r < step->row_count; r += rows) {
            rows = next_rows(step->row_count - r, walk.far && r == 0);
            compute_block(step->recurrent, &group, step->h_before + r, &to, rows,
                          ahead_of(&walk, step->recurrent, &group, pass++));
            compute_cells(step, &group, &block, r, rows);
        }
    }
}

/* ---- linear ---- */

/* The last panel when it has fewer columns than lanes: computed beside y. */
static void linear_partial(const struct kernel_linear *l, size_t p)
{
    _Alignas(CACHE_LINE) float sums[ROWS_MAX][PANEL_WIDTH];
    float *const rows_of_sums[ROWS_MAX] = {sums[0], sums[1], sums[2], sums[3], sums[4], sums[5]};
    const struct target to = {.rows = rows_of_sums};
    const struct group group = {p, 1};
    for (size_t r = 0, rows; r < l->row_count; r += rows) {
        rows = next_rows(l->row_count - r, false);
        compute_block(l->w, &group, l->x + r, &to, rows, (struct ahead){0, 0});
        for (size_t i = 0; i < rows; i++)
            memcpy(l->y[r + i] + p * l->y_stride, sums[i], panels_columns(l->w, p) * sizeof(float));
    }
}

static void avx512_linear(const struct kernel_linear *l)
{
    const bool partial =
        l->first_panel < l->end_panel && panels_columns(l->w, l->end_panel - 1) < PANEL_WIDTH;
    struct walk walk =
        walk_of(l->w, l->first_panel, l->end_panel - partial, l->descending, l->row_count, true);
    while (walk.first < walk.end) {
        const struct group group = next_group(&walk);
        for (size_t r = 0, pass = 0, rows; r < l->row_count; r += rows) {
            const struct target to = {l->y + r, group.first * l->y_stride, l->y_stride};
            rows = next_rows(l->row_count - r, walk.far && r == 0);
            compute_block(l->w, &group, l->x + r, &to, rows, ahead_of(&walk, l->w, &group, pass++));
        }
    }
    if (partial)
        linear_partial(l, l->end_panel - 1);
}

/* gcc asks CPUID and whether the system saves the wide registers. */
static bool avx512_supported(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq");
}

const struct kernel kernel_avx512 = {
    .name = "avx512",
    .layout = PANELS_BY_PAIRS,
    .flops_per_ns = 250,
    .second_level_bytes = (size_t)1 << 20,
    .supported = avx512_supported,
    .linear = avx512_linear,
    .lstm_step = avx512_lstm_step,
    .activate = avx512_activate,
};
