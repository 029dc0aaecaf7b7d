/* Everything at once: requests of several models and hosts, short time-outs, clients that leave in
 * the middle of anything, sequences fought over and handled from outside, too little room; and the
 * daemon told to stop while all this goes on. It stops well each time, what it left can be taken
 * up, and every answer is that of the request alone, or an error that has its reason.
 *
 * STORM_ROUNDS=N has it go on for N daemons instead of a few; meant for the thread sanitizer too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/die.h"
#include "tests/support/fixture.h"
#include "tests/support/infer_body.h"
#include "tests/support/random.h"
#include "tests/support/raw_socket.h"
#include "tests/support/slow_model.h"

enum { MODELS = 4, QUESTIONS = 12, THREADS = 8, HOSTS = 4, IDS = 6, PATIENCE = 60000 };

static const char *const models[MODELS] = {"seed_simple", "seed_bidirectional", "wide_130", "slow"};
static const size_t widths[MODELS] = {10, 10, 21, 1};

/* Asked when nobody else does. */
struct question {
    char path[64];
    char *body;   /* with room for parameters: "{" and the rest */
    char *answer; /* of the request alone */
};

struct asker {
    pthread_t thread;
    struct random random;
    unsigned asked, answered, late, refused, left;
    char *wrong; /* the first answer that should not have been */
};

static struct fixture fixture;
static struct question questions[QUESTIONS];
static struct asker askers[THREADS];
static atomic_bool over;     /* the askers are to stop */
static atomic_bool stopping; /* the daemon was told to */

/* ---- one exchange ---- */

static int send_request(unsigned host, const char *method, const char *path, const char *body)
{
    char head[256];
    const int fd = raw_connect_from(host, fixture.daemon.port);
    if (fd < 0)
        return -1;
    const int size = snprintf(head, sizeof head,
                              "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                              "Content-Length: %zu\r\n\r\n",
                              method, path, strlen(body));
    if (raw_send(fd, head, (size_t)size) && raw_send(fd, body, strlen(body)))
        return fd;
    close(fd);
    return -1;
}

/* 0: the connection broke off, or there was none. *text is the answer's body, the caller's to free
 * (*all). */
static int receive_answer(int fd, char **all, const char **text)
{
    bool closed;
    int status = 0;
    *all = NULL;
    if (fd < 0)
        return 0;
    *all = raw_receive(fd, PATIENCE, &closed);
    close(fd);
    const char *end = strstr(*all, "\r\n\r\n");
    if (end == NULL || sscanf(*all, "HTTP/1.1 %d ", &status) != 1)
        return 0;
    *text = end + 4;
    return status;
}

/* ---- questions ---- */

static void make_question(struct question *question, struct random *random)
{
    const size_t model = random_size(random, 0, MODELS - 1);
    const size_t steps =
        model == MODELS - 1 ? random_size(random, 1, 8) : random_size(random, 1, 30);
    const size_t shape[] = {steps, 1, widths[model]};
    float *input = must_allocate(steps * widths[model] * sizeof *input);
    struct infer_body body;
    size_t size;
    random_floats(random, input, steps * widths[model], 2);
    infer_body_begin(&body, NULL);
    infer_body_f32(&body, "input", 3, shape, input);
    question->body = infer_body_end(&body, &size);
    snprintf(question->path, sizeof question->path, "/v2/models/%s/infer", models[model]);
    free(input);
}

static char *with_parameters(const struct question *question, const char *parameters)
{
    char *body;
    if (asprintf(&body, "{\"parameters\":{%s},%s", parameters, question->body + 1) < 0)
        die("out of memory");
    return body;
}

static void learn_answer(struct question *question)
{
    char *all;
    const char *text;
    const int status =
        receive_answer(send_request(1, "POST", question->path, question->body), &all, &text);
    assert_int_equal(status, 200);
    question->answer = strdup(text);
    assert_non_null(question->answer);
    free(all);
}

/* ---- what the askers do ---- */

static void note_wrong(struct asker *asker, const char *what, int status, const char *text)
{
    if (asker->wrong == NULL && asprintf(&asker->wrong, "%s: %d %.200s", what, status, text) < 0)
        die("out of memory");
}

