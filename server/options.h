/* What the operator asked for. One table says every option once: its key in the JSON of --config;
 * the flag is the key with dashes (--max-body-bytes), the environment variable the key in capitals
 * after LSTMD_ (LSTMD_MAX_BODY_BYTES). A flag beats the environment, the environment beats the
 * file, whole options at a time: a list is never mixed from two of them. */
#ifndef SERVER_OPTIONS_H
#define SERVER_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "proto/fault.h"

#define OPTIONS_COUNT_MAX 64

struct option_list {
    char **items;
    size_t count;
};

struct options {
    char *config;                               /* NULL: none */
    struct option_list models;                  /* folders */
    struct option_list model;                   /* files */
    char *http;                                 /* "none": not wanted */
    struct option_list zmq;                     /* endpoints; "none" alone, or empty: not wanted */
    char *zmq_events;                           /* "none": not wanted */
    char *zmq_curve_secret, *zmq_curve_clients; /* files; NULL: no CURVE */
    size_t zmq_peer_limit;
    char *make_curve_keys;    /* a file to write instead of serving; NULL: serve */
    char *admin;              /* NULL: its doors are HTTP's */
    char *auth, *tokens_file; /* NULL: not given */
    char *tls_certificate, *tls_key, *tls_client_ca;
    char *sandbox;
    char *probe;  /* a URL; NULL: to serve */
    char *kernel; /* NULL: the best there is */
    size_t workers, http_threads;
    size_t queue_limit, queue_rows_limit; /* for each model */
    size_t queue_client_percent;          /* of both */
    size_t tick_rows;
    size_t connection_limit;
    size_t max_body_bytes, max_memory_bytes;
    size_t compress_from_bytes; /* of an answer */
    size_t header_timeout_ms, body_timeout_ms, reply_timeout_ms, idle_timeout_ms;
    size_t request_timeout_ms;
    size_t sequence_limit, sequence_bytes_limit, sequence_idle_timeout_ms;
    char *sequence_file;   /* NULL: sequences end with the server */
    size_t min_rate_bytes; /* per second, for bodies and replies */
    size_t drain_delay_ms, drain_timeout_ms;
    bool ignore_half_close;
    bool allow_model_control;
    char *log_format;
    bool access_log;
    size_t slow_request_ms; /* 0: none is logged for being slow */
    bool check, version, help;

    int set_by[OPTIONS_COUNT_MAX]; /* per row of the table: enum option_source */
};

/* Reads all three places and fills in the defaults, which look at the machine. environment is
 * environ's form. On success the options are the caller's (options_fini); on failure nothing is
 * held, and the text starts with the flag, the variable, or the file and key. */
bool options_read(struct options *options, int argc, char *const *argv, char *const *environment,
                  struct fault *fault);
void options_fini(struct options *options);

/* The text begins with an option's key: it then begins with the flag, the variable, or the file and
 * key, where it was given. For faults that only show once all options are there. */
void options_place(const struct options *options, struct fault *fault);

/* The table as --help shows it. */
void options_print_help(FILE *out);

#endif
