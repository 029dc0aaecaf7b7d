/* HTTPS: the certificate and its renewal, clients' certificates. The certificates are tls/'s. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <curl/curl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/daemon.h"
#include "tests/support/raw_socket.h"
#include "tests/support/temp_dir.h"
#include "tests/support/whole_file.h"

#define TLS      "tests/wire/tls/"
#define PATIENCE 20000

static struct temp_dir dir;
static struct daemon daemon_of_test;
static char *certificate, *key;

/* Into the place where the daemon reads it. */
static void install(const char *name)
{
    char from[64];
    size_t size;
    snprintf(from, sizeof from, TLS "%s.pem", name);
    char *text = whole_file_read(from, &size);
    temp_dir_write(&dir, "tls.pem", "%s", text);
    free(text);
    snprintf(from, sizeof from, TLS "%s.key", name);
    text = whole_file_read(from, &size);
    temp_dir_write(&dir, "tls.key", "%s", text);
    free(text);
}

static int start(const char *option, const char *value)
{
    temp_dir_create(&dir);
    certificate = temp_dir_file(&dir, "tls.pem");
    key = temp_dir_file(&dir, "tls.key");
    install("server");
    const char *const arguments[] = {"--models",
                                     "deploy/models",
                                     "--tls-certificate",
                                     certificate,
                                     "--tls-key",
                                     key,
                                     "--header-timeout-ms",
                                     "500",
                                     option,
                                     value,
                                     NULL};
    return daemon_start(&daemon_of_test, arguments, NULL) ? 0 : -1;
}

static int start_plain(void **state)
{
    (void)state;
    return start(NULL, NULL);
}

static int start_mutual(void **state)
{
    (void)state;
    return start("--tls-client-ca", TLS "ca.pem");
}

static int stop(void **state)
{
    (void)state;
    const int status = daemon_stop(&daemon_of_test);
    daemon_fini(&daemon_of_test);
    temp_dir_remove(&dir);
    free(certificate);
    free(key);
    return status;
}

static size_t ignore(char *bytes, size_t one, size_t count, void *context)
{
    (void)bytes;
    (void)context;
    return one * count;
}

static CURL *client(const char *path, const char *ca, const char *name)
{
    char url[128], file[64];
    CURL *curl = curl_easy_init();
    assert_non_null(curl);
    snprintf(url, sizeof url, "https://127.0.0.1:%u%s", daemon_of_test.port, path);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 60L);
    curl_easy_setopt(curl, CURLOPT_CAINFO, ca);
    curl_easy_setopt(curl, CURLOPT_CERTINFO, 1L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, ignore);
    if (name != NULL) {
        snprintf(file, sizeof file, TLS "%s.pem", name);
        curl_easy_setopt(curl, CURLOPT_SSLCERT, file);
        snprintf(file, sizeof file, TLS "%s.key", name);
        curl_easy_setopt(curl, CURLOPT_SSLKEY, file);
    }
    return curl;
}

static long perform(CURL *curl)
{
    long status = 0;
    const CURLcode code = curl_easy_perform(curl);
    if (code != CURLE_OK)
        return -(long)code;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

/* The status, or minus curl's error. */
static long ask(const char *path, const char *ca, const char *name)
{
    CURL *curl = client(path, ca, name);
    const long status = perform(curl);
    curl_easy_cleanup(curl);
    return status;
}

/* Does the daemon show the certificate of that name to who connects anew? */
static bool shows(const char *common_name)
{
    struct curl_certinfo *info = NULL;
    bool found = false;
    CURL *curl = client("/v2/health/live", TLS "ca.pem", NULL);
    assert_int_equal(perform(curl), 200);
    assert_int_equal(curl_easy_getinfo(curl, CURLINFO_CERTINFO, &info), CURLE_OK);
    for (const struct curl_slist *line = info->certinfo[0]; line != NULL; line = line->next)
        found = found || (strncmp(line->data, "Subject:", 8) == 0 &&
                          strstr(line->data, common_name) != NULL);
    curl_easy_cleanup(curl);
    return found;
}

static void it_is_served_over_tls(void **state)
{
    (void)state;
    assert_int_equal(ask("/v2/health/ready", TLS "ca.pem", NULL), 200);
    assert_int_equal(ask("/v2/models/nobody", TLS "ca.pem", NULL), 404);
    assert_int_equal(ask("/v2", TLS "stranger.pem", NULL), -CURLE_PEER_FAILED_VERIFICATION);
}

/* What the library refuses by itself too: there the answer is written past it. */
static void bug_550_a_length_that_is_no_number_is_refused_over_tls(void **state)
{
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Length: five");
    CURL *curl = client("/v2/health/live", TLS "ca.pem", NULL);
    const char *type = NULL;
    (void)state;
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    assert_int_equal(perform(curl), 400);
    assert_int_equal(curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type), CURLE_OK);
    assert_non_null(type);
    assert_string_equal(type, "application/json");
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    assert_int_equal(ask("/v2/health/ready", TLS "ca.pem", NULL), 200);
}