/* A connection may break off only when the daemon is stopping. */
static void judge(struct asker *asker, const char *what, int status, const char *text,
                  bool expected)
{
    asker->answered += status == 200;
    asker->late += status == 504;
    asker->refused += status == 503;
    if (status == 0 ? !atomic_load(&stopping) : !expected && status != 503)
        note_wrong(asker, what, status, status == 0 ? "" : text);
}

static const struct question *pick(struct asker *asker)
{
    return &questions[random_size(&asker->random, 0, QUESTIONS - 1)];
}

static unsigned pick_host(struct asker *asker)
{
    return (unsigned)random_size(&asker->random, 1, HOSTS);
}

static void ask_plainly(struct asker *asker)
{
    const struct question *question = pick(asker);
    char *all;
    const char *text;
    const int status = receive_answer(
        send_request(pick_host(asker), "POST", question->path, question->body), &all, &text);
    judge(asker, "plain", status, text, status == 200 && strcmp(text, question->answer) == 0);
    free(all);
}

static void ask_in_a_hurry(struct asker *asker)
{
    const struct question *question = pick(asker);
    char parameters[64], *all;
    const char *text;
    snprintf(parameters, sizeof parameters, "\"timeout\":%zu,\"priority\":%zu",
             random_size(&asker->random, 1, 3000), random_size(&asker->random, 0, 3));
    char *body = with_parameters(question, parameters);
    const int status =
        receive_answer(send_request(pick_host(asker), "POST", question->path, body), &all, &text);
    judge(asker, "hurried", status, text,
          status == 504 || (status == 200 && strcmp(text, question->answer) == 0));
    free(all);
    free(body);
}

/* At once, or when the request is somewhere in between, or almost answered. */
static void ask_and_leave(struct asker *asker)
{
    const struct question *question = pick(asker);
    const int fd = send_request(pick_host(asker), "POST", question->path, question->body);
    if (fd < 0)
        return;
    if (random_size(&asker->random, 0, 1) == 0)
        usleep((useconds_t)random_size(&asker->random, 1, 3000));
    close(fd);
    asker->left++;
}

/* All askers use the same few ids. */
static void ask_in_sequence(struct asker *asker)
{
    const struct question *question = pick(asker);
    const size_t kind = random_size(&asker->random, 0, 5);
    char parameters[128], *all;
    const char *text;
    snprintf(parameters, sizeof parameters,
             "\"sequence_id\":%zu,\"sequence_start\":%s,"
             "\"sequence_end\":%s,\"timeout\":%d",
             random_size(&asker->random, 1, IDS), kind < 2 ? "true" : "false",
             kind == 5 ? "true" : "false", kind == 3 ? 500 : 0);
    char *body = with_parameters(question, parameters);
    const int fd = send_request(pick_host(asker), "POST", question->path, body);
    free(body);
    if (fd >= 0 && random_size(&asker->random, 0, 4) == 0) {
        usleep((useconds_t)random_size(&asker->random, 0, 1000));
        close(fd);
        asker->left++;
        return;
    }
    const int status = receive_answer(fd, &all, &text);
    const bool causal = strstr(question->path, "bidirectional") == NULL;
    judge(asker, "sequence", status, text,
          status == (causal ? 200 : 400) || status == 404 || status == 504);
    free(all);
}

static void handle_sequence(struct asker *asker)
{
    static const char *const methods[] = {"GET", "DELETE"};
    char path[96], *all;
    const char *text;
    const size_t model = random_size(&asker->random, 0, MODELS - 1);
    const size_t number = random_size(&asker->random, 0, IDS);
    if (number == 0)
        snprintf(path, sizeof path, "/v2/models/%s/sequences", models[model]);
    else
        snprintf(path, sizeof path, "/v2/models/%s/sequences/%zu", models[model], number);
    const char *method = methods[number == 0 ? 0 : random_size(&asker->random, 0, 1)];
    const int status =
        receive_answer(send_request(pick_host(asker), method, path, ""), &all, &text);
    judge(asker, "handling", status, text,
          status == 200 || status == 404 || status == 409 || status == 400);
    free(all);
}

