#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "server/metrics.h"
#include "tests/support/exposition.h"

static struct model_stats stats[2];
static struct status_counts responses;
static struct zmq_counts zmq;
static struct metrics_model models[2];
static const struct sequences_counts sequences = {1, 2, 3, 4, 5, 6};
static const struct model_control_counts reloads = {7, 8, true, 1500};
static struct metrics_source source;
static char *text;

static int setup(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++)
        model_stats_init(&stats[i]);
    status_counts_init(&responses);
    zmq_counts_init(&zmq);
    models[0] = (struct metrics_model){"m", "1", &stats[0], 4096, 3, 12};
    models[1] = (struct metrics_model){"n", "1", &stats[1], 0, 0, 0};
    source = (struct metrics_source){.build_version = "0.1.0",
                                     .kernel = "scalar",
                                     .workers = 2,
                                     .models = models,
                                     .model_count = 2,
                                     .memory_in_flight = 5,
                                     .memory_limit = 6,
                                     .http_responses = &responses,
                                     .zmq = &zmq,
                                     .sequences = &sequences,
                                     .log_dropped = 9,
                                     .reloads = &reloads};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(text);
    text = NULL;
    return 0;
}

static void print(void)
{
    char problem[1024];
    size_t size;
    free(text);
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    metrics_print(out, &source);
    assert_int_equal(fclose(out), 0);
    if (!exposition_check(text, problem, sizeof problem))
        fail_msg("%s", problem);
}

static void expect(const char *series, double wanted)
{
    double value;
    if (!exposition_value(text, series, &value))
        fail_msg("%s is not there", series);
    assert_true(value == wanted);
}

static void expect_line(const char *line)
{
    if (strstr(text, line) == NULL)
        fail_msg("%s is not there", line);
}

static void nothing_counted_yet_is_well_formed(void **state)
{
    (void)state;
    print();
    expect("nv_inference_request_success{model=\"m\",version=\"1\"}", 0);
    expect("nv_inference_request_success{model=\"n\",version=\"1\"}", 0);
    expect("nv_inference_request_failure{model=\"n\",version=\"1\",reason=\"CANCELED\"}", 0);
    expect("lstmd_request_duration_seconds_bucket{model=\"m\",version=\"1\",le=\"0.00001\"}", 0);
    expect("lstmd_batch_rows_count{model=\"m\",version=\"1\"}", 0);
}

static void a_model_s_numbers_are_shown(void **state)
{
    const struct request_times times = {.queue = 12000,
                                        .compute_input = 3000,
                                        .compute_infer = 450000,
                                        .compute_output = 5000,
                                        .request = 480000};
    (void)state;
    model_stats_success(&stats[0], &times, 7);
    model_stats_failure(&stats[0], FAILURE_INVALID, 0);
    print();
    expect("nv_inference_request_success{model=\"m\",version=\"1\"}", 1);
    expect("nv_inference_count{model=\"m\",version=\"1\"}", 7);
    expect("nv_inference_request_duration_us{model=\"m\",version=\"1\"}", 480);
    expect("nv_inference_queue_duration_us{model=\"m\",version=\"1\"}", 12);
    expect("nv_inference_compute_input_duration_us{model=\"m\",version=\"1\"}", 3);
    expect("nv_inference_compute_infer_duration_us{model=\"m\",version=\"1\"}", 450);
    expect("nv_inference_compute_output_duration_us{model=\"m\",version=\"1\"}", 5);
    expect("nv_inference_request_failure{model=\"m\",version=\"1\",reason=\"INVALID\"}", 1);
    expect("nv_inference_pending_request_count{model=\"m\",version=\"1\"}", 3);
    expect("lstmd_queue_rows{model=\"m\",version=\"1\"}", 12);
    expect("lstmd_model_memory_bytes{model=\"m\",version=\"1\"}", 4096);
    expect("nv_inference_request_success{model=\"n\",version=\"1\"}", 0);
}

static void durations_fall_into_buckets_of_seconds(void **state)
{
    const struct request_times times = {.queue = 10000, .compute_infer = 1500000, .request = 60};
    (void)state;
    model_stats_success(&stats[0], &times, 1);
    print();
    expect("lstmd_queue_duration_seconds_bucket{model=\"m\",version=\"1\",le=\"0.00001\"}", 1);
    expect_line("lstmd_queue_duration_seconds_sum{model=\"m\",version=\"1\"} 0.00001\n");
    expect("lstmd_compute_duration_seconds_bucket{model=\"m\",version=\"1\",le=\"0.001\"}", 0);
    expect("lstmd_compute_duration_seconds_bucket{model=\"m\",version=\"1\",le=\"0.002\"}", 1);
    expect("lstmd_compute_duration_seconds_bucket{model=\"m\",version=\"1\",le=\"50\"}", 1);
    expect_line("lstmd_compute_duration_seconds_sum{model=\"m\",version=\"1\"} 0.0015\n");
    expect_line("lstmd_request_duration_seconds_sum{model=\"m\",version=\"1\"} 0.00000006\n");
}

