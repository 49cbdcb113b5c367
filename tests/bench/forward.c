/* Times the forward pass of a network that is only used: convoy's part of `side-by-side.py --forward`. */
#include "base/json.h"
#include "base/yaml.h"
#include "net/net.h"
#include "train/find.h"
#include "train/fixed.h"

#include <stdlib.h>
#include <string.h>

typedef struct asked {
  const char *network;
  int64_t batch, threads, steps;
} asked;

static int64_t number_of(const char *text) {
  const long long value = strtoll(text, NULL, 10);
  return value < 1 || value > 1 << 20 ? 1 : value;
}

static bool read_words(asked *out, int argc, char **argv) {
  *out = (asked){.batch = 16, .threads = 1, .steps = 5};
  for (int i = 1; i < argc; i++) {
    const bool has_value = i + 1 < argc;
    if (strcmp(argv[i], "--batch") == 0 && has_value)
      out->batch = number_of(argv[++i]);
    else if (strcmp(argv[i], "--threads") == 0 && has_value)
      out->threads = number_of(argv[++i]);
    else if (strcmp(argv[i], "--steps") == 0 && has_value)
      out->steps = number_of(argv[++i]);
    else if (argv[i][0] != '-' && !out->network)
      out->network = argv[i];
    else
      return false;
  }
  return out->network != NULL;
}

static void print(const asked *a, const cvy_net *net, cvy_spread seconds) {
  const cvy_net_info *info = cvy_net_describe(net);
  const double images = (double)a->batch;
  cvy_json json = {.out = stdout};
  cvy_json_open(&json, NULL, '{');
  cvy_json_text(&json, "network", info->name);
  cvy_json_int(&json, "batch", a->batch);
  cvy_json_int(&json, "threads", a->threads);
  cvy_json_open(&json, "img_s", '{');
  cvy_json_number(&json, "median", images / seconds.median, 6);
  cvy_json_number(&json, "lowest", images / seconds.highest, 6);
  cvy_json_number(&json, "highest", images / seconds.lowest, 6);
  cvy_json_close(&json, '}');
  cvy_json_int(&json, "parameters", info->param_count);
  cvy_json_int(&json, "peak_bytes", (int64_t)cvy_peak_bytes());
  cvy_json_close(&json, '}');
  putchar('\n');
}

/* Passes follow one another as in an evaluation: what is made of the filters is kept. */
static void measure(const asked *a, cvy_net *net, const cvy_fixed *images) {
  const cvy_microbatch m = cvy_fixed_microbatch(images);
  const cvy_targets targets = {.labels = m.labels};
  double *seconds = cvy_new(sizeof *seconds * (size_t)a->steps);
  for (int64_t i = -1; i < a->steps; i++) {
    const cvy_pass pass = {.training = false, .params = i < 0 ? CVY_PARAMS_KEEP : CVY_PARAMS_KEPT};
    const double start_s = cvy_now_s();
    cvy_net_forward(net, m.images, &targets, &pass);
    if (i >= 0) seconds[i] = cvy_now_s() - start_s;
  }
  print(a, net, cvy_spread_of(seconds, a->steps));
  free(seconds);
}

static cvy_err run(const asked *a, cvy_pool *pool) {
  const char *path;
  cvy_yaml *description;
  cvy_net *net;
  cvy_fixed images;
  const cvy_net_wishes wishes = {.purpose = CVY_NET_EVALUATION};
  CVY_TRY(cvy_find_yaml(&path, pool, a->network, "networks", NULL));
  CVY_TRY(cvy_network_load(&description, pool, path, NULL));
  CVY_TRY(cvy_net_create(&net, description, a->batch, &wishes));
  cvy_net_init(net, 1);
  cvy_err err = cvy_fixed_create(&images, cvy_net_describe(net));
  if (!err) {
    cvy_fixed_fill(&images, cvy_net_describe(net));
    measure(a, net, &images);
  }
  cvy_fixed_destroy(&images);
  cvy_net_destroy(net);
  return err;
}

int main(int argc, char **argv) {
  asked a;
  if (argc == 2 && strcmp(argv[1], "--help") == 0) {
    puts("forward NETWORK|FILE [--batch N] [--threads N] [--steps N]: prints a line of JSON");
    return 0;
  }
  if (!read_words(&a, argc, argv)) {
    fputs("forward: expected NETWORK|FILE [--batch N] [--threads N] [--steps N]\n", stderr);
    return 2;
  }
  cvy_threads_set(cvy_int(a.threads));
  cvy_pool *pool = cvy_pool_create();
  const cvy_err err = run(&a, pool);
  if (err) fprintf(stderr, "forward: %s\n", cvy_err_message());
  cvy_pool_destroy(pool);
  return cvy_err_exit_code(err);
}
