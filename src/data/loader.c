/* Threads fill a ring of microbatches ahead of the training step.
 *
 *     released <= taken <= filled <= released + depth
 *
 * The slots released ... taken-1 are in use by the caller, taken ... filled-1 wait for it. The threads
 * hand themselves the images of the stream one by one, in order, as far as there are free slots; a slot is
 * filled when all of its images are made and all slots before it are filled. Where the chain mixes
 * pictures they hand themselves two at a time. What an image becomes does not depend on who makes it. All
 * memory is allocated at creation, but for what grows with the first pictures that are decoded and drawn. */
#include "data/loader.h"

#include "augment/augmentation.h"
#include "augment/chain.h"
#include "base/thread.h"
#include "base/trace.h"
#include "base/wait.h"
#include "data/ahead.h"
#include "data/dataset.h"
#include "data/sampler.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const cvy_shuffle_words[] = {
    [CVY_SHUFFLE_FULL] = "full", [CVY_SHUFFLE_BLOCK] = "block", [CVY_SHUFFLE_NONE] = "none", NULL};

/* What a thread needs for itself. */
typedef struct worker {
  cvy_loader *loader;
  cvy_read_buffer buffer;
  cvy_canvas canvas;
  double read_s;
  double chain_s;        /* time in the chain, with all that is drawn in between */
  double drawn_s;        /* the part of chain_s that was decoding, warping and copying */
  cvy_input_times times; /* under the loader's lock */
  pthread_t thread;
} worker;

struct cvy_loader {
  cvy_loader_config config;
  int64_t total; /* microbatches from first_step to end_step */
  cvy_normaliser normaliser;
  cvy_ahead *ahead;

  void *slots;
  size_t slot_bytes, labels_at, records_at; /* a slot holds images, labels, records, then the two below */
  size_t partners_at, shares_at;            /* where pictures are mixed, else 0 */
  int64_t at_once; /* images that a thread makes at a time: 2 where pictures are mixed */
  int64_t views;   /* views of each microbatch, one after the other */

  worker *workers;
  int64_t started; /* threads */
  pthread_mutex_t lock;
  pthread_cond_t may_fill, may_take;
  /* These are changed under the lock: */
  int64_t filled, taken, released;
  int64_t handed_out; /* images of the stream that somebody makes or has made */
  int64_t busy;       /* threads that make one */
  int64_t *made;      /* [depth]: images of a slot */
  int64_t *skipped;   /* [depth]: records of a slot that could not be read, and were replaced */
  bool stop;
  cvy_saved_error failed; /* the error of the earliest image that could not be made */
  int64_t failed_image;

  double waited_s; /* only the caller uses it */
};

static float *slot_images(const cvy_loader *l, int64_t n) {
  return (float *)((char *)l->slots + (size_t)(n % l->config.depth) * l->slot_bytes);
}

static int32_t *slot_labels(const cvy_loader *l, int64_t n) {
  return (int32_t *)((char *)slot_images(l, n) + l->labels_at);
}

static int64_t *slot_records(const cvy_loader *l, int64_t n) {
  return (int64_t *)((char *)slot_images(l, n) + l->records_at);
}

static cvy_microbatch microbatch_of(const cvy_loader *l, int64_t n) {
  char *slot = (char *)slot_images(l, n);
  return (cvy_microbatch){.images = slot_images(l, n),
                          .labels = slot_labels(l, n),
                          .records = slot_records(l, n),
                          .partners = l->at_once > 1 ? (int32_t *)(slot + l->partners_at) : NULL,
                          .shares = l->at_once > 1 ? (float *)(slot + l->shares_at) : NULL};
}

/* ---- the thread ---- */

static cvy_err check_size(const cvy_loader *l, const cvy_picture *picture, int64_t index) {
  const cvy_loader_config *config = &l->config;
  if (picture->h == config->h && picture->w == config->w && picture->c == config->c) return CVY_OK;
  return cvy_dataset_error_in(cvy_error(CVY_E_INPUT,
                                        "an image that ends as %" PRId64 "x%" PRId64 "x%" PRId64
                                        "; the network takes %" PRId64 "x%" PRId64 "x%" PRId64,
                                        picture->h, picture->w, picture->c, config->h, config->w, config->c),
                              config->dataset, index);
}

static double drawn_s(const cvy_canvas *canvas) {
  return canvas->decode_s + canvas->warp_s + canvas->copy_s;
}

