/* One request over ZeroMQ, its tensors as raw frames:
 *
 *   cc -o client client.c -lzmq && ./client tcp://127.0.0.1:5555
 *
 * Asks seed-simple, one of the models that `make run` serves, and prints its output. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

static void must(int result, const char *what)
{
    if (result >= 0)
        return;
    fprintf(stderr, "%s: %s\n", what, zmq_strerror(zmq_errno()));
    exit(1);
}

static void set(void *socket, int option, int value)
{
    must(zmq_setsockopt(socket, option, &value, sizeof value), "zmq_setsockopt");
}

static void ask(void *socket)
{
    static const char header[] =
        "{\"id\":\"1\",\"model_name\":\"seed-simple\","
        "\"parameters\":{\"binary_data_output\":true},\"outputs\":[{\"name\":\"output\"}],"
        "\"inputs\":[{\"name\":\"input\",\"shape\":[1,1,10],\"datatype\":\"FP32\","
        "\"parameters\":{\"binary_data_size\":40}}]}";
    const float input[10] = {0.1f, 0.2f, 0.3f, 0.4f, 0.5f, 0.6f, 0.7f, 0.8f, 0.9f, 1};
    must(zmq_send(socket, header, strlen(header), ZMQ_SNDMORE), "sending");
    must(zmq_send(socket, input, sizeof input, 0), "sending");
}

/* The answer's header, then a frame for each binary tensor; an error has none. */
static void receive(void *socket)
{
    char header[1 << 16];
    float output[7];
    int more = 0;
    size_t more_size = sizeof more;
    const int size = zmq_recv(socket, header, sizeof header - 1, 0);
    must(size, "no answer");
    header[(size_t)size < sizeof header ? (size_t)size : sizeof header - 1] = '\0';
    puts(header);
    must(zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &more_size), "zmq_getsockopt");
    if (!more)
        exit(1);
    must(zmq_recv(socket, output, sizeof output, 0), "receiving");
    for (int i = 0; i < 7; i++)
        printf("%.9g\n", (double)output[i]);
}

int main(int argc, char **argv)
{
    void *context = zmq_ctx_new();
    void *socket = zmq_socket(context, ZMQ_REQ);
    /* Without these a server that is not there would be waited for for ever. */
    set(socket, ZMQ_RCVTIMEO, 5000);
    set(socket, ZMQ_LINGER, 0);
    must(zmq_connect(socket, argc > 1 ? argv[1] : "tcp://127.0.0.1:5555"), "connecting");
    ask(socket);
    receive(socket);
    zmq_close(socket);
    zmq_ctx_term(context);
    return 0;
}
