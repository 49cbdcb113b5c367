/* Collects what the ranks' threads recorded, and writes it as one trace. */
#include "train/trace.h"

#include "base/json.h"
#include "base/trace.h"
#include "comm/comm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct cvy_tracing {
  cvy_comm *comm;
  const char *path;
  FILE *file; /* rank 0 */
  int64_t first, end;
  cvy_clock before, after;
};

/* `verb` stands behind a layer's name, or alone; `number` is what an event's number counts. */
static const struct {
  const char *category, *verb, *number;
} kinds[CVY_TRACE_KINDS] = {
    [CVY_TRACE_STEP] = {"step", "step", "step"},
    [CVY_TRACE_FORWARD] = {"forward", "forward", "step"},
    [CVY_TRACE_BACKWARD] = {"backward", "backward", "step"},
    [CVY_TRACE_TASKS] = {"compute", "tasks", NULL},
    [CVY_TRACE_SUM] = {"gradients", "sum of microbatches", "bucket"},
    [CVY_TRACE_WAIT_FOR_DATA] = {"wait", "wait for data", NULL},
    [CVY_TRACE_WAIT_FOR_GRADIENTS] = {"wait", "wait for gradients", NULL},
    [CVY_TRACE_SWAP] = {"wait", "swap between ranks", NULL},
    [CVY_TRACE_UPDATE] = {"update", "update", NULL},
    [CVY_TRACE_COUNT] = {"count", "loss and hits over all ranks", NULL},
    [CVY_TRACE_EVALUATION] = {"evaluation", "evaluation", "step"},
    [CVY_TRACE_CHECKPOINT] = {"checkpoint", "checkpoint", "step"},
    [CVY_TRACE_CHECK] = {"check", "compare weights", "step"},
    [CVY_TRACE_EXCHANGE] = {"exchange", "exchange", NULL},
    [CVY_TRACE_ADD] = {"exchange", "add", "distance"},
    [CVY_TRACE_BUCKET] = {"bucket", "bucket", "bucket"},
    [CVY_TRACE_IMAGE] = {"data", "image", "position"},
    [CVY_TRACE_READ] = {"data", "read", "record"},
    [CVY_TRACE_AUGMENT] = {"data", "augment", "record"},
    [CVY_TRACE_DECODE] = {"data", "decode", NULL},
};

/* ---- before and during the steps ---- */

static const char first_words[] = "{\"displayTimeUnit\"";

/* Checks that a new trace would replace nothing but an older one. A pipe or a device loses nothing. */
static cvy_err check_place(const char *path) {
  struct stat about;
  char words[sizeof first_words] = "";
  if (stat(path, &about) || !S_ISREG(about.st_mode) || about.st_size == 0) return CVY_OK;
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  const ssize_t got = fd >= 0 ? read(fd, words, sizeof words - 1) : -1;
  const int reason = errno;
  if (fd >= 0) close(fd);
  if (got < 0)
    return cvy_error(
        CVY_E_INPUT,
        "--trace %s: the file that stands there cannot be read (%s), so it may be something else "
        "than a trace, and would be lost",
        path, strerror(reason));
  if (got == sizeof words - 1 && strcmp(words, first_words) == 0) return CVY_OK;
  return cvy_error(CVY_E_INPUT, "--trace %s: a file that is no trace stands there, and would be lost", path);
}

static bool is_one_place(const char *a, const char *b) {
  struct stat of_a, of_b;
  return stat(a, &of_a) == 0 && stat(b, &of_b) == 0 && of_a.st_dev == of_b.st_dev &&
         of_a.st_ino == of_b.st_ino;
}

