/* Many threads throw random jobs of several models at the scheduler, give some of them up, leave
 * some of them too little time, and take the answers of some in parts. Every answer that comes is
 * held against the core's own, one row at a time, bit for bit; in the end nothing may be left of
 * anything. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/json_writer.h"
#include "server/body.h"
#include "server/clock.h"
#include "server/job.h"
#include "tests/support/random.h"

enum {
    MODELS = 5,
    THREADS = 4,
    JOBS_EACH = 400,
    AT_ONCE = 6,
    STEPS_MAX = 300,
    WORKERS = 3,
    FROM_MEMORY = 3
};

static struct served_model served[MODELS];
static struct model_stats stats[MODELS];
static struct budget budget;
static struct scheduler *scheduler;

/* ---- models ---- */

struct model_shape {
    size_t input, hidden, layers;
    bool bidirectional, batch_first, dense;
    uint64_t delay_us;
};

/* The fourth is large enough for a team and, as the last one, which waits for company, made to be
 * taken for one whose weights come from memory. */
static const struct model_shape shapes[MODELS] = {
    {3, 5, 1, false, false, false, 0},  {4, 6, 2, true, false, false, 0},
    {2, 9, 2, false, true, true, 0},    {64, 160, 1, false, false, false, 0},
    {5, 4, 1, false, true, false, 300},
};

static float *random_block(struct random *random, size_t count)
{
    float *block = malloc(count * sizeof *block);
    assert_non_null(block);
    random_floats(random, block, count, 0.5f);
    return block;
}

static void make_model(size_t index, struct random *random)
{
    const struct model_shape *s = &shapes[index];
    const size_t directions = s->bidirectional ? 2 : 1, cells = directions * s->layers;
    const size_t out = directions * s->hidden;
    struct lstm_weights weights[4];
    float *blocks[9];
    size_t count = 0;
    for (size_t i = 0; i < cells; i++) {
        const size_t in = i < directions ? s->input : out;
        weights[i] = (struct lstm_weights){
            .weight_ih = blocks[count++] = random_block(random, 4 * s->hidden * in),
            .weight_hh = blocks[count++] = random_block(random, 4 * s->hidden * s->hidden),
        };
    }
    const float *dense = blocks[count++] = random_block(random, 2 * out);
    const struct layer_spec layers[2] = {
        {.type = LAYER_LSTM,
         .as.lstm = {.input_size = s->input,
                     .hidden_size = s->hidden,
                     .num_layers = s->layers,
                     .bidirectional = s->bidirectional,
                     .weights = weights}},
        {.type = LAYER_DENSE, .as.dense = {.in_features = out, .out_features = 2, .weight = dense}},
    };
    struct fault fault;
    struct served_model *m = &served[index];
    m->model = model_create(layers, s->dense ? 2 : 1, kernel_find(NULL));
    m->lane = malloc(sizeof *m->lane);
    assert_true(m->model != NULL && m->lane != NULL);
    m->name[0] = (char)('a' + index);
    assert_true(signature_init(&m->signature, m->model,
                               &(struct model_config){.batch_first = s->batch_first}, &fault));
    atomic_init(&m->references, 1);
    lane_init(m->lane, m->model, s->delay_us * CLOCK_NS_PER_US, &stats[index]);
    if (index >= FROM_MEMORY)
        m->lane->rule.from_memory = true;
    while (count > 0)
        free(blocks[--count]);
}

static int make_models(void **state)
{
    struct random random = {1};
    (void)state;
    for (size_t i = 0; i < MODELS; i++)
        make_model(i, &random);
    return 0;
}

static int drop_models(void **state)
{
    (void)state;
    for (size_t i = 0; i < MODELS; i++) {
        lane_fini(served[i].lane);
        free(served[i].lane);
        model_destroy(served[i].model);
    }
    return 0;
}

/* ---- one question ---- */

struct question {
    size_t model, steps, rows;
    bool ragged, with_c;
    size_t part_steps; /* 0: the job's choice */
    size_t *lengths;   /* [rows] */
    float *input;      /* [rows][steps][I], whatever the layout */
    float *c_0;        /* [cells][rows][H] */
};

/* Numbers that JSON says exactly. */
static void fill(struct random *random, float *out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = (float)random_size(random, 0, 64) / 16 - 2;
}

static size_t cells_of(size_t model)
{
    return served[model].signature.states[0].cells;
}