static void passes_fall_into_buckets_of_rows(void **state)
{
    (void)state;
    model_stats_tick(&stats[0], 1, 10, 1);
    model_stats_tick(&stats[0], 3, 30, 1);
    model_stats_tick(&stats[0], 100, 200, 1);
    model_stats_tick(&stats[0], (size_t)1 << 30, 0, 1);
    print();
    expect("lstmd_batch_rows_bucket{model=\"m\",version=\"1\",le=\"1\"}", 1);
    expect("lstmd_batch_rows_bucket{model=\"m\",version=\"1\",le=\"2\"}", 1);
    expect("lstmd_batch_rows_bucket{model=\"m\",version=\"1\",le=\"4\"}", 2);
    expect("lstmd_batch_rows_bucket{model=\"m\",version=\"1\",le=\"64\"}", 2);
    expect("lstmd_batch_rows_bucket{model=\"m\",version=\"1\",le=\"128\"}", 3);
    expect("lstmd_batch_rows_bucket{model=\"m\",version=\"1\",le=\"+Inf\"}", 4);
    expect("lstmd_batch_rows_sum{model=\"m\",version=\"1\"}", 104 + (1 << 30));
    expect("lstmd_steps_total{model=\"m\",version=\"1\"}", 240);
    expect("nv_inference_exec_count{model=\"m\",version=\"1\"}", 4);
}

static void labels_are_escaped(void **state)
{
    (void)state;
    models[0].name = "a\\b\"c\nd";
    print();
    expect("nv_inference_count{model=\"a\\\\b\\\"c\\nd\",version=\"1\"}", 0);
}

static void the_server_tells_of_itself(void **state)
{
    (void)state;
    status_counts_add(&responses, 200);
    status_counts_add(&responses, 200);
    status_counts_add(&responses, 503);
    print();
    expect("lstmd_build_info{version=\"0.1.0\"}", 1);
    expect("lstmd_kernel_info{kernel=\"scalar\"}", 1);
    expect("lstmd_workers", 2);
    expect("lstmd_memory_in_flight_bytes", 5);
    expect("lstmd_memory_limit_bytes", 6);
    expect("lstmd_http_responses_total{code=\"200\"}", 2);
    expect("lstmd_http_responses_total{code=\"503\"}", 1);
    assert_null(strstr(text, "code=\"404\""));
    assert_null(strstr(text, "process_"));
}

static void sequences_are_shown(void **state)
{
    (void)state;
    print();
    expect("lstmd_sequences_alive", 1);
    expect("lstmd_sequences_bytes", 2);
    expect("lstmd_sequences_started_total", 3);
    expect("lstmd_sequences_ended_total", 4);
    expect("lstmd_sequences_evicted_total", 5);
    expect("lstmd_sequences_rejected_total", 6);
}

static void reloads_are_shown(void **state)
{
    (void)state;
    print();
    expect("lstmd_model_reloads_total{result=\"success\"}", 7);
    expect("lstmd_model_reloads_total{result=\"failure\"}", 8);
    expect("lstmd_model_last_reload_successful", 0);
    expect("lstmd_log_lines_dropped_total", 9);
    expect_line("lstmd_model_last_reload_success_timestamp_seconds 1.5\n");
}

static void the_process_is_shown_where_it_is_known(void **state)
{
    const struct process_usage process = {.cpu_ns = 1234567890,
                                          .resident_bytes = 2,
                                          .virtual_bytes = 3,
                                          .open_files = 4,
                                          .open_files_limit = 5,
                                          .start_ms = 1700000000250};
    (void)state;
    source.process = &process;
    print();
    expect_line("process_cpu_seconds_total 1.23456789\n");
    expect_line("process_start_time_seconds 1700000000.25\n");
    expect("process_resident_memory_bytes", 2);
    expect("process_virtual_memory_bytes", 3);
    expect("process_open_fds", 4);
    expect("process_max_fds", 5);
}

static void no_model_is_well_formed_too(void **state)
{
    (void)state;
    source.model_count = 0;
    print();
    expect("lstmd_workers", 2);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

static void zmq_s_answers_and_what_became_of_them_are_counted(void **state)
{
    (void)state;
    status_counts_add(&zmq.responses, 404);
    atomic_store(&zmq.requests, 5);
    atomic_store(&zmq.dropped_gone, 2);
    atomic_store(&zmq.dropped_full, 3);
    atomic_store(&zmq.dropped_no_memory, 4);
    atomic_store(&zmq.peers, 4);
    atomic_store(&zmq.bad_handshake, 6);
    print();
    expect("lstmd_zmq_responses_total{code=\"404\"}", 1);
    expect("lstmd_zmq_requests_total", 5);
    expect("lstmd_zmq_dropped_total{reason=\"gone\"}", 2);
    expect("lstmd_zmq_dropped_total{reason=\"full\"}", 3);
    expect("lstmd_zmq_dropped_total{reason=\"memory\"}", 4);
    expect("lstmd_zmq_peers", 4);
    expect("lstmd_zmq_handshakes_failed_total", 6);
    expect("lstmd_zmq_accepts_failed_total", 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_counted_yet_is_well_formed),
        TEST(a_model_s_numbers_are_shown),
        TEST(durations_fall_into_buckets_of_seconds),
        TEST(passes_fall_into_buckets_of_rows),
        TEST(labels_are_escaped),
        TEST(the_server_tells_of_itself),
        TEST(zmq_s_answers_and_what_became_of_them_are_counted),
        TEST(sequences_are_shown),
        TEST(reloads_are_shown),
        TEST(the_process_is_shown_where_it_is_known),
        TEST(no_model_is_well_formed_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