/* Tells whether `path` is a file of the run, whose checkpoints and metrics may not be there yet. */
static bool is_of_run(const char *path, const char *run_folder) {
  static const char *const own[] = {"recipe.yaml", "metrics.jsonl", "last.h5", "best.h5"};
  char *folder = cvy_format("%s", path);
  char *slash = strrchr(folder, '/');
  const char *name = slash ? path + (slash + 1 - folder) : path;
  if (slash) slash[1] = '\0';
  bool found = false;
  for (int64_t i = 0; i < CVY_COUNT(own); i++) found = found || strcmp(name, own[i]) == 0;
  found = found && is_one_place(slash ? folder : ".", run_folder);
  free(folder);
  return found;
}

static cvy_err open_file(cvy_tracing *t, const char *run_folder) {
  if (cvy_comm_rank(t->comm) != 0) return CVY_OK;
  if (is_of_run(t->path, run_folder))
    return cvy_error(CVY_E_INPUT,
                     "--trace %s: the run writes a file of that name; another one would be right", t->path);
  CVY_TRY(check_place(t->path));
  t->file = fopen(t->path, "w");
  return t->file ? CVY_OK
                 : cvy_error(CVY_E_INPUT, "--trace %s: cannot write there: %s", t->path, strerror(errno));
}

cvy_err cvy_tracing_create(cvy_tracing **out, cvy_comm *comm, const char *run_folder,
                           const cvy_train_options *options) {
  *out = NULL;
  if (!options->trace) return CVY_OK;
  cvy_tracing *t = cvy_new(sizeof *t);
  *t = (cvy_tracing){.comm = comm, .path = options->trace, .first = options->trace_from};
  t->end = options->trace_steps ? t->first + options->trace_steps : INT64_MAX;
  cvy_err err = open_file(t, run_folder);
  if (!err) err = cvy_trace_create(options->trace_bytes);
  err = cvy_comm_agree(comm, err);
  if (err) {
    cvy_tracing_destroy(t);
    return err;
  }
  t->before = cvy_comm_clock(comm);
  cvy_tracing_step(t, 1); /* the loader begins before the first step */
  *out = t;
  return CVY_OK;
}

void cvy_tracing_destroy(cvy_tracing *t) {
  if (!t) return;
  if (t->file) fclose(t->file);
  cvy_trace_destroy();
  free(t);
}

void cvy_tracing_step(cvy_tracing *t, int64_t step) {
  if (t) cvy_trace_switch(step >= t->first && step < t->end);
}

/* ---- events as text ---- */

/* The text that is written of one rank. */
typedef struct page {
  const cvy_tracing *tracing;
  int rank;
  cvy_json json;
} page;

/* Returns microseconds on rank 0's clock. Clocks drift apart evenly between the two comparisons. */
static double time_us(const cvy_tracing *t, int64_t ns) {
  const cvy_clock *a = &t->before, *b = &t->after;
  const double s = 1e-9 * (double)ns, passed_s = b->read_s - a->read_s;
  const double share = passed_s > 0 ? (s - a->read_s) / passed_s : 0;
  return 1e6 * (s + a->later_s + share * (b->later_s - a->later_s));
}

static void begin_event(page *p, const char *name, const char *phase, int64_t thread) {
  fputs(",\n", p->json.out);
  p->json.comma = false;
  cvy_json_open(&p->json, NULL, '{');
  cvy_json_text(&p->json, "name", name);
  cvy_json_text(&p->json, "ph", phase);
  cvy_json_int(&p->json, "pid", p->rank);
  cvy_json_int(&p->json, "tid", thread);
}

/* Returns a name such as "conv1 forward"; the caller frees it. */
static char *name_of(const cvy_trace_event *e) {
  return cvy_format("%s%s%s", e->name ? e->name : "", e->name ? " " : "", kinds[e->kind].verb);
}

static void write_number(page *p, const cvy_trace_event *e) {
  if (!kinds[e->kind].number || e->number < 0) return;
  cvy_json_open(&p->json, "args", '{');
  cvy_json_int(&p->json, kinds[e->kind].number, e->number);
  cvy_json_close(&p->json, '}');
}