static cvy_err make_sample(float *image, int32_t *label, worker *w, cvy_sample sample, int64_t view) {
  const cvy_loader *l = w->loader;
  const cvy_loader_config *config = &l->config;
  cvy_picture picture;
  cvy_augment_call call = {
      .training = config->training,
      .random = {.seed = config->seed, .step = (uint32_t)sample.epoch, .sample = (uint32_t)sample.index},
      .mean = config->mean,
      .source = cvy_dataset_source(config->dataset),
      .view = view,
      .canvas = &w->canvas};
  const double start_s = cvy_now_s();
  const int64_t begin_ns = cvy_trace_begin();
  CVY_TRY(cvy_dataset_read(&picture, label, config->dataset, &w->buffer, sample.index, config->c));
  cvy_trace_end(begin_ns, CVY_TRACE_READ, NULL, sample.index);
  const double read_s = cvy_now_s(), before_s = drawn_s(&w->canvas);
  const int64_t read_ns = cvy_trace_begin();
  cvy_err err = cvy_augment_apply(&picture, config->augment, &call);
  w->read_s += read_s - start_s;
  w->chain_s += cvy_now_s() - read_s;
  w->drawn_s += drawn_s(&w->canvas) - before_s;
  if (err) return cvy_dataset_error_in(err, config->dataset, sample.index);
  CVY_TRY(check_size(l, &picture, sample.index));
  err = cvy_picture_normalise(image, &picture, &w->canvas, &l->normaliser);
  cvy_trace_end(read_ns, CVY_TRACE_AUGMENT, NULL, sample.index);
  return err ? cvy_dataset_error_in(err, config->dataset, sample.index) : CVY_OK;
}

cvy_err cvy_loader_replace(cvy_err err, bool skips_bad, int64_t before, int64_t count) {
  enum { MOST_SKIPPED = 100 }; /* if more follow each other, it is not the records that are bad */
  if (err != CVY_E_INPUT || !skips_bad) return err;
  if (before == MOST_SKIPPED || before + 1 == count)
    return cvy_error(err, "%s (and so it is with the %" PRId64 " records before: too many to leave out)",
                     cvy_err_message(), before);
  cvy_warn_everywhere("%s; the next record takes its place", cvy_err_message());
  return CVY_OK;
}

/* A record that cannot be read is an error, or else the next record takes its place, whichever thread
 * asks. */
static cvy_err make_image(float *image, int32_t *label, int64_t *record, int64_t *skipped, worker *w,
                          cvy_sample sample, int64_t view) {
  const cvy_loader_config *config = &w->loader->config;
  const int64_t count = cvy_dataset_describe(config->dataset)->count;
  for (*skipped = 0;; ++*skipped) {
    const cvy_err err = make_sample(image, label, w, sample, view);
    *record = sample.index;
    if (!err) return CVY_OK;
    CVY_TRY(cvy_loader_replace(err, config->skips_bad, *skipped, count));
    sample.index = (sample.index + 1) % count;
  }
}

static cvy_sample sample_at(const cvy_loader_config *config, int64_t position) {
  const int64_t count = cvy_dataset_describe(config->dataset)->count;
  if (config->training && config->shuffle == CVY_SHUFFLE_BLOCK)
    return cvy_sample_in_blocks(config->seed, count, &config->blocks, position);
  return cvy_sample_at(config->seed, count, config->training && config->shuffle == CVY_SHUFFLE_FULL,
                       position);
}

/* Returns where image `n` of this loader's stream stands in the stream of all loaders. */
static int64_t position_of(const cvy_loader *l, int64_t n) {
  const cvy_loader_config *config = &l->config;
  const int64_t own = n / config->microbatch / l->views;
  const int64_t step = config->first_step + own / config->own, place = config->first + own % config->own;
  return (step * config->per_step + place) * config->microbatch + n % config->microbatch;
}

