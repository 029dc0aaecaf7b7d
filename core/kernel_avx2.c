/* The scalar kernel's arithmetic, eight lanes at a time. A lane is one output's chain, so vectors
 * never reorder a sum; rows and panels only decide how many chains run side by side.
 *
 * An inner loop needs 8 independent chains to keep two FMA units of 4 cycles' latency busy, and as
 * few loads for each multiply-add as 16 registers allow. So 4 to 6 rows go through half a panel
 * together (6 rows x 2 vectors = 12 accumulators, 2 weights, 1 broadcast), 2 or 3 through a whole
 * one, and a lone row through two.
 *
 * Accumulators are named, never arrays: gcc 12 keeps arrays of vectors in memory. */
#include <assert.h>
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "core/activation_constants.h"
#include "core/kernels.h"

#define INLINE static inline __attribute__((always_inline))

/* Functions that hold an inner loop: inlined into a larger one gcc 12 would let its accumulators go
 * to the stack, at times, for what surrounds them (a lone row's step took 1.4 times as long). */
#define ALONE static __attribute__((noinline))

/* Weights beyond the caches arrive too late when they are only asked for as they are used, and the
 * hardware's own prefetching stops at every page. So while one panel is worked on, the next one is
 * asked for, a few cache lines every STRIDE inputs, in several places at once: each is a stream of
 * its own to the hardware, which then fetches on in all of them. */
enum { CACHE_LINE = 64, STRIDE = 32, STREAMS = 8 };

/* Asking for what is near costs a tenth of a pass of many rows, and a third of one of few. Up to
 * NEAR_BYTES a matrix stays in the second-level cache; up to WARM_BYTES in the third-level one from
 * one step to the next, when nothing else was read in between. That is a guess, and wrong where
 * other work goes through the cache too: many rows, which gain least, do not rely on it. */
#define NEAR_BYTES ((size_t)384 * 1024)
#define WARM_BYTES ((size_t)6 * 1024 * 1024)
enum { WARM_ROWS_MAX = 16 };

/* What lies in the third-level cache and is not asked for by panels, the first pass over half a
 * panel asks for itself, so far ahead. */
enum { FAR_LINES = 64 };

/* So small that it travels in two registers: written to memory word by word and read from there as
 * a vector it stalls the core, at every call. */
struct ahead {
    uintptr_t next; /* of the first stream */
    uint32_t apart; /* cache lines from one stream to the next */
    uint32_t lines; /* of each stream, per STRIDE inputs */
};

/* How the panels of a matrix are gone through. */
struct walk {
    size_t depth;
    size_t pass_count; /* over each panel or its halves; 0: nothing need be asked for ahead */
    bool descending;
    bool halves; /* 4 to 6 rows through half a panel at a time, not 2 or 3 through a whole one */
    bool far;    /* too large for the second-level cache, and nothing is asked for by panels */
};

INLINE size_t bytes_of(const struct panels *panels)
{
    return panels->panel_count * panels->depth * PANEL_WIDTH * sizeof(float);
}

INLINE size_t divided_up(size_t n, size_t by)
{
    return (n + by - 1) / by;
}

/* The share of the panel after w that the pass-th pass over w asks for. */
INLINE struct ahead ahead_of(const struct walk *walk, const float *w, size_t pass)
{
    if (walk->pass_count == 0)
        return (struct ahead){0, 0, 0};
    const size_t panel = walk->depth * PANEL_WIDTH * sizeof(float);
    const size_t stream = divided_up(panel / CACHE_LINE, STREAMS); /* lines */
    const size_t strides = divided_up(walk->depth, STRIDE);
    const size_t lines = divided_up(stream, strides * walk->pass_count);
    if (pass * strides * lines >= stream)
        return (struct ahead){0, 0, 0};
    /* An address, not a pointer: past the last panel there may be nothing, which does no harm. */
    const uintptr_t next = walk->descending ? (uintptr_t)w - panel : (uintptr_t)w + panel;
    return (struct ahead){next + pass * strides * lines * CACHE_LINE, (uint32_t)stream,
                          (uint32_t)lines};
}