/* Sends the bytes and takes what comes until the daemon ends the connection. */
static void exchange(const char *bytes, char *answer, size_t room)
{
    CURL *curl = client("/", TLS "ca.pem", NULL);
    size_t sent, got, used = 0;
    CURLcode code = CURLE_AGAIN;
    curl_easy_setopt(curl, CURLOPT_CONNECT_ONLY, 1L);
    assert_int_equal(perform(curl), 0);
    assert_int_equal(curl_easy_send(curl, bytes, strlen(bytes), &sent), CURLE_OK);
    assert_int_equal(sent, strlen(bytes));
    for (int i = 0; i < 5000 && used + 1 < room; i++) {
        code = curl_easy_recv(curl, answer + used, room - 1 - used, &got);
        if (code == CURLE_AGAIN)
            usleep(2000);
        else if (code != CURLE_OK || got == 0)
            break;
        else
            used += got;
    }
    answer[used] = '\0';
    assert_int_not_equal(code, CURLE_AGAIN);
    curl_easy_cleanup(curl);
}

/* The bytes are looked at behind the encryption; what came before the fault is answered. */
static void bug_562_bytes_that_are_not_HTTP_are_refused_over_tls(void **state)
{
    static const char ready[] = "GET /v2/health/ready HTTP/1.1\r\nHost: x\r\n\r\n";
    char bytes[300], answer[4096];
    (void)state;
    snprintf(bytes, sizeof bytes,
             "%s%sPOST /v2/repository/index HTTP/1.1\r\nHost: x\r\n"
             "Transfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n:\r\n%s",
             ready, ready, ready);
    exchange(bytes, answer, sizeof answer);
    const char *first = strstr(answer, "HTTP/1.1 200 OK\r\n");
    const char *second = first != NULL ? strstr(first + 1, "HTTP/1.1 200 OK\r\n") : NULL;
    const char *refusal = second != NULL ? strstr(second + 1, "HTTP/1.1 400 ") : NULL;
    if (refusal == NULL || strstr(second + 1, "HTTP/1.1 200") != NULL ||
        strstr(refusal, "malformed header name") == NULL)
        fail_msg("200, 200 and 400 wanted, got: %s", answer);
    assert_int_equal(ask("/v2/health/ready", TLS "ca.pem", NULL), 200);
}

static void only_tls_is_served(void **state)
{
    static const char request[] = "GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n";
    bool closed;
    (void)state;
    const int fd = raw_connect(daemon_of_test.port);
    assert_true(raw_send(fd, request, strlen(request)));
    char *answer = raw_receive(fd, PATIENCE, &closed);
    assert_true(closed);
    assert_null(strstr(answer, "HTTP/"));
    free(answer);
    close(fd);
}

/* Without a word in the clear. */
static void who_shakes_no_hands_is_cut(void **state)
{
    bool closed;
    (void)state;
    const int fd = raw_connect(daemon_of_test.port);
    char *answer = raw_receive(fd, PATIENCE, &closed);
    assert_true(closed);
    assert_string_equal(answer, "");
    free(answer);
    close(fd);
}

static double processor_seconds(void)
{
    clockid_t clock;
    struct timespec used;
    assert_int_equal(clock_getcpuclockid(daemon_of_test.program.pid, &clock), 0);
    assert_int_equal(clock_gettime(clock, &used), 0);
    return (double)used.tv_sec + (double)used.tv_nsec * 1e-9;
}

