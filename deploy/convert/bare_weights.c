#include "deploy/convert/bare_weights.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/convert/chain.h"
#include "deploy/convert/gates_apart.h"
#include "deploy/convert/suffix.h"
#include "proto/excerpt.h"

/* While one state_dict is looked at. */
struct search {
    struct state_dict *dict;
    const struct read_options *options;
    struct network *network;
    const char *root; /* the prefix of a layer that names no weights of its own, or NULL */
    bool *used;       /* [dict->count]: a layer took it */
    struct fault *fault;
};

/* ---- names ---- */

/* Takes a prefix off that stands before all names; they stay sorted. */
static bool take_off(struct state_dict *dict, const char *prefix)
{
    const size_t size = strlen(prefix);
    for (size_t i = 0; i < dict->count; i++)
        if (strncmp(dict->arrays[i].name, prefix, size) != 0 || dict->arrays[i].name[size] == '\0')
            return false;
    for (size_t i = 0; i < dict->count; i++) {
        char *name = dict->arrays[i].name;
        memmove(name, name + size, strlen(name + size) + 1);
    }
    return dict->count > 0;
}

/* Is name "weight_ih", "weight_hh_l0" or "bias_ih_l12_reverse", behind its prefix? */
static bool is_lstm_tensor(const char *name)
{
    static const char *const parts[] = {"weight_ih", "weight_hh", "bias_ih",
                                        "bias_hh",   "weight_hr", "weight_peephole"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        const size_t size = strlen(parts[i]);
        if (strncmp(name, parts[i], size) != 0)
            continue;
        name += size;
        if (name[0] == '\0')
            return true;
        const size_t digits = strncmp(name, "_l", 2) == 0 ? strspn(name + 2, "0123456789") : 0;
        return digits > 0 &&
               (name[2 + digits] == '\0' || strcmp(name + 2 + digits, "_reverse") == 0);
    }
    return false;
}

/* Is it one of the tensors that a layer of that type has? */
static bool is_tensor_of(const char *type, const char *name)
{
    static const char *const plain[] = {"weight", "bias"};
    static const char *const statistics[] = {"running_mean", "running_var"};
    if (strcmp(type, "lstm") == 0)
        return is_lstm_tensor(name);
    for (size_t i = 0; i < 2; i++)
        if (strcmp(name, plain[i]) == 0 ||
            (strcmp(type, "batch_norm") == 0 && strcmp(name, statistics[i]) == 0))
            return true;
    return false;
}

/* ---- tensors ---- */

static bool copy_array(struct search *s, size_t layer, const struct array *array, const char *name)
{
    if (array->rank > NETWORK_RANK_MAX)
        return fault_set(s->fault, 400, "tensor '%s': at most %d dimensions expected, got %s",
                         excerpt_of(array->name).text, NETWORK_RANK_MAX, array_shape(array).text);
    float *values =
        network_add_tensor(s->network, layer, name, array->rank, array->shape, s->fault);
    return values != NULL && array_read(array, values, s->fault);
}

/* Of all types with weights only a layer norm computes without them, where it names none. */
static bool needs_tensors(const struct search *s, const struct network_layer *layer)
{
    return strcmp(layer->type, "layer_norm") != 0 || s->root == NULL ||
           strcmp(layer->prefix, s->root) != 0;
}

/* Gives the layer all the tensors of its type under its prefix. */
static bool take_tensors(struct search *s, size_t layer)
{
    const char *type = s->network->layers[layer].type;
    const char *prefix = s->network->layers[layer].prefix;
    const size_t size = strlen(prefix);
    size_t taken = 0;
    for (size_t i = 0; i < s->dict->count; i++) {
        const struct array *array = &s->dict->arrays[i];
        if (strncmp(array->name, prefix, size) != 0 || !is_tensor_of(type, array->name + size))
            continue;
        if (!copy_array(s, layer, array, array->name + size))
            return false;
        s->used[i] = true;
        taken++;
    }
    return taken > 0 || !needs_tensors(s, &s->network->layers[layer]) ||
           fault_set(s->fault, 400, "layer '%s': no weights '%s%s' found",
                     excerpt_of(s->network->layers[layer].name).text, excerpt_of(prefix).text,
                     strcmp(type, "lstm") == 0 ? "weight_ih_l0" : "weight");
}

/* ---- what is left ---- */