static void ask(struct question *q, struct random *random)
{
    q->model = random_size(random, 0, MODELS - 1);
    const bool wide = shapes[q->model].hidden > 100;
    const bool is_long = random_size(random, 0, 19) == 0;
    q->steps = random_size(random, 0, wide ? 12 : is_long ? STEPS_MAX : 20);
    q->rows = random_size(random, 0, is_long ? 3 : random_size(random, 0, 9) == 0 ? 70 : 5);
    q->ragged = random_size(random, 0, 2) == 0;
    q->with_c = random_size(random, 0, 2) == 0;
    q->part_steps = random_size(random, 0, 2) == 0 ? 0 : random_size(random, 1, 9);
    const size_t floats = q->rows * q->steps * shapes[q->model].input;
    const size_t states = cells_of(q->model) * q->rows * shapes[q->model].hidden;
    q->lengths = malloc((q->rows + 1) * sizeof *q->lengths);
    q->input = malloc((floats + 1) * sizeof *q->input);
    q->c_0 = malloc((states + 1) * sizeof *q->c_0);
    assert_true(q->lengths != NULL && q->input != NULL && q->c_0 != NULL);
    fill(random, q->input, floats);
    fill(random, q->c_0, states);
    for (size_t b = 0; b < q->rows; b++)
        q->lengths[b] = q->ragged ? random_size(random, 0, q->steps) : q->steps;
}

static void question_fini(struct question *q)
{
    free(q->lengths);
    free(q->input);
    free(q->c_0);
}

static void write_tensor(struct json_writer *w, const char *name, const char *datatype, size_t rank,
                         const size_t *shape)
{
    json_open_object(w);
    json_key(w, "name");
    json_string(w, name);
    json_key(w, "datatype");
    json_string(w, datatype);
    json_key(w, "shape");
    json_open_array(w);
    for (size_t i = 0; i < rank; i++)
        json_uint64(w, shape[i]);
    json_close_array(w);
    json_key(w, "data");
    json_open_array(w);
}

static void close_tensor(struct json_writer *w)
{
    json_close_array(w);
    json_close_object(w);
}

static const float *step_of(const struct question *q, size_t row, size_t step)
{
    return q->input + (row * q->steps + step) * shapes[q->model].input;
}

static void write_input(struct json_writer *w, const struct question *q)
{
    const struct model_shape *s = &shapes[q->model];
    const size_t outer = s->batch_first ? q->rows : q->steps;
    const size_t inner = s->batch_first ? q->steps : q->rows;
    write_tensor(w, "input", "FP32", 3, (const size_t[]){outer, inner, s->input});
    for (size_t i = 0; i < outer; i++)
        for (size_t j = 0; j < inner; j++) {
            const float *x = s->batch_first ? step_of(q, i, j) : step_of(q, j, i);
            json_float_elements(w, x, s->input);
        }
    close_tensor(w);
}

static void write_rest(struct json_writer *w, const struct question *q)
{
    const size_t hidden = shapes[q->model].hidden, cells = cells_of(q->model);
    if (q->ragged) {
        write_tensor(w, "lengths", "INT32", 1, &q->rows);
        for (size_t b = 0; b < q->rows; b++)
            json_uint64(w, q->lengths[b]);
        close_tensor(w);
    }
    if (q->with_c) {
        write_tensor(w, "c_0", "FP32", 3, (const size_t[]){cells, q->rows, hidden});
        json_float_elements(w, q->c_0, cells * q->rows * hidden);
        close_tensor(w);
    }
}

/* timeout_us: 0 for none. */
static void write_question(struct body *body, const struct question *q, size_t priority,
                           size_t timeout_us)
{
    struct json_writer writer, *w = &writer;
    struct fault fault;
    char *text;
    size_t size;
    json_writer_init(w);
    json_open_object(w);
    json_key(w, "parameters");
    json_open_object(w);
    json_key(w, "binary_data_output");
    json_bool(w, true);
    json_key(w, "priority");
    json_uint64(w, priority);
    json_key(w, "timeout");
    json_uint64(w, timeout_us);
    if (q->part_steps != 0) {
        json_key(w, "stream_steps");
        json_uint64(w, q->part_steps);
    }
    json_close_object(w);
    json_key(w, "inputs");
    json_open_array(w);
    write_input(w, q);
    write_rest(w, q);
    json_close_array(w);
    json_close_object(w);
    assert_true(json_writer_take(w, &text, &size));
    body_init(body, &budget, size + 1, size);
    assert_true(body_append(body, text, size, &fault));
    free(text);
}

