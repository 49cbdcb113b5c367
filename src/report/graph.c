/* A network as a graph in Graphviz' language: a box a unit, and a frame around units that come from one use
 * of a block.
 *
 * A unit is a layer together with what follows it in a chain without changing the shape: a convolution, its
 * batch normalisation and its ReLU are one box. */
#define _POSIX_C_SOURCE 200809L
#include "report/graph.h"

#include "file/whole.h"

#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { IMAGE = -1, MOST_FRAMES = 2 };

typedef struct graph {
  FILE *out;
  const cvy_net_info *net;
  int64_t *unit_of; /* layer -> the unit's first layer */
  int64_t *last_of; /* the unit's first layer -> its last */
} graph;

/* ---- units ---- */

static int64_t count_readers(const cvy_net_info *net, int64_t layer) {
  int64_t readers = 0;
  for (int64_t i = layer + 1; i < net->layer_count; i++)
    for (int64_t k = 0; k < net->layers[i].input_count; k++) readers += net->layers[i].inputs[k] == layer;
  return readers;
}

static bool same_shape(cvy_shape a, cvy_shape b) {
  return a.h == b.h && a.w == b.w && a.c == b.c;
}

/* Tells whether a layer belongs to the unit of the layer that it reads. */
static bool continues(const cvy_net_info *net, int64_t layer) {
  const cvy_net_layer *l = &net->layers[layer];
  const int64_t before = l->inputs[0];
  if (l->input_count != 1 || before == IMAGE || count_readers(net, before) != 1) return false;
  return l->sliding.kernel[0] == 0 && l->multiply_adds == 0 && !l->is_loss &&
         same_shape(l->y, net->layers[before].y);
}

static void find_units(graph *g) {
  for (int64_t i = 0; i < g->net->layer_count; i++) {
    g->unit_of[i] = continues(g->net, i) ? g->unit_of[g->net->layers[i].inputs[0]] : i;
    g->last_of[g->unit_of[i]] = i;
  }
}

/* ---- texts ---- */

/* Prints letters for an HTML-like label. Graphviz replaces \N and its like even there. */
static void print_letters(FILE *out, const char *text, size_t length) {
  for (size_t i = 0; i < length; i++) {
    if (text[i] == '\\')
      fputs("\\\\", out);
    else if (strchr("<>&\"", text[i]))
      fprintf(out, "&#%d;", text[i]);
    else
      fputc(text[i], out);
  }
}

static void print_escaped(FILE *out, const char *text) {
  print_letters(out, text, strlen(text));
}

/* Prints a count as "61.71 thousand". */
static void print_rounded(FILE *out, int64_t count) {
  const char *const words[] = {"", " thousand", " million", " billion"};
  double value = (double)count;
  int word = 0;
  for (; value >= 1000 && word < 3; word++) value *= 1e-3;
  fprintf(out, "%.4g%s", value, words[word]);
}

static void print_pair(FILE *out, const int64_t pair[2]) {
  if (pair[0] == pair[1])
    fprintf(out, "%" PRId64, pair[0]);
  else
    fprintf(out, "%" PRId64 "x%" PRId64, pair[0], pair[1]);
}

/* Prints "max_pool 3x3/2" or "conv 3x3, 64". A single window has nowhere to stride. */
static void print_layer(FILE *out, const cvy_net_layer *l) {
  const cvy_sliding *s = &l->sliding;
  print_escaped(out, l->type);
  if (s->kernel[0] > 0) fprintf(out, " %" PRId64 "x%" PRId64, s->kernel[0], s->kernel[1]);
  if (s->kernel[0] > 0 && l->y.h * l->y.w > 1 && (s->stride[0] > 1 || s->stride[1] > 1)) {
    fputc('/', out);
    print_pair(out, s->stride);
  }
  if (l->multiply_adds > 0) fprintf(out, ", %" PRId64, l->y.c);
  if (l->detail[0]) {
    fputs(", ", out);
    print_escaped(out, l->detail);
  }
}

static const char *colour_of(const graph *g, int64_t layer) {
  const cvy_net_layer *l = &g->net->layers[layer];
  if (l->is_loss) return "#f6d3c6";
  if (l->multiply_adds > 0) return l->sliding.kernel[0] > 0 ? "#d3e5f5" : "#fbe3bf";
  if (l->sliding.kernel[0] > 0) return "#d2ecdf";
  return "#eeeeee";
}

static void print_shape(FILE *out, cvy_shape s) {
  if (s.h == 1 && s.w == 1)
    fprintf(out, "%" PRId64, s.c);
  else
    fprintf(out, "%" PRId64 "&#215;%" PRId64 "&#215;%" PRId64, s.h, s.w, s.c);
}

/* ---- frames ---- */

/* The dotted parts of a layer's name are its frames; a number belongs to the part before it ("block.2" is one
 * part). Returns how many letters the first `depth` parts have, without the dot after them; 0 if there are no
 * more parts. */
