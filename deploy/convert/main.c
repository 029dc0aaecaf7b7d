/* lstm-convert: from what a framework saved to what lstmd serves. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "deploy/convert/command_line.h"
#include "deploy/convert/confined.h"
#include "deploy/convert/file_pair.h"

static bool open_products(struct products *products, struct fault *fault)
{
    products->config = tmpfile();
    products->weights = tmpfile();
    products->summary = tmpfile();
    return (products->config != NULL && products->weights != NULL && products->summary != NULL) ||
           fault_set(fault, 503, "no temporary file can be made");
}

static void close_products(struct products *products)
{
    FILE *const files[] = {products->config, products->weights, products->summary};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        if (files[i] != NULL)
            fclose(files[i]);
}

/* Names in it are a stranger's, whatever the process that wrote it made of them. */
static void print_file(FILE *file)
{
    int c;
    rewind(file);
    while ((c = getc(file)) != EOF)
        putchar((c < 0x20 && c != '\n') || c == 0x7f ? '?' : c);
}

static bool run(const struct command_line *line, struct fault *fault)
{
    struct products products = {0};
    const bool done = open_products(&products, fault) && confined_convert(line, &products, fault) &&
                      file_pair_write(line->out, line->name, fileno(products.config),
                                      fileno(products.weights), fault);
    if (done) {
        print_file(products.summary);
        printf("written: %s/%s.json, %s/%s.safetensors\n", line->out, line->name, line->out,
               line->name);
    }
    close_products(&products);
    return done;
}

/* Where the caller has closed them no file of ours gets the numbers 0 to 2, which are not for files
 * (confine.h). Reading the first or writing the others still fails. */
static bool take_standard(void)
{
    bool taken = true;
    for (int fd = STDIN_FILENO; taken && fd <= STDERR_FILENO; fd++)
        taken = fcntl(fd, F_GETFD) >= 0 ||
                open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) == fd;
    return taken;
}

int main(int argc, char **argv)
{
    struct command_line line;
    struct fault fault = {0};
    if (!take_standard())
        return 1;
    if (!command_line_parse(&line, argc, argv, &fault)) {
        fprintf(stderr, "lstm-convert: %s\n", fault.text);
        return 2;
    }
    if (line.help || line.version) {
        fputs(line.help ? command_line_help : "lstm-convert " LSTMD_VERSION "\n", stdout);
        return 0;
    }
    if (!run(&line, &fault)) {
        fprintf(stderr, "lstm-convert: %s\n", fault.text);
        return 1;
    }
    return fflush(stdout) == 0 ? 0 : 1;
}