/* ---- the right answer ---- */

/* One row alone, in one call. output: [steps][O], state: the core's. */
static void compute_row(const struct question *q, size_t row, float *output, float *state)
{
    const struct model *model = served[q->model].model;
    const size_t hidden = shapes[q->model].hidden, steps = q->lengths[row];
    size_t bytes;
    memset(state, 0, model_state_size(model) * sizeof *state);
    for (size_t j = 0; q->with_c && j < cells_of(q->model); j++)
        memcpy(state + j * 2 * hidden + hidden, q->c_0 + (j * q->rows + row) * hidden,
               hidden * sizeof *state);
    const struct model_row whole = {.input = step_of(q, row, 0),
                                    .output = output,
                                    .input_stride = shapes[q->model].input,
                                    .output_stride = model_output_size(model),
                                    .steps = steps,
                                    .ends = true,
                                    .state = state};
    assert_true(model_scratch_size(model, 1, steps, &bytes));
    void *scratch = aligned_alloc(MODEL_SCRATCH_ALIGNMENT, bytes + MODEL_SCRATCH_ALIGNMENT);
    assert_non_null(scratch);
    model_run(model, &whole, 1, (struct model_scratch){scratch, bytes});
    free(scratch);
}

/* answer: output, h_n, c_n as they stand in the reply. */
static size_t wrong_floats(const struct question *q, const float *answer)
{
    const size_t out = model_output_size(served[q->model].model);
    const size_t hidden = shapes[q->model].hidden, cells = cells_of(q->model);
    const float *h_n = answer + q->rows * q->steps * out;
    const float *c_n = h_n + cells * q->rows * hidden;
    float *state = malloc(model_state_size(served[q->model].model) * sizeof *state);
    size_t wrong = 0;
    assert_non_null(state);
    for (size_t b = 0; b < q->rows; b++) {
        float *output = calloc(q->steps * out + 1, sizeof *output);
        assert_non_null(output);
        compute_row(q, b, output, state);
        for (size_t t = 0; t < q->steps; t++) {
            const size_t at = shapes[q->model].batch_first ? b * q->steps + t : t * q->rows + b;
            wrong += memcmp(answer + at * out, output + t * out, out * sizeof *output) != 0;
        }
        for (size_t j = 0; j < cells; j++) {
            const size_t at = (j * q->rows + b) * hidden;
            const float *h = state + j * 2 * hidden;
            wrong += memcmp(h_n + at, h, hidden * sizeof *h) != 0;
            wrong += memcmp(c_n + at, h + hidden, hidden * sizeof *h) != 0;
        }
        free(output);
    }
    free(state);
    return wrong;
}

/* ---- one asker ---- */

struct slot {
    struct question question;
    struct job *job; /* NULL: nothing is asked */
    bool in_parts;
    size_t timeout_us;
    sem_t done;
};

struct asker {
    pthread_t thread;
    struct random random;
    struct slot slots[AT_ONCE];
    size_t answered, late, abandoned, refused, wrong, parts;
};

static void done(void *context)
{
    sem_post(context);
}

/* ---- answers in parts ---- */

/* A whole answer's floats, put together. */
struct whole {
    const struct question *question;
    float *floats;
    size_t steps; /* that are there */
};

static void whole_init(struct whole *whole, const struct question *q)
{
    const size_t states = 2 * cells_of(q->model) * q->rows * shapes[q->model].hidden;
    const size_t output = q->rows * q->steps * model_output_size(served[q->model].model);
    *whole = (struct whole){.question = q, .floats = malloc((output + states + 1) * sizeof(float))};
    assert_non_null(whole->floats);
}

/* Steps of the output from bytes of [steps,B,O] or [B,steps,O]. */
static void add_steps(struct whole *whole, size_t steps, const char *bytes)
{
    const struct question *q = whole->question;
    const size_t out = model_output_size(served[q->model].model) * sizeof(float);
    const bool batch_first = shapes[q->model].batch_first;
    const size_t runs = batch_first ? q->rows : 1, run = (batch_first ? 1 : q->rows) * out;
    char *to = (char *)whole->floats + whole->steps * run;
    for (size_t i = 0; i < runs; i++)
        memcpy(to + i * q->steps * run, bytes + i * steps * run, steps * run);
    whole->steps += steps;
}