struct listing {
    char text[256];
    size_t used, shown, count;
};

/* Adds to a list of names that ends with "and N more" when it gets long. */
static void list_name(struct listing *listing, const struct array *array)
{
    char item[160];
    const int size = snprintf(item, sizeof item, "%s'%s' %s", listing->count > 0 ? ", " : "",
                              excerpt_of(array->name).text, array_shape(array).text);
    assert(size > 0);
    listing->count++;
    if (listing->shown + 1 != listing->count || (size_t)size >= sizeof item ||
        listing->used + (size_t)size + 20 >= sizeof listing->text)
        return;
    memcpy(listing->text + listing->used, item, (size_t)size + 1);
    listing->used += (size_t)size;
    listing->shown++;
}

static void list_end(struct listing *listing)
{
    if (listing->shown < listing->count)
        snprintf(listing->text + listing->used, sizeof listing->text - listing->used,
                 " and %zu more", listing->count - listing->shown);
}

/* BatchNorm's count of the batches it was trained on says nothing about what it computes. */
static struct listing list_unused(const struct search *s)
{
    struct listing listing = {.count = 0};
    for (size_t i = 0; i < s->dict->count; i++)
        if (!s->used[i] && !suffix_is(s->dict->arrays[i].name, "num_batches_tracked"))
            list_name(&listing, &s->dict->arrays[i]);
    list_end(&listing);
    return listing;
}

/* ---- which LSTM ---- */

enum recurrent_kind { KIND_LSTM, KIND_GRU, KIND_RNN };

/* A recurrent layer, by its first recurrent weights: PREFIXweight_hh_l0, or a cell's
 * PREFIXweight_hh.
 */
struct recurrent {
    char prefix[STATE_DICT_NAME_MAX];
    enum recurrent_kind kind;
    const struct array *weights; /* those */
};

/* All three have weights [gates * H, H], of 4, 3 gates and 1; with a projection (the LSTM alone)
 * the second size is that of weight_hr. */
static enum recurrent_kind kind_of(const struct state_dict *dict, const struct array *hh,
                                   const char *prefix)
{
    char name[STATE_DICT_NAME_MAX + 16];
    snprintf(name, sizeof name, "%sweight_hr_l0", prefix);
    if (state_dict_find(dict, name) != NULL || hh->rank != 2 || hh->shape[1] == 0)
        return KIND_LSTM;
    return hh->shape[0] == hh->shape[1]                                ? KIND_RNN
           : hh->shape[0] / 3 == hh->shape[1] && hh->shape[0] % 3 == 0 ? KIND_GRU
                                                                       : KIND_LSTM;
}

/* The next one from *i on; false at the end. */
static bool next_recurrent(const struct state_dict *dict, size_t *i, struct recurrent *found)
{
    static const char *const ends[] = {"weight_hh_l0", "weight_hh"};
    for (; *i < dict->count; ++*i) {
        const struct array *array = &dict->arrays[*i];
        for (size_t e = 0; e < 2; e++) {
            if (!suffix_is(array->name, ends[e]))
                continue;
            memcpy(found->prefix, array->name, sizeof found->prefix);
            found->prefix[strlen(array->name) - strlen(ends[e])] = '\0';
            found->kind = kind_of(dict, array, found->prefix);
            found->weights = array;
            ++*i;
            return true;
        }
    }
    return false;
}

static bool is_meant(const struct search *s, const struct recurrent *found)
{
    const char *prefix = s->options->prefix;
    if (prefix == NULL)
        return true;
    /* With its dot or without. */
    const size_t size = strlen(prefix);
    return strncmp(found->prefix, prefix, size) == 0 &&
           (found->prefix[size] == '\0' || strcmp(found->prefix + size, ".") == 0);
}

static bool fail_none(const struct search *s)
{
    struct listing listing = {.count = 0};
    for (size_t i = 0; i < s->dict->count; i++)
        list_name(&listing, &s->dict->arrays[i]);
    list_end(&listing);
    return fault_set(s->fault, 400, "no LSTM found: weights named '%s%s' expected, got %s",
                     s->options->prefix != NULL ? excerpt_of(s->options->prefix).text : "...",
                     "weight_ih_l0", listing.count > 0 ? listing.text : "no tensors");
}