INLINE void ask(struct ahead *ahead)
{
    for (size_t i = 0; i < ahead->lines; i++, ahead->next += CACHE_LINE)
        for (size_t s = 0; s < STREAMS; s++)
            _mm_prefetch((const void *)(ahead->next + s * ahead->apart * CACHE_LINE), _MM_HINT_T0);
}

/* ---- products: y[r] = bias + x[r] W for a panel's columns, chains in the order of k ---- */

/* A panel, or half of one; step and second as in struct panel_place. */
struct panel {
    const float *w, *bias;
    size_t depth, step, second;
};

INLINE struct panel panel_of(const struct panels *panels, size_t p)
{
    assert(panels->layout == PANELS_BY_HALVES);
    const struct panel_place place = panels_place(panels, p);
    return (struct panel){place.weights, panels->bias + p * PANEL_WIDTH, panels->depth, place.step,
                          place.second};
}

INLINE struct panel half_of(const struct panel *panel, size_t half)
{
    struct panel h = *panel;
    h.w += half * panel->second;
    h.bias += half * PANEL_HALF;
    return h;
}

/* One row's columns of half a panel. */
struct pair {
    __m256 a, b;
};

/* One row's columns of a panel. In gate panels, a unit's pre-activations. */
struct quad {
    __m256 i, g, f, o;
};

struct quads {
    struct quad a, b, c;
};

INLINE struct pair pair_load(const float *from)
{
    return (struct pair){_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8)};
}

INLINE void pair_store(float *to, const struct pair *s)
{
    _mm256_storeu_ps(to, s->a);
    _mm256_storeu_ps(to + 8, s->b);
}

INLINE struct quad quad_load(const float *from)
{
    return (struct quad){_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8),
                         _mm256_loadu_ps(from + 16), _mm256_loadu_ps(from + 24)};
}

INLINE void quad_store(float *to, const struct quad *s)
{
    _mm256_storeu_ps(to, s->i);
    _mm256_storeu_ps(to + 8, s->g);
    _mm256_storeu_ps(to + 16, s->f);
    _mm256_storeu_ps(to + 24, s->o);
}

/* sum += x w, in the one form of the instruction that writes where it adds. Given the intrinsic,
 * gcc 12 takes any of the three, and with 15 registers in use has none left for the moves that the
 * other two cost: 6 rows' loop took 1.2 times as long. */
INLINE void multiply_add(__m256 *sum, __m256 x, __m256 w)
{
    __asm__("vfmadd231ps %2, %1, %0" : "+x"(*sum) : "x"(x), "x"(w));
}

INLINE void pair_add(struct pair *s, const float *x, const struct pair *w)
{
    const __m256 b = _mm256_broadcast_ss(x);
    multiply_add(&s->a, b, w->a);
    multiply_add(&s->b, b, w->b);
}

/* Inputs per turn of an inner loop. One at a time the multiply-adds fit, but a core that shares its
 * front end with another thread is kept waiting by the 6 instructions of the loop itself. */
enum { UNROLL = 4 }; /* written out where it is used */

/* Several rows' inputs, and their sums. */
struct inputs {
    const float *a, *b, *c, *d, *e, *f;
};

struct pairs {
    struct pair a, b, c, d, e, f;
};

/* Of 1 to 6 rows the k-th inputs. `rows`, and below `step`, are constants wherever this is called.
 */
INLINE void half_add(struct pairs *s, const float *weights, const struct inputs *x, size_t k,
                     size_t rows)
{
    const struct pair w = pair_load(weights);
    pair_add(&s->a, x->a + k, &w);
    if (rows > 1)
        pair_add(&s->b, x->b + k, &w);
    if (rows > 2)
        pair_add(&s->c, x->c + k, &w);
    if (rows > 3)
        pair_add(&s->d, x->d + k, &w);
    if (rows > 4)
        pair_add(&s->e, x->e + k, &w);
    if (rows > 5)
        pair_add(&s->f, x->f + k, &w);
}