/* false: it is not what must come next. */
static bool add_part(struct whole *whole, const struct job_part *part, bool last)
{
    const struct question *q = whole->question;
    const size_t out = q->rows * model_output_size(served[q->model].model) * sizeof(float);
    const size_t states =
        last ? 2 * cells_of(q->model) * q->rows * shapes[q->model].hidden * sizeof(float) : 0;
    const size_t json_size = part->json_size != 0 ? part->json_size : part->size;
    const size_t size = part->size - json_size;
    const size_t left = q->steps - whole->steps;
    const size_t steps = last ? left : out != 0 ? size / out : 0;
    const char *bytes = part->body + json_size;
    char said[80];
    snprintf(said, sizeof said, "\"first_step\":%zu,\"final\":%s}", whole->steps,
             last ? "true" : "false");
    if (size != steps * out + states || steps > left || (steps == 0 && !last) ||
        (!last && q->part_steps != 0 && steps != q->part_steps) ||
        memmem(part->body, json_size, said, strlen(said)) == NULL)
        return false;
    add_steps(whole, steps, bytes);
    memcpy((char *)whole->floats + q->steps * out, bytes + steps * out, states);
    return true;
}

static void wait_done(struct slot *slot)
{
    while (sem_wait(&slot->done) != 0)
        continue;
}

/* The job was woken for. Now and then its waiter leaves between two parts. */
static void take_parts(struct asker *asker, struct slot *slot)
{
    struct whole whole;
    struct job_part part = {.status = 200};
    enum job_part_taken taken = JOB_PART;
    bool good = true, left = false;
    whole_init(&whole, &slot->question);
    while (taken != JOB_LAST_PART && !left) {
        taken = job_take_part(slot->job, &part);
        if (taken == JOB_NO_PART) {
            job_wait(slot->job);
            wait_done(slot);
            continue;
        }
        asker->parts++;
        good = good && (part.status != 200 || add_part(&whole, &part, taken == JOB_LAST_PART));
        left = taken == JOB_PART && random_size(&asker->random, 0, 15) == 0;
    }
    asker->abandoned += left;
    asker->late += part.status == 504;
    asker->answered += !left && part.status == 200;
    asker->wrong += !good || (part.status != 200 && (part.status != 504 || slot->timeout_us == 0));
    if (!left && good && part.status == 200)
        asker->wrong += wrong_floats(&slot->question, whole.floats) != 0;
    job_destroy(slot->job);
    slot->job = NULL;
    free(whole.floats);
    question_fini(&slot->question);
}

static void take_answer(struct asker *asker, struct slot *slot)
{
    struct reply reply;
    job_take_reply(slot->job, &reply);
    job_destroy(slot->job);
    slot->job = NULL;
    if (reply.status == 200) {
        asker->answered++;
        float *answer = malloc(reply.size - reply.json_size + sizeof *answer);
        assert_non_null(answer);
        memcpy(answer, reply.body + reply.json_size, reply.size - reply.json_size);
        asker->wrong += reply.json_size != 0 && wrong_floats(&slot->question, answer) != 0;
        free(answer);
    } else {
        asker->late += reply.status == 504;
        asker->wrong += reply.status != 504 || slot->timeout_us == 0;
    }
    reply_fini(&reply);
    question_fini(&slot->question);
}

static void wait_for(struct asker *asker, struct slot *slot)
{
    if (slot->job == NULL)
        return;
    wait_done(slot);
    if (slot->in_parts)
        take_parts(asker, slot);
    else
        take_answer(asker, slot);
}

static void give_up(struct asker *asker, struct slot *slot)
{
    if (!job_abandon(slot->job)) {
        wait_for(asker, slot);
        return;
    }
    slot->job = NULL;
    question_fini(&slot->question);
    asker->abandoned++;
}

static void refused(struct asker *asker, struct slot *slot, const struct fault *fault)
{
    asker->wrong += fault->status != 503;
    asker->refused++;
    slot->job = NULL;
    question_fini(&slot->question);
}