static size_t frame_length(const char *name, int depth) {
  size_t length = 0;
  for (int part = 0; part < depth; part++) {
    const char *dot = strchr(name + length + (length > 0), '.');
    while (dot && dot[1] >= '0' && dot[1] <= '9' && strspn(dot + 1, "0123456789") == strcspn(dot + 1, "."))
      dot = strchr(dot + 1, '.');
    if (!dot) return 0;
    length = (size_t)(dot - name);
  }
  return length;
}

static bool same_frame(const char *a, const char *b, int depth) {
  const size_t length = frame_length(a, depth);
  return length > 0 && length == frame_length(b, depth) && strncmp(a, b, length) == 0;
}

static void print_lines(const graph *g, int64_t unit) {
  for (int64_t i = unit; i <= g->last_of[unit]; i++) {
    if (g->unit_of[i] != unit) continue;
    if (i > unit) fputs("<br/>", g->out);
    print_layer(g->out, &g->net->layers[i]);
  }
}

static bool changes_shape(const graph *g, int64_t layer) {
  const cvy_net_layer *l = &g->net->layers[layer];
  return !same_shape(l->y, l->inputs[0] == IMAGE ? g->net->input : g->net->layers[l->inputs[0]].y);
}

/* Where branches meet stands a small oval without a name. */
static void print_unit(const graph *g, int64_t unit, const char *name, size_t length) {
  const cvy_net_layer *first = &g->net->layers[unit];
  const bool is_meeting = first->input_count > 1;
  fprintf(g->out, "  n%" PRId64 " [label=<", unit);
  if (!is_meeting) {
    fputs("<b>", g->out);
    print_letters(g->out, name, length);
    fputs("</b><br/>", g->out);
  }
  print_lines(g, unit);
  if (!is_meeting || changes_shape(g, unit)) {
    fputs("<br/><font color=\"#666666\">", g->out);
    print_shape(g->out, first->y);
    fputs("</font>", g->out);
  }
  fprintf(g->out, ">, fillcolor=\"%s\"%s%s];\n", colour_of(g, unit),
          is_meeting ? ", shape=oval, margin=\"0.02,0.02\"" : "",
          first->only_in_training ? ", style=\"filled,rounded,dashed\"" : "");
}

static int64_t count_units(const graph *g, int64_t begin, int64_t end) {
  int64_t count = 0;
  for (int64_t i = begin; i < end; i++) count += g->unit_of[i] == i;
  return count;
}

static void print_layers(const graph *g, int64_t begin, int64_t end, int depth, size_t framed);

static void open_frame(const graph *g, int64_t begin, int depth, const char *title, size_t length) {
  fprintf(g->out, "  subgraph \"cluster_%d_%" PRId64 "\" {\n  labeljust=l;\n  label=<", depth, begin);
  print_letters(g->out, title, length);
  fputs(">;\n", g->out);
}

/* Prints the layers that lie in the same frame as the first one, before `end`, and returns the layer after
 * them. A frame around a single unit would only clutter the picture: the unit has its name. */
static int64_t print_frame(const graph *g, int64_t begin, int64_t end, int depth, size_t framed) {
  const char *name = g->net->layers[begin].name;
  const size_t length = frame_length(name, depth);
  int64_t after = begin + 1;
  while (after < end && same_frame(name, g->net->layers[after].name, depth)) after++;
  const int64_t units = count_units(g, begin, after);
  if (units == 1) {
    for (int64_t i = begin; i < after; i++)
      if (g->unit_of[i] == i) print_unit(g, i, name + framed, length - framed);
    return after;
  }
  const bool drawn = units > 1 && depth <= MOST_FRAMES;
  if (drawn) open_frame(g, begin, depth, name + framed, length - framed);
  print_layers(g, begin, after, depth + 1, drawn ? length + 1 : framed);
  if (drawn) fputs("  }\n", g->out);
  return after;
}

/* `framed` is how many letters of the names the frames around them already say. */
static void print_layers(const graph *g, int64_t begin, int64_t end, int depth, size_t framed) {
  for (int64_t i = begin; i < end;) {
    const char *name = g->net->layers[i].name;
    if (frame_length(name, depth) > 0) {
      i = print_frame(g, i, end, depth, framed);
      continue;
    }
    if (g->unit_of[i] == i) print_unit(g, i, name + framed, strlen(name + framed));
    i++;
  }
}

/* ---- the whole ---- */

static void print_head(const graph *g) {
  const cvy_net_info *net = g->net;
  fputs(
      "digraph network {\n"
      "  graph [rankdir=TB, labelloc=t, fontname=\"Helvetica,Arial,sans-serif\", fontsize=14, nodesep=0.25,\n"
      "    ranksep=0.3, style=rounded, color=\"#bbbbbb\", fontcolor=\"#444444\"];\n"
      "  node [shape=box, style=\"filled,rounded\", color=\"#888888\", "
      "fontname=\"Helvetica,Arial,sans-serif\",\n"
      "    fontsize=11, margin=\"0.12,0.06\", height=0.2];\n"
      "  edge [color=\"#666666\", arrowsize=0.6];\n  label=<<b>",
      g->out);
  print_escaped(g->out, net->name);
  fputs("</b><br/>", g->out);
  print_rounded(g->out, net->param_count);
  fputs(" parameters, ", g->out);
  print_rounded(g->out, net->multiply_adds);
  fputs(" multiply-adds an image<br/> >;\n", g->out);
  fputs("  image [label=<<b>input</b><br/><font color=\"#666666\">", g->out);
  print_shape(g->out, net->input);
  fputs("</font>>, fillcolor=\"#ffffff\"];\n", g->out);
}

