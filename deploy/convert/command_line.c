#include "deploy/convert/command_line.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "proto/excerpt.h"

const char command_line_help[] =
    "lstm-convert INPUT --out DIR [OPTION]...\n"
    "\n"
    "Turns a trained network into DIR/NAME.json and DIR/NAME.safetensors, which lstmd serves, and\n"
    "prints its layers. What cannot be expressed exactly is refused, and nothing is written.\n"
    "\n"
    "  --out DIR         the folder to write into; made when it is not there\n"
    "  --name NAME       the model's name; default: INPUT's name without its suffix\n"
    "  --config FILE     the architecture (a Keras model.json), when INPUT holds weights alone\n"
    "  --subgraph NAME   which branch of an ONNX file's If\n"
    "  --help, --version\n"
    "\n"
    "A PyTorch state_dict, an .npz or a .safetensors file holds weights and no network:\n"
    "  --prefix PREFIX   which LSTM: what stands before weight_ih_l0 in the weights' names\n"
    "  --lstm-only       leave all other weights aside\n"
    "  --layers CHAIN    the whole network, in order, each layer with its weights' prefix:\n"
    "                    --layers 'lstm encoder, last_step, dense fc, sigmoid'\n"
    "  --gate-columns hx where each gate has a matrix of its own, Wf [H,H+I], that multiplies h "
    "and\n"
    "                    x stacked; xh: x and h\n"
    "  --batch-first     the network takes [B,T,I] rather than [T,B,I]\n";

static const struct option {
    const char *name;
    size_t text; /* where its value goes in a struct command_line, or */
    size_t flag; /* the bool that it sets; the other is 0, which is where input stands */
} options[] = {
    {"--out", offsetof(struct command_line, out), 0},
    {"--config", offsetof(struct command_line, config), 0},
    {"--prefix", offsetof(struct command_line, read.prefix), 0},
    {"--subgraph", offsetof(struct command_line, read.subgraph), 0},
    {"--layers", offsetof(struct command_line, read.layers), 0},
    {"--gate-columns", offsetof(struct command_line, read.gate_columns), 0},
    {"--batch-first", 0, offsetof(struct command_line, read.batch_first)},
    {"--lstm-only", 0, offsetof(struct command_line, read.lstm_only)},
    {"--help", 0, offsetof(struct command_line, help)},
    {"--version", 0, offsetof(struct command_line, version)},
};

static bool set_name(struct command_line *line, const char *text, size_t size, const char *from,
                     struct fault *fault)
{
    char name[MODEL_NAME_MAX + 1];
    snprintf(name, sizeof name, "%.*s", (int)size, text);
    if (size >= MODEL_NAME_MAX || !model_name_is_valid(name))
        return fault_set(fault, 400,
                         "--name: at most %d of A-Z a-z 0-9 . _ - expected, a letter or digit "
                         "first, got \"%s\"%s",
                         MODEL_NAME_MAX - 1, excerpt_of(name).text, from);
    memcpy(line->name, name, size + 1);
    return true;
}

/* "models/best.pth.tar" -> "best.pth" */
static bool set_default_name(struct command_line *line, struct fault *fault)
{
    const char *slash = strrchr(line->input, '/');
    const char *name = slash != NULL ? slash + 1 : line->input;
    const char *dot = strrchr(name, '.');
    const size_t size = dot != NULL && dot != name ? (size_t)(dot - name) : strlen(name);
    return set_name(line, name, size, " from the file's name", fault);
}

static bool set_text(struct command_line *line, const struct option *option, const char *value,
                     struct fault *fault)
{
    const char **place = (const char **)(void *)((char *)line + option->text);
    if (*place != NULL)
        return fault_set(fault, 400, "%s: given twice", option->name);
    *place = value;
    return true;
}

static bool is_option(const char *argument, const char *name)
{
    const size_t size = strcspn(argument, "=");
    return strlen(name) == size && memcmp(argument, name, size) == 0;
}

static bool set_flag(struct command_line *line, const struct option *option, const char *value,
                     struct fault *fault)
{
    if (value != NULL)
        return fault_set(fault, 400, "%s: no value expected, got \"%s\"", option->name,
                         excerpt_of(value).text);
    *(bool *)((char *)line + option->flag) = true;
    return true;
}

/* Takes argv[*i], and its value behind an equals sign or in the next argument. */
static bool take_option(struct command_line *line, int argc, char **argv, int *i,
                        struct fault *fault)
{
    const char *argument = argv[*i], *equals = strchr(argument, '=');
    const char *value = equals != NULL ? equals + 1 : NULL;
    const bool is_name = is_option(argument, "--name");
    const struct option *option = NULL;
    for (size_t o = 0; o < sizeof options / sizeof options[0]; o++)
        if (is_option(argument, options[o].name))
            option = &options[o];
    if (option == NULL && !is_name)
        return fault_set(fault, 400, "%s: unknown option", excerpt_of(argument).text);
    if (option != NULL && option->flag != 0)
        return set_flag(line, option, value, fault);
    if (value == NULL && ++*i == argc)
        return fault_set(fault, 400, "%s: a value expected", argument);
    if (value == NULL)
        value = argv[*i];
    if (option != NULL)
        return set_text(line, option, value, fault);
    if (line->name[0] != '\0')
        return fault_set(fault, 400, "--name: given twice");
    return set_name(line, value, strlen(value), "", fault);
}

static bool check(struct command_line *line, struct fault *fault)
{
    if (line->input == NULL)
        return fault_set(fault, 400, "INPUT: the file to convert expected");
    if (line->out == NULL)
        return fault_set(fault, 400, "--out: the folder to write into expected");
    if (line->read.lstm_only && line->read.layers != NULL)
        return fault_set(fault, 400, "--lstm-only: either this or --layers expected, got both");
    if (line->read.prefix != NULL && line->read.layers != NULL)
        return fault_set(fault, 400, "--prefix: --layers says the prefixes, got both");
    return line->name[0] != '\0' || set_default_name(line, fault);
}

bool command_line_parse(struct command_line *line, int argc, char **argv, struct fault *fault)
{
    *line = (struct command_line){0};
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) == 0) {
            if (!take_option(line, argc, argv, &i, fault))
                return false;
        } else if (line->input != NULL) {
            return fault_set(fault, 400, "%s: one INPUT expected", excerpt_of(argv[i]).text);
        } else {
            line->input = argv[i];
        }
    }
    return line->help || line->version || check(line, fault);
}