/* Makes image `n` of this loader's stream. */
static cvy_err fill(worker *w, int64_t n, int64_t *skipped) {
  const cvy_loader *l = w->loader;
  const cvy_loader_config *config = &l->config;
  const int64_t slot = n / config->microbatch, i = n % config->microbatch;
  const int64_t view = slot % l->views, position = position_of(l, n);
  const int64_t count = cvy_dataset_describe(config->dataset)->count;
  const size_t image_floats = (size_t)(config->h * config->w * config->c);
  float *image = slot_images(l, slot) + (size_t)i * image_floats;
  int32_t *label = slot_labels(l, slot) + i;
  int64_t *record = slot_records(l, slot) + i;
  *skipped = 0;
  if (!config->training && position >= count) {
    memset(image, 0, image_floats * sizeof *image);
    *label = -1;
    *record = -1;
    return CVY_OK;
  }
  const int64_t begin_ns = cvy_trace_begin();
  cvy_ahead_look(l->ahead, position);
  const cvy_err err = make_image(image, label, record, skipped, w, sample_at(config, position), view);
  cvy_trace_end(begin_ns, CVY_TRACE_IMAGE, NULL, position);
  if (view > 0) *skipped = 0; /* the first view has counted it */
  return err;
}

/* Images `n` and n+1 become each other's partners; their random numbers are keyed by the first's place in
 * the stream. */
static void mix(worker *w, int64_t n) {
  const cvy_loader *l = w->loader;
  const cvy_loader_config *config = &l->config;
  const int64_t i = n % config->microbatch, floats = config->h * config->w * config->c;
  const int64_t position = position_of(l, n), count = cvy_dataset_describe(config->dataset)->count;
  const double start_s = cvy_now_s();
  char *slot = (char *)slot_images(l, n / config->microbatch);
  float *shares = (float *)(slot + l->shares_at) + i;
  int32_t *labels = (int32_t *)(slot + l->labels_at) + i, *partners = (int32_t *)(slot + l->partners_at) + i;
  cvy_pair pair = {
      .a = (float *)slot + i * floats, .h = config->h, .w = config->w, .c = config->c, .share = 1};
  cvy_augment_call call = {.training = true,
                           .random = {.seed = config->seed,
                                      .step = (uint32_t)(position / count),
                                      .sample = (uint32_t)(position % count)}};
  pair.b = pair.a + floats;
  cvy_augment_mix(&pair, config->augment, &call);
  partners[0] = labels[1], partners[1] = labels[0];
  shares[0] = shares[1] = pair.share;
  w->chain_s += cvy_now_s() - start_s;
}

/* Makes what a thread makes at a time, from image `n` on. */
static cvy_err fill_some(worker *w, int64_t n, int64_t *skipped) {
  *skipped = 0;
  for (int64_t i = 0; i < w->loader->at_once; i++) {
    int64_t more;
    CVY_TRY(fill(w, n + i, &more));
    *skipped += more;
  }
  if (w->loader->at_once > 1) mix(w, n);
  return CVY_OK;
}

static bool has_room(const cvy_loader *l) {
  const int64_t slot = l->handed_out / l->config.microbatch;
  return slot < l->total && slot < l->released + l->config.depth;
}

/* Waits, under the lock, for the next images to make. Returns the first one's number, or -1 when it is time
 * to end. */
static int64_t next_image(cvy_loader *l) {
  while (!l->stop && !l->failed.code && l->handed_out < l->total * l->config.microbatch && !has_room(l))
    pthread_cond_wait(&l->may_fill, &l->lock);
  if (l->stop || l->failed.code || !has_room(l)) return -1;
  l->handed_out += l->at_once;
  return l->handed_out - l->at_once;
}

/* Notes, under the lock, that the images from `n` on are made, or cannot be. */
static void account(cvy_loader *l, int64_t n, cvy_err err, int64_t skipped) {
  const int64_t microbatch = l->config.microbatch, depth = l->config.depth;
  l->skipped[n / microbatch % depth] += skipped;
  if (err && (!l->failed.code || n < l->failed_image)) {
    cvy_error_save(&l->failed, err);
    l->failed_image = n;
  }
  if (!err) l->made[n / microbatch % depth] += l->at_once;
  while (l->filled < l->total && l->made[l->filled % depth] == microbatch) l->made[l->filled++ % depth] = 0;
}

static void *run(void *context) {
  worker *w = context;
  cvy_loader *l = w->loader;
  cvy_trace_thread(l->config.training ? "loader" : "evaluation loader", (int)(w - l->workers) + 1);
  pthread_mutex_lock(&l->lock);
  for (int64_t n; (n = next_image(l)) >= 0;) {
    int64_t skipped;
    l->busy++;
    pthread_mutex_unlock(&l->lock);
    const cvy_err err = fill_some(w, n, &skipped);
    pthread_mutex_lock(&l->lock);
    l->busy--;
    w->times = (cvy_input_times){w->read_s, w->canvas.decode_s, w->canvas.warp_s, w->chain_s - w->drawn_s,
                                 w->canvas.copy_s};
    const int64_t filled = l->filled;
    account(l, n, err, skipped);
    if (l->filled > filled || l->failed.code) pthread_cond_signal(&l->may_take);
  }
  pthread_cond_broadcast(&l->may_fill);
  pthread_mutex_unlock(&l->lock);
  cvy_trace_thread_ends();
  return NULL;
}