static void *ask(void *argument)
{
    static void (*const acts[])(struct asker *) = {ask_plainly,    ask_plainly,     ask_in_a_hurry,
                                                   ask_and_leave,  ask_in_sequence, ask_in_sequence,
                                                   handle_sequence};
    struct asker *asker = argument;
    while (!atomic_load(&over)) {
        acts[random_size(&asker->random, 0, sizeof acts / sizeof *acts - 1)](asker);
        asker->asked++;
        if (atomic_load(&stopping))
            usleep(1000); /* there may be nobody to refuse the connection but the kernel */
    }
    return NULL;
}

/* ---- rounds ---- */

static char *sequence_file(void)
{
    char *path;
    if (asprintf(&path, "%s/sequences", fixture.dir.path) < 0)
        die("out of memory");
    return path;
}

static bool start(const char *file)
{
    const char *const arguments[] = {"--workers",
                                     "3",
                                     "--queue-limit",
                                     "6",
                                     "--sequence-limit",
                                     "8",
                                     "--sequence-idle-timeout-ms",
                                     "20",
                                     "--sequence-file",
                                     file,
                                     "--drain-timeout-ms",
                                     "50",
                                     "--connection-limit",
                                     "64",
                                     NULL};
    return fixture_start(&fixture, arguments, NULL);
}

static void start_askers(uint64_t seed)
{
    atomic_store(&over, false);
    atomic_store(&stopping, false);
    for (size_t i = 0; i < THREADS; i++) {
        askers[i].random = (struct random){seed * THREADS + i + 1};
        assert_int_equal(pthread_create(&askers[i].thread, NULL, ask, &askers[i]), 0);
    }
}

static void join_askers(void)
{
    atomic_store(&over, true);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(askers[i].thread, NULL);
    for (size_t i = 0; i < THREADS; i++)
        if (askers[i].wrong != NULL)
            fail_msg("%s", askers[i].wrong);
}

/* Told to stop at some moment while everybody goes on asking. */
static void one_round(uint64_t number)
{
    struct random random = {number};
    start_askers(number);
    usleep((useconds_t)random_size(&random, 50, 600) * 1000);
    atomic_store(&stopping, true);
    assert_int_equal(daemon_stop(&fixture.daemon), 0);
    join_askers();
    char *log = daemon_log(&fixture.daemon);
    assert_non_null(strstr(log, "sequences kept in "));
    assert_non_null(strstr(log, "lstmd: stopped"));
    free(log);
    daemon_fini(&fixture.daemon);
    http_client_fini(&fixture.client);
}

static void make_questions(void)
{
    struct random random = {4};
    for (size_t i = 0; i < QUESTIONS; i++)
        make_question(&questions[i], &random);
    for (size_t i = 0; i < QUESTIONS; i++)
        learn_answer(&questions[i]);
}

static void tell_counts(unsigned long rounds)
{
    struct asker sum = {.asked = 0};
    for (size_t i = 0; i < THREADS; i++) {
        sum.asked += askers[i].asked;
        sum.answered += askers[i].answered;
        sum.late += askers[i].late;
        sum.refused += askers[i].refused;
        sum.left += askers[i].left;
    }
    print_message("# %lu daemons, %u requests: %u answered, %u late, %u refused, %u left\n", rounds,
                  sum.asked, sum.answered, sum.late, sum.refused, sum.left);
    assert_true(sum.answered > 0 && sum.late > 0 && sum.left > 0);
}

static void it_stops_well_out_of_any_storm(void **state)
{
    const char *wanted = getenv("STORM_ROUNDS");
    const unsigned long rounds = wanted != NULL ? strtoul(wanted, NULL, 10) : 8;
    (void)state;
    fixture_init(&fixture);
    slow_model_add(&fixture);
    for (size_t i = 0; i < MODELS - 1; i++)
        fixture_add_golden(&fixture, models[i]);
    char *file = sequence_file();
    assert_true(start(file));
    make_questions();
    one_round(1);
    for (unsigned long number = 2; number <= rounds; number++) {
        assert_true(start(file));
        one_round(number);
    }
    tell_counts(rounds);
    for (size_t i = 0; i < QUESTIONS; i++) {
        free(questions[i].body);
        free(questions[i].answer);
    }
    free(file);
    temp_dir_remove(&fixture.dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_stops_well_out_of_any_storm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
