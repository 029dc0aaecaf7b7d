/* Shows the daemon at work on something real: twelve seconds of speech, frame by frame.
 *
 *     demo [DAEMON]
 *
 * Starts the daemon with the example models, streams the recorded speech features
 * (tests/golden/silero) to the model "silero-vad" in pieces over HTTP, carrying the state as a
 * client does, and draws the answers: how probable it is, at each moment, that someone speaks.
 * Exits 1 when an answer differs from the recorded one by more than SILERO_BOUND. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/support/daemon.h"
#include "tests/support/die.h"
#include "tests/support/silero.h"

enum {
    PIECE = 8, /* frames in a request */
    COLUMNS = 72,
    ROWS = 6,
};

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void stream(const struct silero *silero, unsigned port, float *probability)
{
    struct http_client client;
    struct silero_stream stream = {.client = &client, .model = "silero-vad"};
    http_client_init(&client, port);
    for (size_t first = 0; first < silero->frames; first += PIECE) {
        const size_t left = silero->frames - first, count = left < PIECE ? left : PIECE;
        if (!silero_stream_send(&stream, silero->input + first * SILERO_SIZE, count,
                                probability + first))
            die("the daemon did not answer as expected");
    }
    http_client_fini(&client);
}

/* Mean over the frames that share a column. */
static double column_value(const struct silero *silero, const float *probability, size_t column)
{
    const size_t first = column * silero->frames / COLUMNS;
    const size_t end = (column + 1) * silero->frames / COLUMNS;
    double sum = 0;
    for (size_t t = first; t < end; t++)
        sum += probability[t];
    return sum / (double)(end - first);
}

static void draw_bars(const struct silero *silero, const float *probability)
{
    static const char *const eighths[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    for (int row = ROWS - 1; row >= 0; row--) {
        printf("%s ┤", row == ROWS - 1 ? "1.0" : row == 0 ? "0.0" : "   ");
        for (size_t column = 0; column < COLUMNS; column++) {
            const double height = column_value(silero, probability, column) * ROWS - row;
            const double part = fmin(fmax(height, 0), 1);
            fputs(eighths[lround(part * 8)], stdout);
        }
        putchar('\n');
    }
}

static void draw_time_axis(const struct silero *silero)
{
    const double duration = (double)silero->frames * SILERO_FRAME_SECONDS;
    char axis[COLUMNS + 16], labels[COLUMNS + 16];
    memset(axis, ' ', sizeof axis);
    memset(labels, ' ', sizeof labels);
    for (int second = 0; second <= (int)duration; second++) {
        char number[16];
        const long column = lround(second / duration * COLUMNS);
        const int size = snprintf(number, sizeof number, "%d", second);
        axis[column] = '|';
        memcpy(labels + column, number, (size_t)size);
    }
    printf("    └");
    for (size_t i = 0; i < COLUMNS; i++)
        fputs(axis[i] == '|' ? "┴" : "─", stdout);
    printf("\n     %.*s s\n", COLUMNS, labels);
}

static double largest_difference(const struct silero *silero, const float *probability)
{
    double worst = 0;
    for (size_t t = 0; t < silero->frames; t++) {
        const double difference = fabs((double)probability[t] - (double)silero->probability[t]);
        worst = difference <= worst ? worst : difference;
    }
    return worst;
}

static int show(const struct silero *silero, const float *probability, double took)
{
    const double worst = largest_difference(silero, probability);
    printf("Probability of speech, Silero VAD's LSTM decoder, 32 ms a frame:\n\n");
    draw_bars(silero, probability);
    draw_time_axis(silero);
    printf("\n%zu frames (%.1f s) in requests of %d, state carried by the client: %.0f ms\n",
           silero->frames, (double)silero->frames * SILERO_FRAME_SECONDS, PIECE, took * 1e3);
    printf("largest difference from the recorded answers: %.2g (at most %.0e allowed; up to 3e-6 "
           "comes with\nthe features, which were recomputed outside of the recorded graph)\n",
           worst, SILERO_BOUND);
    return worst <= SILERO_BOUND ? 0 : 1;
}

int main(int argc, char **argv)
{
    static const char *const arguments[] = {"--models", "deploy/models", NULL};
    struct silero silero;
    struct daemon daemon;
    if (argc > 1)
        setenv("LSTMD_BINARY", argv[1], 1);

    silero_open(&silero);
    float *probability = must_allocate_zeros(silero.frames, sizeof *probability);
    if (!daemon_start(&daemon, arguments, NULL))
        die("%s could not be started", daemon_binary());

    const double start = seconds();
    stream(&silero, daemon.port, probability);
    const double took = seconds() - start;
    const int stopped = daemon_stop(&daemon);
    daemon_fini(&daemon);

    const int status = show(&silero, probability, took);
    free(probability);
    silero_close(&silero);
    return status != 0 ? status : stopped;
}