/* ---- creation ---- */

static cvy_err check_channels(const cvy_loader_config *config, const cvy_dataset_info *info) {
  const bool raw = cvy_dataset_encoding(config->dataset) == CVY_RAW;
  if (raw && info->c != config->c)
    return cvy_error(CVY_E_INPUT, "%s: images of %" PRId64 " channels; the network takes %" PRId64,
                     cvy_dataset_source(config->dataset)->name, info->c, config->c);
  if (!raw && config->c != 1 && config->c != 3)
    return cvy_error(CVY_E_INPUT,
                     "%s: JPEG and PNG images can be decoded to 1 or 3 channels; the network takes %" PRId64,
                     cvy_dataset_source(config->dataset)->name, config->c);
  return CVY_OK;
}

static cvy_err check_config(const cvy_loader_config *config) {
  const cvy_dataset_info *info = cvy_dataset_describe(config->dataset);
  CVY_CHECK(config->h > 0 && config->w > 0 && config->c > 0 && config->c <= CVY_MAX_CHANNELS);
  CVY_CHECK(config->microbatch > 0 && config->depth >= 2 && config->threads >= 1 && config->first >= 0 &&
            config->own > 0);
  CVY_CHECK(config->first + config->own <= config->per_step);
  CVY_CHECK(config->first_step >= 0 && config->first_step <= config->end_step);
  CVY_CHECK(config->shuffle != CVY_SHUFFLE_BLOCK || (config->blocks.block > 0 && config->blocks.window > 0));
  CVY_TRY(check_channels(config, info));
  for (int64_t k = 0; k < config->c; k++)
    if (!isfinite(config->mean[k]) || !isfinite(config->deviation[k]) || !(config->deviation[k] > 0))
      return cvy_error(CVY_E_INPUT,
                       "channel %" PRId64 ": mean %g, deviation %g; expected a deviation above 0", k,
                       (double)config->mean[k], (double)config->deviation[k]);
  int64_t h, w;
  cvy_dataset_common_size(&h, &w, config->dataset);
  if (config->augment) CVY_TRY(cvy_augment_size(&h, &w, config->augment, h, w));
  if (config->training)
    CVY_TRY(
        cvy_augment_check_training(config->augment, config->microbatch, cvy_dataset_source(config->dataset)));
  if (h && (h != config->h || w != config->w))
    return cvy_error(CVY_E_INPUT,
                     "%s: images that end as %" PRId64 "x%" PRId64 "; the network takes %" PRId64 "x%" PRId64
                     " (height x width)",
                     cvy_dataset_source(config->dataset)->name, h, w, config->h, config->w);
  return CVY_OK;
}

static cvy_err allocate(cvy_loader *l) {
  const cvy_loader_config *config = &l->config;
  const size_t images = (size_t)(config->microbatch * config->h * config->w * config->c) * sizeof(float);
  l->labels_at = cvy_aligned(images);
  l->records_at = l->labels_at + cvy_aligned((size_t)config->microbatch * sizeof(int32_t));
  l->slot_bytes = l->records_at + cvy_aligned((size_t)config->microbatch * sizeof(int64_t));
  if (l->at_once > 1) {
    l->partners_at = l->slot_bytes;
    l->shares_at = l->partners_at + cvy_aligned((size_t)config->microbatch * sizeof(int32_t));
    l->slot_bytes = l->shares_at + cvy_aligned((size_t)config->microbatch * sizeof(float));
  }
  CVY_TRY(cvy_buffer_create(&l->slots, l->slot_bytes * (size_t)config->depth, "the prefetched microbatches"));
  l->made = cvy_new(sizeof *l->made * (size_t)config->depth);
  l->skipped = cvy_new(sizeof *l->skipped * (size_t)config->depth);
  l->ahead = cvy_ahead_create(config);
  l->workers = cvy_new(sizeof *l->workers * (size_t)config->threads);
  for (int64_t i = 0; i < config->threads; i++) {
    l->workers[i].loader = l;
    CVY_TRY(cvy_read_buffer_create(&l->workers[i].buffer, config->dataset));
  }
  return CVY_OK;
}