static void write_span(page *p, const cvy_trace_event *e, int64_t thread) {
  const double begin_us = time_us(p->tracing, e->begin_ns), end_us = time_us(p->tracing, e->end_ns);
  char *name = name_of(e);
  begin_event(p, name, "X", thread);
  free(name);
  cvy_json_text(&p->json, "cat", kinds[e->kind].category);
  cvy_json_number(&p->json, "ts", begin_us, 16);
  cvy_json_number(&p->json, "dur", end_us - begin_us, 16);
  write_number(p, e);
  cvy_json_close(&p->json, '}');
}

/* Spans that overlap others of their thread have a beginning and an end with a name of their own. */
static void write_half(page *p, const cvy_trace_event *e, int64_t thread, bool is_end) {
  char id[64], *name = name_of(e);
  snprintf(id, sizeof id, "%d.%d.%" PRId64, p->rank, e->number, e->begin_ns);
  begin_event(p, name, is_end ? "e" : "b", thread);
  free(name);
  cvy_json_text(&p->json, "cat", kinds[e->kind].category);
  cvy_json_text(&p->json, "id", id);
  cvy_json_number(&p->json, "ts", time_us(p->tracing, is_end ? e->end_ns : e->begin_ns), 16);
  write_number(p, e);
  cvy_json_close(&p->json, '}');
}

static void write_event(page *p, const cvy_trace_event *e, int64_t thread) {
  if (e->kind != CVY_TRACE_BUCKET) {
    write_span(p, e, thread);
    return;
  }
  write_half(p, e, thread, false);
  write_half(p, e, thread, true);
}

static void write_label(page *p, const char *name, int64_t thread, const char *text) {
  begin_event(p, name, "M", thread);
  cvy_json_open(&p->json, "args", '{');
  cvy_json_text(&p->json, "name", text);
  cvy_json_close(&p->json, '}');
  cvy_json_close(&p->json, '}');
}

static void write_order(page *p, const char *name, int64_t thread, int64_t place) {
  begin_event(p, name, "M", thread);
  cvy_json_open(&p->json, "args", '{');
  cvy_json_int(&p->json, "sort_index", place);
  cvy_json_close(&p->json, '}');
  cvy_json_close(&p->json, '}');
}

/* Writes how well the times are known, and what is missing. */
static void write_remarks(page *p) {
  const cvy_tracing *t = p->tracing;
  begin_event(p, "rank", "M", 0);
  cvy_json_open(&p->json, "args", '{');
  cvy_json_number(&p->json, "clock_later_us", 1e6 * t->before.later_s, 9);
  cvy_json_number(&p->json, "clock_uncertain_us", 1e6 * t->before.uncertain_s, 4);
  cvy_json_number(&p->json, "clock_drift_us", 1e6 * (t->after.later_s - t->before.later_s), 4);
  cvy_json_int(&p->json, "dropped_events", cvy_trace_dropped());
  cvy_json_close(&p->json, '}');
  cvy_json_close(&p->json, '}');
}

/* Returns a track's place: the computing thread stands first, then its helpers, the communication thread, the
 * loaders. */
static int64_t place_of(cvy_trace_track track) {
  static const char *const roles[] = {"compute", "helper", "communication", "loader"};
  int64_t i = 0;
  while (i < CVY_COUNT(roles) && strcmp(track.role, roles[i]) != 0) i++;
  return 1000 * i + track.number + 1;
}

static void write_names(page *p) {
  char host[200] = "", text[256];
  gethostname(host, sizeof host - 1);
  snprintf(text, sizeof text, "rank %d on %s", p->rank, host);
  write_label(p, "process_name", 0, text);
  write_order(p, "process_sort_index", 0, p->rank);
  for (int64_t i = 0; i < cvy_trace_track_count(); i++) {
    const cvy_trace_track track = cvy_trace_track_at(i);
    if (track.number < 0)
      snprintf(text, sizeof text, "%s", track.role);
    else
      snprintf(text, sizeof text, "%s %d", track.role, track.number);
    write_label(p, "thread_name", i, text);
    write_order(p, "thread_sort_index", i, place_of(track));
  }
  write_remarks(p);
}