static void print_edges(const graph *g) {
  for (int64_t i = 0; i < g->net->layer_count; i++) {
    if (g->unit_of[i] != i) continue;
    const cvy_net_layer *l = &g->net->layers[i];
    for (int64_t k = 0; k < l->input_count; k++)
      if (l->inputs[k] == IMAGE)
        fprintf(g->out, "  image -> n%" PRId64 ";\n", i);
      else
        fprintf(g->out, "  n%" PRId64 " -> n%" PRId64 ";\n", g->unit_of[l->inputs[k]], i);
  }
}

static void print_graph(FILE *out, const cvy_net_info *net) {
  const size_t bytes = sizeof(int64_t) * (size_t)net->layer_count;
  graph g = {.out = out, .net = net, .unit_of = cvy_new(bytes), .last_of = cvy_new(bytes)};
  find_units(&g);
  print_head(&g);
  print_layers(&g, 0, net->layer_count, 1, 0);
  print_edges(&g);
  fputs("}\n", out);
  free(g.unit_of);
  free(g.last_of);
}

/* ---- files ---- */

static cvy_err wait_for(pid_t child) {
  int status;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return cvy_error(CVY_E_RUN, "Graphviz' dot was lost: %s", strerror(errno));
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return CVY_OK;
  return cvy_error(CVY_E_RUN, "Graphviz' dot failed; what it said stands above");
}

/* Runs dot -Tformat -o place; it reads the graph from `input`, a file without a name. */
static cvy_err run_dot(FILE *input, const char *format, const char *place, const char *path) {
  char type[16];
  snprintf(type, sizeof type, "-T%s", format);
  char *words[] = {"dot", type, "-o", (char *)place, NULL};
  posix_spawn_file_actions_t actions;
  pid_t child;
  rewind(input);
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, fileno(input), STDIN_FILENO);
  const int reason = posix_spawnp(&child, words[0], &actions, NULL, words, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (reason == ENOENT)
    return cvy_error(
        CVY_E_RUN,
        "%s: drawing needs Graphviz' program dot, which is not there (apt-get install graphviz); a .dot "
        "file needs nothing",
        path);
  if (reason) return cvy_error(CVY_E_RUN, "%s: cannot run dot: %s", path, strerror(reason));
  return wait_for(child);
}

static cvy_err draw_into(const cvy_whole *out, const cvy_net_info *net, const char *format) {
  FILE *file = tmpfile();
  if (!file) return cvy_error(CVY_E_RUN, "no temporary file can be made: %s", strerror(errno));
  print_graph(file, net);
  errno = EIO; /* stands for the reason of a write that failed before, unless fflush fails again */
  const bool failed = fflush(file) != 0 || ferror(file);
  cvy_err err = failed ? cvy_error(CVY_E_RUN, "cannot write a temporary file: %s", strerror(errno)) : CVY_OK;
  if (!err) err = run_dot(file, format, out->place, out->path);
  struct stat drawn;
  if (!err && stat(out->place, &drawn) == 0 && S_ISREG(drawn.st_mode) && drawn.st_size == 0)
    err = cvy_error(CVY_E_RUN, "%s: Graphviz' dot wrote nothing, though it reports no error", out->path);
  fclose(file);
  return err;
}

static cvy_err draw(const cvy_net_info *net, const char *format, const char *path) {
  cvy_whole *out;
  CVY_TRY(cvy_whole_begin(&out, path));
  const cvy_err err = draw_into(out, net, format);
  if (!err) return cvy_whole_commit(out);
  cvy_whole_rollback(out);
  return err;
}

static cvy_err write_dot(const cvy_net_info *net, const char *path) {
  cvy_whole *out;
  CVY_TRY(cvy_whole_begin(&out, path));
  print_graph(out->stream, net);
  return cvy_whole_commit(out);
}

/* Returns the ending of `path`, which says how to write the graph; NULL if it is none of the known ones. */
static const char *format_of(const char *path) {
  static const char *const formats[] = {"svg", "pdf", "png", "dot"};
  const char *dot = strrchr(path, '.'), *ending = dot && !strchr(dot, '/') ? dot + 1 : "";
  for (int64_t i = 0; i < CVY_COUNT(formats); i++)
    if (strcasecmp(ending, formats[i]) == 0) return formats[i];
  return NULL;
}

cvy_err cvy_graph_check(const char *path) {
  if (format_of(path)) return CVY_OK;
  return cvy_error(CVY_E_USAGE, "'%s': a graph is written to a file that ends in .svg, .pdf, .png or .dot",
                   path);
}

cvy_err cvy_graph_write(const cvy_net_info *net, const char *path) {
  CVY_TRY(cvy_graph_check(path));
  const char *format = format_of(path);
  return strcmp(format, "dot") == 0 ? write_dot(net, path) : draw(net, format, path);
}