static bool fail_kind(const struct search *s, const struct recurrent *found)
{
    return fault_set(s->fault, 400, "'%s' %s is a %s, not an LSTM: 4 gates expected, got %d",
                     excerpt_of(found->weights->name).text, array_shape(found->weights).text,
                     found->kind == KIND_GRU ? "GRU" : "plain RNN",
                     found->kind == KIND_GRU ? 3 : 1);
}

static bool fail_several(const struct search *s)
{
    char list[256] = "";
    size_t used = 0, i = 0;
    struct recurrent found;
    while (next_recurrent(s->dict, &i, &found))
        if (used < sizeof list)
            used += (size_t)snprintf(list + used, sizeof list - used, "%s'%s'",
                                     used > 0 ? ", " : "", excerpt_of(found.prefix).text);
    return fault_set(s->fault, 400,
                     "several LSTMs: %s; --prefix PREFIX --lstm-only converts one of them, "
                     "--layers CHAIN several",
                     list);
}

static bool find_lstm(const struct search *s, struct recurrent *lstm)
{
    struct recurrent found;
    size_t count = 0, i = 0;
    while (next_recurrent(s->dict, &i, &found))
        if (is_meant(s, &found)) {
            *lstm = found;
            count++;
        }
    if (count == 0)
        return fail_none(s);
    if (count > 1)
        return fail_several(s);
    return lstm->kind == KIND_LSTM || fail_kind(s, lstm);
}

/* ---- the network ---- */

static bool note_unused(const struct search *s)
{
    const struct listing listing = list_unused(s);
    if (listing.count > 0)
        network_add_note(s->network, "left aside: %s", listing.text);
    return true;
}

static bool make_lstm(struct search *s)
{
    struct recurrent lstm;
    if (!find_lstm(s, &lstm))
        return false;
    const size_t size = strlen(lstm.prefix);
    char name[STATE_DICT_NAME_MAX];
    snprintf(name, sizeof name, "%.*s", (int)(size > 0 ? size - (lstm.prefix[size - 1] == '.') : 0),
             lstm.prefix);
    const size_t layer =
        network_add_layer(s->network, "lstm", name[0] != '\0' ? name : "lstm", lstm.prefix);
    if (!network_is_whole(s->network, s->fault) || !take_tensors(s, layer))
        return false;
    if (s->options->lstm_only)
        return note_unused(s);
    const struct listing listing = list_unused(s);
    return listing.count == 0 ||
           fault_set(s->fault, 400,
                     "the file does not say how the other weights are used: %s; --layers CHAIN "
                     "tells, --lstm-only leaves them aside",
                     listing.text);
}

static bool fill_layers(struct search *s)
{
    if (!network_is_whole(s->network, s->fault))
        return false;
    for (size_t i = 0; i < s->network->layer_count; i++)
        if (chain_type_has_weights(s->network->layers[i].type) && !take_tensors(s, i))
            return false;
    return note_unused(s);
}

static bool make_chain(struct search *s)
{
    return chain_parse(s->options->layers, s->network, s->fault) && fill_layers(s);
}

/* make on a search of its dict. */
static bool run(struct search *search, bool (*make)(struct search *))
{
    search->used = calloc(search->dict->count > 0 ? search->dict->count : 1, sizeof(bool));
    const bool made =
        search->used != NULL ? make(search) : fault_set(search->fault, 503, "out of memory");
    free(search->used);
    return made;
}

bool bare_weights_to_network(struct state_dict *dict, const struct read_options *options,
                             struct network *network, struct fault *fault)
{
    float *gates;
    while (take_off(dict, "module.") || take_off(dict, "_orig_mod."))
        ;
    if (!gates_apart_join(dict, options->gate_columns, &gates, fault))
        return false;
    network_set_bool(network, NETWORK_ROOT, "batch_first", options->batch_first);
    struct search search = {.dict = dict, .options = options, .network = network, .fault = fault};
    const bool done = run(&search, options->layers != NULL ? make_chain : make_lstm);
    free(gates);
    if (done && !options->batch_first)
        network_add_note(network, "note: time first, [T,B,...], as torch.nn.LSTM by itself; "
                                  "--batch-first: [B,T,...]");
    return done;
}

bool bare_weights_to_layers(struct state_dict *dict, const char *root, struct network *network,
                            struct fault *fault)
{
    static const struct read_options none = {.lstm_only = false};
    struct search search = {
        .dict = dict, .options = &none, .network = network, .root = root, .fault = fault};
    return run(&search, fill_layers);
}