/* ---- from all ranks to one file ---- */

/* Part 0 is the names, the others are the blocks. */
static void write_part(page *p, int64_t part) {
  int64_t count, track;
  if (part == 0) {
    write_names(p);
    return;
  }
  const cvy_trace_event *events = cvy_trace_block_at(part - 1, &count, &track);
  for (int64_t i = 0; i < count; i++) write_event(p, &events[i], track);
}

static void send_parts(const cvy_tracing *t) {
  for (int64_t part = 0; part <= cvy_trace_block_count(); part++) {
    cvy_text_stream stream;
    size_t bytes;
    cvy_text_stream_begin(&stream);
    page p = {t, cvy_comm_rank(t->comm), {.out = stream.out}};
    write_part(&p, part);
    char *text = cvy_text_stream_end(&stream, &bytes);
    cvy_comm_send(t->comm, 0, &bytes, sizeof bytes);
    cvy_comm_send(t->comm, 0, text, bytes);
    free(text);
  }
  cvy_comm_send(t->comm, 0, &(size_t){0}, sizeof(size_t));
}

static void receive_parts(const cvy_tracing *t, int rank) {
  for (;;) {
    size_t bytes;
    cvy_comm_receive(t->comm, rank, &bytes, sizeof bytes);
    if (bytes == 0) return;
    char *text = cvy_new(bytes);
    cvy_comm_receive(t->comm, rank, text, bytes);
    fwrite(text, 1, bytes, t->file);
    free(text);
  }
}

static void write_own_parts(const cvy_tracing *t) {
  page p = {t, 0, {.out = t->file}};
  for (int64_t part = 0; part <= cvy_trace_block_count(); part++) write_part(&p, part);
}

static void write_head(FILE *file, int64_t dropped) {
  cvy_json json = {.out = file};
  cvy_json_open(&json, NULL, '{');
  cvy_json_text(&json, "displayTimeUnit", "ms");
  cvy_json_open(&json, "otherData", '{');
  cvy_json_text(&json, "made_by", "convoy " CVY_VERSION);
  cvy_json_int(&json, "dropped_events", dropped);
  cvy_json_close(&json, '}');
  cvy_json_open(&json, "traceEvents", '[');
  fputs("\n{\"name\": \"made_by\", \"ph\": \"M\", \"pid\": 0, \"tid\": 0, \"args\": {\"name\": \"convoy\"}}",
        file);
}

static cvy_err close_file(cvy_tracing *t) {
  if (!t->file) return CVY_OK;
  fputs("\n]}\n", t->file);
  const bool failed = ferror(t->file) != 0;
  errno = EIO; /* for a write that failed before, whose reason is gone unless it fails again */
  const bool closed = fclose(t->file) == 0;
  t->file = NULL;
  return failed || !closed ? cvy_error(CVY_E_SYSTEM, "%s: cannot write: %s", t->path, strerror(errno))
                           : CVY_OK;
}

cvy_err cvy_tracing_write(cvy_tracing *t) {
  if (!t) return CVY_OK;
  cvy_trace_switch(false);
  t->after = cvy_comm_clock(t->comm);
  int64_t dropped = cvy_trace_dropped();
  cvy_comm_sum(t->comm, &dropped, 1);
  if (t->file) {
    write_head(t->file, dropped);
    write_own_parts(t);
    for (int rank = 1; rank < cvy_comm_size(t->comm); rank++) receive_parts(t, rank);
  } else {
    send_parts(t);
  }
  if (dropped > 0)
    cvy_warn("%s: %" PRId64 " events found no room; --trace-memory or fewer --trace-steps help", t->path,
             dropped);
  return cvy_comm_agree(t->comm, close_file(t));
}