static cvy_err start_threads(cvy_loader *l) {
  for (; l->started < l->config.threads; l->started++) {
    worker *w = &l->workers[l->started];
    CVY_TRY(cvy_thread_start(&w->thread, run, w, "a loader thread"));
  }
  return CVY_OK;
}

cvy_err cvy_loader_create(cvy_loader **out, const cvy_loader_config *config) {
  *out = NULL;
  CVY_TRY(check_config(config));
  cvy_loader *l = cvy_new(sizeof *l);
  l->config = *config;
  l->at_once = config->training && cvy_augment_mixes(config->augment) ? 2 : 1;
  l->views = config->training ? 1 : cvy_augment_views(config->augment);
  l->total = (config->end_step - config->first_step) * config->own * l->views;
  cvy_normaliser_set(&l->normaliser, config->mean, config->deviation, config->c);
  pthread_mutex_init(&l->lock, NULL);
  pthread_cond_init(&l->may_fill, NULL);
  pthread_cond_init(&l->may_take, NULL);
  cvy_err err = allocate(l);
  if (!err) err = start_threads(l);
  if (err)
    cvy_loader_destroy(l);
  else
    *out = l;
  return err;
}

void cvy_loader_destroy(cvy_loader *l) {
  if (!l) return;
  pthread_mutex_lock(&l->lock);
  l->stop = true;
  pthread_cond_broadcast(&l->may_fill);
  pthread_mutex_unlock(&l->lock);
  for (int64_t i = 0; i < l->started; i++) pthread_join(l->workers[i].thread, NULL);
  pthread_cond_destroy(&l->may_take);
  pthread_cond_destroy(&l->may_fill);
  pthread_mutex_destroy(&l->lock);
  for (int64_t i = 0; l->workers && i < l->config.threads; i++) {
    cvy_read_buffer_free(&l->workers[i].buffer);
    cvy_canvas_free(&l->workers[i].canvas);
  }
  free(l->workers);
  cvy_ahead_destroy(l->ahead);
  free(l->skipped);
  free(l->made);
  cvy_buffer_destroy(l->slots);
  free(l);
}

/* ---- the caller's side ---- */

/* Tells, under the lock, whether an image cannot be made, and none before it will turn out so any more. */
static bool is_over(const cvy_loader *l) {
  return l->failed.code && l->busy == 0;
}

cvy_err cvy_loader_next(cvy_microbatch *out, cvy_loader *l) {
  *out = (cvy_microbatch){0};
  CVY_CHECK(l->taken < l->total, "the loader's last step is over");
  pthread_mutex_lock(&l->lock);
  CVY_CHECK(l->taken - l->released < l->config.depth, "all microbatches are in use");
  if (l->filled == l->taken && !is_over(l)) {
    const double start_s = cvy_now_s();
    cvy_wait_begins("its data");
    while (l->filled == l->taken && !is_over(l)) pthread_cond_wait(&l->may_take, &l->lock);
    cvy_wait_ends();
    l->waited_s += cvy_now_s() - start_s;
  }
  const bool ready = l->filled > l->taken;
  if (ready) {
    int64_t *skipped = &l->skipped[l->taken % l->config.depth];
    *out = microbatch_of(l, l->taken++);
    out->skipped = *skipped;
    *skipped = 0;
  }
  pthread_mutex_unlock(&l->lock);
  return ready ? CVY_OK : cvy_error_restore(&l->failed);
}

void cvy_loader_release(cvy_loader *l) {
  pthread_mutex_lock(&l->lock);
  CVY_CHECK(l->released < l->taken);
  l->released++;
  pthread_cond_broadcast(&l->may_fill);
  pthread_mutex_unlock(&l->lock);
}

/* Threads may be at work meanwhile, so the numbers are as of about now. */
cvy_input_times cvy_loader_times(cvy_loader *l) {
  cvy_input_times sum = {0};
  pthread_mutex_lock(&l->lock);
  for (int64_t i = 0; i < l->config.threads; i++) {
    const cvy_input_times *w = &l->workers[i].times;
    sum.read_s += w->read_s, sum.decode_s += w->decode_s;
    sum.warp_s += w->warp_s, sum.colour_s += w->colour_s, sum.copy_s += w->copy_s;
  }
  pthread_mutex_unlock(&l->lock);
  return sum;
}

double cvy_loader_waited_s(const cvy_loader *l) {
  return l->waited_s;
}