INLINE void half_store(const struct pairs *s, float *const *y, size_t offset, size_t rows)
{
    pair_store(y[0] + offset, &s->a);
    if (rows > 1)
        pair_store(y[1] + offset, &s->b);
    if (rows > 2)
        pair_store(y[2] + offset, &s->c);
    if (rows > 3)
        pair_store(y[3] + offset, &s->d);
    if (rows > 4)
        pair_store(y[4] + offset, &s->e);
    if (rows > 5)
        pair_store(y[5] + offset, &s->f);
}

INLINE struct inputs inputs_of(const float *const *x, size_t rows)
{
    return (struct inputs){x[0],
                           rows > 1 ? x[1] : NULL,
                           rows > 2 ? x[2] : NULL,
                           rows > 3 ? x[3] : NULL,
                           rows > 4 ? x[4] : NULL,
                           rows > 5 ? x[5] : NULL};
}

/* Inputs [k, end). */
INLINE void half_span(struct pairs *s, const float *w, size_t step, const struct inputs *x,
                      size_t k, size_t end, size_t rows, bool far)
{
    for (; k + UNROLL <= end; k += UNROLL, w += UNROLL * step) {
        for (size_t i = 0; far && i < UNROLL; i++)
            _mm_prefetch((const void *)((uintptr_t)w + (FAR_LINES + i) * CACHE_LINE), _MM_HINT_T0);
        half_add(s, w, x, k, rows);
        half_add(s, w + step, x, k + 1, rows);
        half_add(s, w + 2 * step, x, k + 2, rows);
        half_add(s, w + 3 * step, x, k + 3, rows);
    }
    for (; k < end; k++, w += step)
        half_add(s, w, x, k, rows);
}

INLINE void half_sums(struct pairs *s, const struct panel *half, size_t step,
                      const struct inputs *x, size_t rows, struct ahead ahead, bool far)
{
    const size_t depth = half->depth, stride = ahead.lines > 0 ? STRIDE : depth;
    for (size_t k = 0; k < depth; k += stride) {
        ask(&ahead);
        half_span(s, half->w + k * step, step, x, k, depth - k < stride ? depth : k + stride, rows,
                  far);
    }
}

INLINE void half_rows(const struct panel *half, const float *const *x, float *const *y,
                      size_t offset, size_t rows, struct ahead ahead, bool far)
{
    const struct inputs in = inputs_of(x, rows);
    const struct pair bias = pair_load(half->bias);
    struct pairs s = {bias, bias, bias, bias, bias, bias};
    if (half->step == PANEL_HALF)
        half_sums(&s, half, PANEL_HALF, &in, rows, ahead, far);
    else
        half_sums(&s, half, PANEL_WIDTH, &in, rows, ahead, false);
    half_store(&s, y, offset, rows);
}

#define HALF_ROWS(rows)                                                                            \
    ALONE void half_##rows(const struct panel *half, const float *const *x, float *const *y,       \
                           size_t offset, struct ahead ahead)                                      \
    {                                                                                              \
        half_rows(half, x, y, offset, rows, ahead, false);                                         \
    }
#define HALF_ROWS_FAR(rows)                                                                        \
    ALONE void half_##rows##_far(const struct panel *half, const float *const *x, float *const *y, \
                                 size_t offset)                                                    \
    {                                                                                              \
        half_rows(half, x, y, offset, rows, (struct ahead){0, 0, 0}, true);                        \
    }

HALF_ROWS(1)
HALF_ROWS(2)
HALF_ROWS(3)
HALF_ROWS(4)
HALF_ROWS(5)
HALF_ROWS(6)
HALF_ROWS_FAR(4)
HALF_ROWS_FAR(5)
HALF_ROWS_FAR(6)