static void submit(struct asker *asker, struct slot *slot)
{
    struct random *random = &asker->random;
    slot->in_parts = random_size(random, 0, 2) == 0;
    const struct job_terms terms = {.codec = &infer_codec,
                                    .arrived = clock_now(),
                                    .deadline = UINT64_MAX,
                                    .in_parts = slot->in_parts,
                                    /* most come straight back, as those do who are waited for */
                                    .answered = random_size(random, 0, 5) == 0 ? 0 : clock_now()};
    struct body body;
    struct payload payload;
    struct fault fault = {0};
    slot->timeout_us = random_size(random, 0, 9) == 0 ? random_size(random, 1, 3000) : 0;
    ask(&slot->question, random);
    write_question(&body, &slot->question, random_size(random, 0, 3), slot->timeout_us);
    body_move(&body, body.size, &payload);
    slot->job = job_create(&served[slot->question.model], &payload, &budget, scheduler, NULL,
                           &terms, &fault);
    if (slot->job == NULL) { /* there was no room for it, and it is a large one */
        refused(asker, slot, &fault);
    } else if (job_is_light(slot->job) && random_size(random, 0, 1) == 0) {
        job_run(slot->job);
        take_answer(asker, slot);
    } else if (!job_submit(slot->job, done, &slot->done, &fault)) {
        job_destroy(slot->job);
        refused(asker, slot, &fault);
    }
}

static void *ask_often(void *argument)
{
    struct asker *asker = argument;
    for (int i = 0; i < JOBS_EACH; i++) {
        struct slot *slot = &asker->slots[i % AT_ONCE];
        wait_for(asker, slot);
        submit(asker, slot);
        struct slot *other = &asker->slots[random_size(&asker->random, 0, AT_ONCE - 1)];
        if (other->job != NULL && random_size(&asker->random, 0, 7) == 0)
            give_up(asker, other);
    }
    for (size_t i = 0; i < AT_ONCE; i++)
        if (asker->slots[i].in_parts)
            wait_for(asker, &asker->slots[i]);
    return NULL;
}

/* ---- the test ---- */

static void start_scheduler(size_t requests, size_t rows, size_t tick_rows)
{
    const struct scheduler_config config = {.workers = WORKERS,
                                            .queue_limit = requests,
                                            .queue_rows_limit = rows,
                                            .tick_rows = tick_rows};
    struct fault fault;
    budget_init(&budget, (size_t)1 << 30);
    assert_true(scheduler_start(&scheduler, &config, &fault));
    for (size_t i = 0; i < MODELS; i++)
        assert_true(scheduler_reserve(scheduler, served[i].model, &fault));
}

/* The askers leave with questions open, which the scheduler answers while it stops; only parts have
 * to be taken before. */
static void ask_all(uint64_t seed, struct asker *sum)
{
    static struct asker askers[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        askers[i] = (struct asker){.random = {seed * 1000 + i}};
        for (size_t j = 0; j < AT_ONCE; j++)
            sem_init(&askers[i].slots[j].done, 0, 0);
        assert_int_equal(pthread_create(&askers[i].thread, NULL, ask_often, &askers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(askers[i].thread, NULL);
    assert_true(scheduler_stop(scheduler, clock_now() + 60 * CLOCK_NS_PER_S));
    for (size_t i = 0; i < THREADS; i++) {
        for (size_t j = 0; j < AT_ONCE; j++)
            wait_for(&askers[i], &askers[i].slots[j]);
        sum->answered += askers[i].answered;
        sum->late += askers[i].late;
        sum->abandoned += askers[i].abandoned;
        sum->refused += askers[i].refused;
        sum->wrong += askers[i].wrong;
        sum->parts += askers[i].parts;
    }
    assert_int_equal(atomic_load(&budget.used), 0);
}

static void every_answer_is_that_of_the_request_alone(void **state)
{
    struct asker sum = {0};
    (void)state;
    static const size_t tick_rows[] = {TICK_ROWS, 5, 1};
    for (uint64_t round = 1; round <= 3; round++) {
        start_scheduler(1000, 100000, tick_rows[round - 1]);
        ask_all(round, &sum);
    }
    assert_int_equal(sum.wrong, 0);
    assert_int_equal(sum.refused, 0);
    assert_int_equal(sum.answered + sum.late + sum.abandoned, 3 * THREADS * JOBS_EACH);
    assert_true(sum.answered > 2 * THREADS * JOBS_EACH && sum.late > 0 && sum.abandoned > 0);
    assert_true(sum.parts > THREADS * JOBS_EACH);
}

static void with_little_room_some_are_refused_and_the_rest_is_right(void **state)
{
    struct asker sum = {0};
    (void)state;
    start_scheduler(2, 50, TICK_ROWS);
    ask_all(77, &sum);
    assert_int_equal(sum.wrong, 0);
    assert_true(sum.refused > 0 && sum.answered > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_answer_is_that_of_the_request_alone),
        cmocka_unit_test(with_little_room_some_are_refused_and_the_rest_is_right),
    };
    return cmocka_run_group_tests(tests, make_models, drop_models);
}
