/* The table of outputs and gradients at the first values, for people and as JSON. */
#include "cmd/signal.h"

#include "base/fit.h"
#include "base/json.h"
#include "base/utf8.h"
#include "cmd/network.h"
#include "math/conv.h"
#include "measure/signal.h"
#include "train/find.h"
#include "train/recipe.h"

#include <math.h>
#include <string.h>

/* ---- for people ---- */

static void print_heading(const cvy_signal *signal, const char *data, uint64_t seed) {
  const cvy_net_info *net = cvy_net_describe(signal->net);
  cvy_fitted fitted;
  FILE *out = cvy_fit_begin(&fitted, stdout);
  fprintf(out, "%s: first values of seed %" PRIu64 ", %" PRId64 " image%s of %s\n", net->name, seed,
          net->input.n, net->input.n > 1 ? "s" : "", data);
  fprintf(out, "loss %.4f", signal->loss);
  if (!isnan(signal->guess)) fprintf(out, " (a guess has %.4f)", signal->guess);
  fputc('\n', out);
  cvy_fit_lines(&fitted);
}

static void print_numbers(FILE *out, const cvy_numbers *n) {
  if (n->count)
    fprintf(out, "  %10.3g %10.3g %7.2f%%", n->mean, n->deviation, 100 * n->zeros);
  else
    fprintf(out, "  %10s %10s %8s", "", "", "");
}

static void print_row(FILE *out, const char *name, const char *type, int width, const cvy_numbers *output,
                      const cvy_numbers *gradient) {
  fprintf(out, "%-*s  %-12s", cvy_utf8_pad(name, width), name, type);
  print_numbers(out, output);
  fprintf(out, " %10.3g %7.2f%%", output->between, 100 * (double)output->dead / (double)output->units);
  print_numbers(out, gradient);
  if (gradient->count) fprintf(out, " %10.3g", cvy_numbers_norm(gradient));
  fputc('\n', out);
}

static void print_table(const cvy_signal *signal) {
  const cvy_net_info *net = cvy_net_describe(signal->net);
  int width = 6;
  for (int64_t i = 0; i < net->layer_count; i++) {
    const int columns = (int)cvy_utf8_columns(net->layers[i].name);
    if (columns > width) width = columns;
  }
  cvy_fitted fitted;
  FILE *out = cvy_fit_begin(&fitted, stdout);
  fprintf(out, "%-*s  %-12s  %10s %10s %8s %10s %8s  %10s %10s %8s %10s\n", width, "layer", "type", "mean",
          "deviation", "zeros", "between", "dead", "dy_mean", "dy_dev", "dy_zeros", "dy_length");
  print_row(out, "images", "", width, &signal->images, &(cvy_numbers){0});
  for (int64_t i = 0; i < net->layer_count; i++)
    print_row(out, net->layers[i].name, net->layers[i].type, width, &signal->layers[i].output,
              &signal->layers[i].gradient);
  cvy_fit_table(&fitted);
}

static void print(const cvy_signal *signal, const char *data, uint64_t seed) {
  print_heading(signal, data, seed);
  print_table(signal);
  fflush(stdout);
  for (int64_t i = 0; i < signal->warning_count; i++) cvy_warn("%s", signal->warnings[i]);
}

/* ---- JSON ---- */

static void json_numbers(cvy_json *json, const char *key, const cvy_numbers *n) {
  if (!n->count) {
    cvy_json_null(json, key);
    return;
  }
  cvy_json_open(json, key, '{');
  cvy_json_number(json, "mean", n->mean, 17);
  cvy_json_number(json, "deviation", n->deviation, 17);
  cvy_json_number(json, "between", n->between, 17);
  cvy_json_number(json, "zeros", n->zeros, 17);
  cvy_json_int(json, "units", n->units);
  cvy_json_int(json, "dead", n->dead);
  cvy_json_number(json, "length", cvy_numbers_norm(n), 17);
  cvy_json_close(json, '}');
}