/* One vector of weights, 2 or 3 rows. */
INLINE void vector_add(const float *weights, size_t rows, __m256 x, __m256 y, __m256 z, __m256 *s,
                       __m256 *t, __m256 *u)
{
    const __m256 w = _mm256_loadu_ps(weights);
    multiply_add(s, x, w);
    multiply_add(t, y, w);
    if (rows > 2)
        multiply_add(u, z, w);
}

/* 2 or 3 rows' k-th inputs; `rows` is a constant here too. */
INLINE void whole_add(struct quads *s, const float *first, const float *second,
                      const struct inputs *x, size_t k, size_t rows)
{
    const __m256 a = _mm256_broadcast_ss(x->a + k), b = _mm256_broadcast_ss(x->b + k);
    const __m256 c = rows > 2 ? _mm256_broadcast_ss(x->c + k) : a;
    vector_add(first, rows, a, b, c, &s->a.i, &s->b.i, &s->c.i);
    vector_add(first + 8, rows, a, b, c, &s->a.g, &s->b.g, &s->c.g);
    vector_add(second, rows, a, b, c, &s->a.f, &s->b.f, &s->c.f);
    vector_add(second + 8, rows, a, b, c, &s->a.o, &s->b.o, &s->c.o);
}

/* Inputs [k, end). */
INLINE void whole_span(struct quads *s, const float *w, size_t step, size_t second,
                       const struct inputs *x, size_t k, size_t end, size_t rows)
{
    for (; k + UNROLL <= end; k += UNROLL, w += UNROLL * step) {
        whole_add(s, w, w + second, x, k, rows);
        whole_add(s, w + step, w + second + step, x, k + 1, rows);
        whole_add(s, w + 2 * step, w + second + 2 * step, x, k + 2, rows);
        whole_add(s, w + 3 * step, w + second + 3 * step, x, k + 3, rows);
    }
    for (; k < end; k++, w += step)
        whole_add(s, w, w + second, x, k, rows);
}

INLINE void whole_sums(struct quads *s, const struct panel *panel, size_t step, size_t second,
                       const struct inputs *x, size_t rows, struct ahead ahead)
{
    const size_t depth = panel->depth, stride = ahead.lines > 0 ? STRIDE : depth;
    for (size_t k = 0; k < depth; k += stride) {
        ask(&ahead);
        whole_span(s, panel->w + k * step, step, second, x, k,
                   depth - k < stride ? depth : k + stride, rows);
    }
}

INLINE struct quads whole_rows(const struct panel *panel, const float *const *x, size_t rows,
                               struct ahead ahead)
{
    const struct inputs in = inputs_of(x, rows);
    const struct quad bias = quad_load(panel->bias);
    struct quads s = {bias, bias, bias};
    if (panel->step == PANEL_WIDTH)
        whole_sums(&s, panel, PANEL_WIDTH, PANEL_HALF, &in, rows, ahead);
    else
        whole_sums(&s, panel, PANEL_HALF, panel->second, &in, rows, ahead);
    return s;
}

/* A lone row uses each weight once, so it may come from memory in the multiply-add itself. */
INLINE void add_one(struct quad *s, const float *input, const float *first, const float *second)
{
    const __m256 x = _mm256_broadcast_ss(input);
    s->i = _mm256_fmadd_ps(x, _mm256_loadu_ps(first), s->i);
    s->g = _mm256_fmadd_ps(x, _mm256_loadu_ps(first + 8), s->g);
    s->f = _mm256_fmadd_ps(x, _mm256_loadu_ps(second), s->f);
    s->o = _mm256_fmadd_ps(x, _mm256_loadu_ps(second + 8), s->o);
}

INLINE struct quad lone_row(const struct panel *panel, const float *x)
{
    struct quad s = quad_load(panel->bias);
    const float *w = panel->w;
    for (size_t k = 0; k < panel->depth; k++, w += panel->step)
        add_one(&s, x + k, w, w + panel->second);
    return s;
}

INLINE void add_two(struct quads *s, const float *x, const float *w, const float *v, size_t second)
{
    add_one(&s->a, x, w, w + second);
    add_one(&s->b, x, v, v + second);
}