/* The begin of a hello, and no more of it before the daemon ends the connection. */
static void bug_590_a_handshake_that_waits_takes_no_processor(void **state)
{
    static const char begin[] = {0x16, 3, 1, 2, 0, 1};
    bool closed;
    (void)state;
    const int fd = raw_connect(daemon_of_test.port);
    const double before = processor_seconds();
    assert_true(raw_send(fd, begin, sizeof begin));
    free(raw_receive(fd, PATIENCE, &closed));
    assert_true(closed);
    assert_true(processor_seconds() - before < 0.1);
    close(fd);
}

static void a_renewed_certificate_is_shown_without_a_connection_lost(void **state)
{
    CURL *curl = client("/v2/health/live", TLS "ca.pem", NULL);
    long connections = 0;
    (void)state;
    assert_int_equal(perform(curl), 200);
    assert_true(shows("lstmd one"));
    install("renewed");
    program_signal(&daemon_of_test.program, SIGHUP);
    assert_true(daemon_wait_for_log(&daemon_of_test, "lstmd: reloaded "));
    assert_true(shows("lstmd two"));
    assert_int_equal(perform(curl), 200);
    curl_easy_getinfo(curl, CURLINFO_NUM_CONNECTS, &connections);
    assert_int_equal(connections, 0);
    curl_easy_cleanup(curl);
}

static void a_certificate_that_is_no_good_changes_nothing(void **state)
{
    (void)state;
    temp_dir_write(&dir, "tls.pem", "nonsense");
    program_signal(&daemon_of_test.program, SIGHUP);
    assert_true(daemon_wait_for_log(&daemon_of_test, "lstmd: the certificate stays as it was: "));
    assert_true(shows("lstmd one"));
}

static void clients_need_a_certificate_that_is_signed(void **state)
{
    (void)state;
    assert_int_equal(ask("/v2", TLS "ca.pem", "client"), 200);
    assert_int_equal(ask("/v2", TLS "ca.pem", NULL), 403);
    const long stranger = ask("/v2", TLS "ca.pem", "stranger");
    assert_true(stranger == 403 || stranger < 0);
}

static void what_does_not_fit_together_is_said_at_the_start(void **state)
{
    static const struct {
        const char *arguments[8], *text;
    } rows[] = {
        {{"--tls-certificate", TLS "server.pem"},
         "--tls-certificate: a tls_key expected beside it"},
        {{"--tls-client-ca", TLS "ca.pem"}, "without tls_certificate"},
        {{"--tls-certificate", TLS "server.pem", "--tls-key", TLS "client.key"},
         "tls_certificate and tls_key: "},
        {{"--tls-certificate", "/no/such", "--tls-key", TLS "client.key"},
         "tls_certificate: /no/such: "},
        {{"--tls-certificate", TLS "server.pem", "--tls-key", TLS "server.key", "--tls-client-ca",
          TLS "server.key"},
         "tls_client_ca: "},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *arguments[12] = {"--models", "deploy/models", "--http", "127.0.0.1:0"};
        char *output, *errors;
        for (size_t j = 0; rows[i].arguments[j] != NULL; j++)
            arguments[4 + j] = rows[i].arguments[j];
        assert_int_equal(daemon_run(arguments, NULL, &output, &errors), 2);
        if (strstr(errors, rows[i].text) == NULL)
            fail_msg("'%s' wanted, got '%s'", rows[i].text, errors);
        free(output);
        free(errors);
    }
}

#define TEST(function, start) cmocka_unit_test_setup_teardown(function, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_is_served_over_tls, start_plain),
        TEST(bug_550_a_length_that_is_no_number_is_refused_over_tls, start_plain),
        TEST(bug_562_bytes_that_are_not_HTTP_are_refused_over_tls, start_plain),
        TEST(only_tls_is_served, start_plain),
        TEST(who_shakes_no_hands_is_cut, start_plain),
        TEST(bug_590_a_handshake_that_waits_takes_no_processor, start_plain),
        TEST(a_renewed_certificate_is_shown_without_a_connection_lost, start_plain),
        TEST(a_certificate_that_is_no_good_changes_nothing, start_plain),
        TEST(clients_need_a_certificate_that_is_signed, start_mutual),
        cmocka_unit_test(what_does_not_fit_together_is_said_at_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