static void print_json(const cvy_signal *signal, const char *data, uint64_t seed) {
  const cvy_net_info *net = cvy_net_describe(signal->net);
  cvy_json json = {.out = stdout};
  cvy_json_open(&json, NULL, '{');
  cvy_json_text(&json, "name", net->name);
  cvy_json_text(&json, "data", data);
  cvy_json_int(&json, "seed", (int64_t)seed);
  cvy_json_int(&json, "microbatch", net->input.n);
  cvy_json_number(&json, "loss", signal->loss, 17);
  cvy_json_number(&json, "guess", signal->guess, 17);
  json_numbers(&json, "images", &signal->images);
  cvy_json_open(&json, "layers", '[');
  for (int64_t i = 0; i < net->layer_count; i++) {
    cvy_json_open(&json, NULL, '{');
    cvy_json_text(&json, "name", net->layers[i].name);
    cvy_json_text(&json, "type", net->layers[i].type);
    json_numbers(&json, "output", &signal->layers[i].output);
    json_numbers(&json, "gradient", &signal->layers[i].gradient);
    cvy_json_close(&json, '}');
  }
  cvy_json_close(&json, ']');
  cvy_json_open(&json, "warnings", '[');
  for (int64_t i = 0; i < signal->warning_count; i++) cvy_json_text(&json, NULL, signal->warnings[i]);
  cvy_json_close(&json, ']');
  cvy_json_close(&json, '}');
  fputc('\n', stdout);
}

/* ---- the command ---- */

static bool is_recipe(cvy_pool *pool, const char *word) {
  const bool is_name = !strchr(word, '/') && cvy_find_named(pool, word, "recipes");
  return is_name || cvy_holds_recipe(pool, word);
}

/* Loads the recipe. The options --seed and --conv set keys of it, as words do. */
static cvy_err load_recipe(cvy_recipe **out, const cvy_arguments *arguments, const cvy_signal_wishes *w) {
  int64_t count = 0;
  const char **settings = cvy_pool_new(arguments->pool, sizeof *settings * (size_t)(arguments->count + 1));
  for (int64_t i = 1; i < arguments->count; i++) settings[count++] = arguments->words[i];
  if (w->seed >= 0) settings[count++] = cvy_pool_format(arguments->pool, "seed=%" PRId64, w->seed);
  if (w->conv != CVY_CONV_AUTO)
    settings[count++] = cvy_pool_format(arguments->pool, "convolution=%s", cvy_conv_words[w->conv]);
  return cvy_recipe_load(out, arguments->words[0], settings, count);
}

static cvy_err show(const cvy_arguments *arguments, const cvy_signal_wishes *w, cvy_recipe *recipe) {
  cvy_yaml *network = NULL;
  cvy_signal signal;
  const bool own = recipe && strcmp(w->data, "train") == 0;
  const uint64_t seed = recipe ? (uint64_t)recipe->seed : w->seed < 0 ? 1 : (uint64_t)w->seed;
  if (!recipe) CVY_TRY(cvy_network_from_words(&network, arguments, 0));
  const cvy_signal_options options = {.recipe = recipe,
                                      .network = network,
                                      .data = own ? NULL : w->data,
                                      .microbatch = w->batch,
                                      .seed = seed,
                                      .convolution = (cvy_conv_choice)w->conv};
  CVY_TRY(cvy_signal_take(&signal, arguments->pool, &options));
  (w->json ? print_json : print)(&signal, own ? recipe->data.train : w->data, seed);
  cvy_signal_release(&signal);
  return CVY_OK;
}

cvy_err cvy_signal_show(const cvy_arguments *arguments, const cvy_signal_wishes *wishes) {
  cvy_recipe *recipe = NULL;
  if (arguments->count > 0 && is_recipe(arguments->pool, arguments->words[0]))
    CVY_TRY(load_recipe(&recipe, arguments, wishes));
  const cvy_err err = show(arguments, wishes, recipe);
  cvy_recipe_destroy(recipe);
  return err;
}