INLINE struct quads lone_row_2_panels(const struct panel *p, const struct panel *q, const float *x)
{
    const struct quad bias = quad_load(q->bias);
    struct quads s = {quad_load(p->bias), bias, bias};
    const size_t depth = p->depth, step = p->step, second = p->second;
    const float *w = p->w, *v = q->w;
    size_t k = 0;
    for (; k + UNROLL <= depth; k += UNROLL, w += UNROLL * step, v += UNROLL * step) {
        add_two(&s, x + k, w, v, second);
        add_two(&s, x + k + 1, w + step, v + step, second);
        add_two(&s, x + k + 2, w + 2 * step, v + 2 * step, second);
        add_two(&s, x + k + 3, w + 3 * step, v + 3 * step, second);
    }
    for (; k < depth; k++, w += step, v += step)
        add_two(&s, x + k, w, v, second);
    return s;
}

static void half_product(const struct panel *half, const float *const *x, float *const *y,
                         size_t offset, size_t rows, struct ahead ahead)
{
    switch (rows) {
    case 1:
        half_1(half, x, y, offset, ahead);
        return;
    case 2:
        half_2(half, x, y, offset, ahead);
        return;
    case 3:
        half_3(half, x, y, offset, ahead);
        return;
    case 4:
        half_4(half, x, y, offset, ahead);
        return;
    case 5:
        half_5(half, x, y, offset, ahead);
        return;
    default:
        half_6(half, x, y, offset, ahead);
    }
}

/* 4 to 6 rows. */
static void half_product_far(const struct panel *half, const float *const *x, float *const *y,
                             size_t offset, size_t rows)
{
    switch (rows) {
    case 4:
        half_4_far(half, x, y, offset);
        return;
    case 5:
        half_5_far(half, x, y, offset);
        return;
    default:
        half_6_far(half, x, y, offset);
    }
}

/* Rows side by side in a whole panel, and in a half. */
enum { WHOLE_ROWS_MAX = 3, HALF_ROWS_MAX = 6 };

/* How many of the rows left go next. By threes, 4 left are better as 2 and 2 than as 3 and 1; by
 * sixes, blocks are as even as can be. */
INLINE size_t next_rows(size_t left, bool halves)
{
    if (left <= WHOLE_ROWS_MAX)
        return left;
    if (!halves)
        return left == 4 ? 2 : WHOLE_ROWS_MAX;
    return divided_up(left, divided_up(left, HALF_ROWS_MAX));
}

/* By halves the second-level cache is asked for half as much, which is what limits deep panels. A
 * shallow one stays in the first-level cache from one block of rows to the next, and is better read
 * whole: fewer loads, and a cell's sums stay in registers. Threes are 2-5 % faster too where panels
 * are asked for ahead and come from memory, or the rows to share them are many. */
INLINE bool by_halves(const struct panels *panels, size_t row_count, bool asking)
{
    if (panels->depth <= PANEL_SHALLOW)
        return false;
    return row_count <= HALF_ROWS_MAX || !asking ||
           (row_count <= WARM_ROWS_MAX && bytes_of(panels) <= WARM_BYTES);
}

static struct walk walk_of(const struct panels *panels, size_t row_count, bool descending,
                           bool asking)
{
    struct walk walk = {
        .depth = panels->depth,
        .descending = descending,
        .halves = by_halves(panels, row_count, asking),
        .far = !asking && bytes_of(panels) > NEAR_BYTES,
    };
    if (!asking)
        return walk;
    for (size_t rows; row_count > 0; row_count -= rows) {
        rows = next_rows(row_count, walk.halves);
        walk.pass_count += rows > WHOLE_ROWS_MAX ? 2 : 1;
    }
    return walk;
}

/* Both halves, 4 to 6 rows. */
INLINE void halves_product(const struct panel *panel, const float *const *x, float *const *y,
                           size_t rows, const struct walk *walk, size_t *pass)
{
    for (size_t h = 0; h < PANEL_WIDTH / PANEL_HALF; h++) {
        const struct panel half = half_of(panel, h);
        const size_t offset = h * PANEL_HALF, nth = (*pass)++;
        if (walk->far && nth == h)
            half_product_far(&half, x, y, offset, rows);
        else
            half_product(&half, x, y, offset, rows, ahead_of(walk, panel->w, nth));
    }
}

/* The i-th of the panels [first, end) to be visited. */
INLINE size_t nth_panel(size_t first, size_t end, size_t i, bool descending)
{
    return descending ? end - 1 - i : first + i;
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

/* A gate panel's place in its layer. */
struct place {
    struct panel panel;
    const float *gates; /* the panel's input terms, row 0 */
    size_t unit, units; /* the panel's first unit; how many there are from it on */
};

INLINE struct place place_of(const struct kernel_lstm_step *step, size_t p)
{
    return (struct place){
        .panel = panel_of(step->recurrent, p),
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
    const struct quad input = quad_load(at->gates + r * PANEL_WIDTH);
    const struct quad gates = {
        _mm256_add_ps(recurrent->i, input.i), _mm256_add_ps(recurrent->g, input.g),
        _mm256_add_ps(recurrent->f, input.f), _mm256_add_ps(recurrent->o, input.o)};
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

/* What the cells of rows [r, r + rows) read and write arrives while their sums are computed, where
 * that takes long enough: else it is near. */
INLINE void ask_for_cells(const struct kernel_lstm_step *step, const struct place *at, size_t r,
                          size_t rows)
{
    for (size_t i = r; at->panel.depth > PANEL_SHALLOW && i < r + rows; i++) {
        __builtin_prefetch(at->gates + i * PANEL_WIDTH);
        __builtin_prefetch(at->gates + i * PANEL_WIDTH + PANEL_HALF);
        __builtin_prefetch(step->c[i] + at->unit, 1);
        __builtin_prefetch(step->h_after[i] + at->unit, 1);
    }
}

ALONE void step_3_rows(const struct kernel_lstm_step *step, const struct place *at, size_t r,
                       struct ahead ahead)
{
    ask_for_cells(step, at, r, 3);
    const struct quads sums = whole_rows(&at->panel, step->h_before + r, 3, ahead);
    const struct half_cell first = begin_cell(step, at, r, &sums.a);
    const struct half_cell second = begin_cell(step, at, r + 1, &sums.b);
    const struct half_cell third = begin_cell(step, at, r + 2, &sums.c);
    end_cell(step, at, r, &first);
    end_cell(step, at, r + 1, &second);
    end_cell(step, at, r + 2, &third);
}

ALONE void step_2_rows(const struct kernel_lstm_step *step, const struct place *at, size_t r,
                       struct ahead ahead)
{
    ask_for_cells(step, at, r, 2);
    const struct quads sums = whole_rows(&at->panel, step->h_before + r, 2, ahead);
    const struct half_cell first = begin_cell(step, at, r, &sums.a);
    const struct half_cell second = begin_cell(step, at, r + 1, &sums.b);
    end_cell(step, at, r, &first);
    end_cell(step, at, r + 1, &second);
}

ALONE void step_1_row(const struct kernel_lstm_step *step, const struct place *at, size_t r)
{
    const struct quad sums = lone_row(&at->panel, step->h_before[r]);
    const struct half_cell only = begin_cell(step, at, r, &sums);
    end_cell(step, at, r, &only);
}

ALONE void step_1_row_2_panels(const struct kernel_lstm_step *step, size_t p, size_t q)
{
    const struct place here = place_of(step, p), next = place_of(step, q);
    const struct quads sums = lone_row_2_panels(&here.panel, &next.panel, step->h_before[0]);
    const struct half_cell first = begin_cell(step, &here, 0, &sums.a);
    const struct half_cell second = begin_cell(step, &next, 0, &sums.b);
    end_cell(step, &here, 0, &first);
    end_cell(step, &next, 0, &second);
}

/* 4 to 6 rows: their sums wait in memory for their cells. */
static void step_halves(const struct kernel_lstm_step *step, const struct place *at, size_t r,
                        size_t rows, const struct walk *walk, size_t *pass)
{
    _Alignas(CACHE_LINE) float sums[HALF_ROWS_MAX][PANEL_WIDTH];
    float *const y[HALF_ROWS_MAX] = {sums[0], sums[1], sums[2], sums[3], sums[4], sums[5]};
    struct half_cell cells[HALF_ROWS_MAX];
    ask_for_cells(step, at, r, rows);
    halves_product(&at->panel, step->h_before + r, y, rows, walk, pass);
    for (size_t i = 0; i < rows; i++) {
        const struct quad recurrent = quad_load(sums[i]);
        cells[i] = begin_cell(step, at, r + i, &recurrent);
    }
    for (size_t i = 0; i < rows; i++)
        end_cell(step, at, r + i, &cells[i]);
}

static void step_rows(const struct kernel_lstm_step *step, const struct walk *walk, size_t p)
{
    const struct place at = place_of(step, p);
    size_t pass = 0;
    for (size_t r = 0, rows; r < step->row_count; r += rows) {
        rows = next_rows(step->row_count - r, walk->halves);
        if (rows > WHOLE_ROWS_MAX)
            step_halves(step, &at, r, rows, walk, &pass);
        else if (rows == 3)
            step_3_rows(step, &at, r, ahead_of(walk, at.panel.w, pass++));
        else if (rows == 2)
            step_2_rows(step, &at, r, ahead_of(walk, at.panel.w, pass++));
        else
            step_1_row(step, &at, r);
    }
}

static void avx2_lstm_step(const struct kernel_lstm_step *step)
{
    const size_t first = step->first_panel, end = step->end_panel;
    const bool warm = !step->cold && step->row_count <= WARM_ROWS_MAX;
    const bool asking = bytes_of(step->recurrent) > (warm ? WARM_BYTES : NEAR_BYTES);
    const struct walk walk = walk_of(step->recurrent, step->row_count, step->descending, asking);
    size_t i = 0;
    if (step->row_count == 1)
        for (; i + 1 < end - first; i += 2)
            step_1_row_2_panels(step, nth_panel(first, end, i, step->descending),
                                nth_panel(first, end, i + 1, step->descending));
    for (; i < end - first; i++)
        step_rows(step, &walk, nth_panel(first, end, i, step->descending));
}

/* ---- linear ---- */

/* A panel's place in a product. */
struct column {
    struct panel panel;
    size_t offset;  /* of the panel's columns in a row of y */
    size_t columns; /* that are real, of 32 */
};

INLINE struct column column_of(const struct kernel_linear *l, size_t p)
{
    return (struct column){
        .panel = panel_of(l->w, p),
        .offset = p * l->y_stride,
        .columns = panels_columns(l->w, p),
    };
}

ALONE void linear_3_rows(const struct kernel_linear *l, const struct column *at, size_t r,
                         struct ahead ahead)
{
    const struct quads sums = whole_rows(&at->panel, l->x + r, 3, ahead);
    quad_store(l->y[r] + at->offset, &sums.a);
    quad_store(l->y[r + 1] + at->offset, &sums.b);
    quad_store(l->y[r + 2] + at->offset, &sums.c);
}

ALONE void linear_2_rows(const struct kernel_linear *l, const struct column *at, size_t r,
                         struct ahead ahead)
{
    const struct quads sums = whole_rows(&at->panel, l->x + r, 2, ahead);
    quad_store(l->y[r] + at->offset, &sums.a);
    quad_store(l->y[r + 1] + at->offset, &sums.b);
}

ALONE void linear_1_row(const struct kernel_linear *l, const struct column *at, size_t r)
{
    const struct quad sums = lone_row(&at->panel, l->x[r]);
    quad_store(l->y[r] + at->offset, &sums);
}

ALONE void linear_1_row_2_panels(const struct kernel_linear *l, const struct column *here,
                                 const struct column *next)
{
    const struct quads sums = lone_row_2_panels(&here->panel, &next->panel, l->x[0]);
    quad_store(l->y[0] + here->offset, &sums.a);
    quad_store(l->y[0] + next->offset, &sums.b);
}

INLINE void linear_halves(const struct kernel_linear *l, const struct column *at, size_t r,
                          size_t rows, const struct walk *walk, size_t *pass)
{
    float *y[HALF_ROWS_MAX];
    for (size_t i = 0; i < rows; i++)
        y[i] = l->y[r + i] + at->offset;
    halves_product(&at->panel, l->x + r, y, rows, walk, pass);
}

static void linear_full(const struct kernel_linear *l, const struct walk *walk,
                        const struct column *at)
{
    size_t pass = 0;
    for (size_t r = 0, rows; r < l->row_count; r += rows) {
        rows = next_rows(l->row_count - r, walk->halves);
        if (rows > WHOLE_ROWS_MAX)
            linear_halves(l, at, r, rows, walk, &pass);
        else if (rows == 3)
            linear_3_rows(l, at, r, ahead_of(walk, at->panel.w, pass++));
        else if (rows == 2)
            linear_2_rows(l, at, r, ahead_of(walk, at->panel.w, pass++));
        else
            linear_1_row(l, at, r);
    }
}

/* A last panel with fewer columns than it has lanes: computed beside y. */
static void linear_partial(const struct kernel_linear *l, const struct column *at)
{
    _Alignas(CACHE_LINE) float sums[HALF_ROWS_MAX][PANEL_WIDTH];
    float *const y[HALF_ROWS_MAX] = {sums[0], sums[1], sums[2], sums[3], sums[4], sums[5]};
    for (size_t r = 0, rows; r < l->row_count; r += rows) {
        const size_t left = l->row_count - r;
        rows = divided_up(left, divided_up(left, HALF_ROWS_MAX));
        for (size_t h = 0; h * PANEL_HALF < at->columns; h++) {
            const struct panel half = half_of(&at->panel, h);
            half_product(&half, l->x + r, y, h * PANEL_HALF, rows, (struct ahead){0, 0, 0});
        }
        for (size_t i = 0; i < rows; i++)
            memcpy(l->y[r + i] + at->offset, sums[i], at->columns * sizeof(float));
    }
}

static void linear_panel(const struct kernel_linear *l, const struct walk *walk,
                         const struct column *at)
{
    if (at->columns == PANEL_WIDTH)
        linear_full(l, walk, at);
    else
        linear_partial(l, at);
}

static void avx2_linear(const struct kernel_linear *l)
{
    const size_t first = l->first_panel, end = l->end_panel;
    const struct walk walk =
        walk_of(l->w, l->row_count, l->descending, bytes_of(l->w) > NEAR_BYTES);
    size_t i = 0;
    for (; l->row_count == 1 && i + 1 < end - first; i += 2) {
        const struct column here = column_of(l, nth_panel(first, end, i, l->descending));
        const struct column next = column_of(l, nth_panel(first, end, i + 1, l->descending));
        if (here.columns < PANEL_WIDTH || next.columns < PANEL_WIDTH) {
            linear_panel(l, &walk, &here);
            linear_panel(l, &walk, &next);
        } else {
            linear_1_row_2_panels(l, &here, &next);
        }
    }
    for (; i < end - first; i++) {
        const struct column at = column_of(l, nth_panel(first, end, i, l->descending));
        linear_panel(l, &walk, &at);
    }
}

/* gcc asks CPUID and whether the system saves the wide registers. */
static bool avx2_supported(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

const struct kernel kernel_avx2 = {
    .name = "avx2",
    .layout = PANELS_BY_HALVES,
    .flops_per_ns = 95,
    .second_level_bytes = (size_t)512 << 10,
    .supported = avx2_supported,
    .linear = avx2_linear,
    .lstm_step = avx2_lstm_step,
    .activate = avx2_activate,
};
