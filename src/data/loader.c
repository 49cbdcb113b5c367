/* Threads fill a ring of microbatches ahead of the training step.
 *
 *     released <= taken <= filled <= released + depth
 *
 * The slots released ... taken-1 are in use by the caller, taken ... filled-1 wait for it. The threads hand themselves the
 * images of the stream one by one, in order, as far as there are free slots; a slot is filled when all of its images are made
 * and all slots before it are filled. What an image becomes does not depend on who makes it. All memory is allocated at
 * creation, but for what grows with the first pictures that are decoded and drawn. */
#include "data/augment.h"
#include "data/dataset.h"
#include "data/sampler.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* What a thread needs for itself. */
typedef struct worker {
  cvy_loader *loader;
  cvy_read_buffer buffer;
  cvy_canvas canvas;
  double read_s, chain_s; /* reading; the chain, with all that is drawn in between */
  double drawn_s;         /* of which decoding, warping and copying */
  cvy_input_times times;  /* under the loader's lock */
  pthread_t thread;
} worker;

struct cvy_loader {
  cvy_loader_config config;
  int64_t total; /* microbatches from first_step to end_step */
  cvy_normaliser normaliser;

  void *slots;
  size_t slot_bytes, labels_at; /* a slot: images, then labels */

  worker *workers;
  int64_t started; /* threads */
  pthread_mutex_t lock;
  pthread_cond_t may_fill, may_take;
  /* Under the lock: */
  int64_t filled, taken, released;
  int64_t handed_out; /* images of the stream that somebody makes or has made */
  int64_t busy;       /* threads that make one */
  int64_t *made;      /* [depth]: images of a slot */
  bool stop;
  int64_t skipped; /* records that could not be read, and were replaced */
  cvy_err err;     /* of the earliest image that could not be made, and its message */
  int64_t err_image;
  char message[4096];

  double waited_s; /* only the caller uses it */
};

static float *slot_images(const cvy_loader *l, int64_t n) {
  return (float *)((char *)l->slots + (size_t)(n % l->config.depth) * l->slot_bytes);
}

static int32_t *slot_labels(const cvy_loader *l, int64_t n) {
  return (int32_t *)((char *)slot_images(l, n) + l->labels_at);
}

/* ---- the thread ---- */

static cvy_err check_size(const cvy_loader *l, const cvy_picture *picture, int64_t index) {
  const cvy_loader_config *config = &l->config;
  if (picture->h == config->h && picture->w == config->w && picture->c == config->c) return CVY_OK;
  return cvy_dataset_error_in(
      cvy_error(CVY_E_INPUT, "an image that ends as %lldx%lldx%lld; the network takes %lldx%lldx%lld",
                (long long)picture->h, (long long)picture->w, (long long)picture->c, (long long)config->h,
                (long long)config->w, (long long)config->c),
      config->dataset, index);
}

static double drawn_s(const cvy_canvas *canvas) {
  return canvas->decode_s + canvas->warp_s + canvas->copy_s;
}

static cvy_err make_sample(float *image, int32_t *label, worker *w, cvy_sample sample) {
  const cvy_loader *l = w->loader;
  const cvy_loader_config *config = &l->config;
  cvy_picture picture;
  cvy_augment_call call = {
      .training = config->training,
      .random = {.seed = config->seed, .step = (uint32_t)sample.epoch, .sample = (uint32_t)sample.index},
      .mean = config->mean,
      .canvas = &w->canvas};
  const double start_s = cvy_now_s();
  CVY_TRY(cvy_dataset_read(&picture, label, config->dataset, &w->buffer, sample.index, config->c));
  const double read_s = cvy_now_s(), before_s = drawn_s(&w->canvas);
  cvy_err err = cvy_augment_apply(&picture, config->augment, &call);
  w->read_s += read_s - start_s;
  w->chain_s += cvy_now_s() - read_s;
  w->drawn_s += drawn_s(&w->canvas) - before_s;
  if (err) return cvy_dataset_error_in(err, config->dataset, sample.index);
  CVY_TRY(check_size(l, &picture, sample.index));
  err = cvy_picture_normalise(image, &picture, &w->canvas, &l->normaliser);
  return err ? cvy_dataset_error_in(err, config->dataset, sample.index) : CVY_OK;
}

/* How many bad records may follow each other before it is not the records that are bad. */
enum { MOST_SKIPPED = 100 };

/* A record that cannot be read is an error, or else the next one takes its place: the same one whoever asks. */
static cvy_err make_image(float *image, int32_t *label, int64_t *skipped, worker *w, cvy_sample sample) {
  const cvy_loader_config *config = &w->loader->config;
  const int64_t count = cvy_dataset_describe(config->dataset)->count;
  for (*skipped = 0;; ++*skipped) {
    const cvy_err err = make_sample(image, label, w, sample);
    if (err != CVY_E_INPUT || !config->skips_bad || *skipped == MOST_SKIPPED || *skipped + 1 == count)
      return err;
    cvy_warn("%s; the next record takes its place", cvy_err_message());
    sample.index = (sample.index + 1) % count;
  }
}

/* Image `n` of this loader's stream. */
static cvy_err fill(worker *w, int64_t n, int64_t *skipped) {
  const cvy_loader *l = w->loader;
  const cvy_loader_config *config = &l->config;
  const int64_t slot = n / config->microbatch, i = n % config->microbatch;
  const int64_t step = config->first_step + slot / config->own, place = config->first + slot % config->own;
  const int64_t position = (step * config->per_step + place) * config->microbatch + i;
  const int64_t count = cvy_dataset_describe(config->dataset)->count;
  const size_t image_floats = (size_t)(config->h * config->w * config->c);
  float *image = slot_images(l, slot) + (size_t)i * image_floats;
  int32_t *label = slot_labels(l, slot) + i;
  *skipped = 0;
  if (!config->training && position >= count) {
    memset(image, 0, image_floats * sizeof *image);
    *label = -1;
    return CVY_OK;
  }
  return make_image(image, label, skipped, w, cvy_sample_at(config->seed, count, config->training, position));
}

static bool has_room(const cvy_loader *l) {
  const int64_t slot = l->handed_out / l->config.microbatch;
  return slot < l->total && slot < l->released + l->config.depth;
}

/* Under the lock: waits for the next image to make, its number or -1: it is time to end. */
static int64_t next_image(cvy_loader *l) {
  while (!l->stop && !l->err && l->handed_out < l->total * l->config.microbatch && !has_room(l))
    pthread_cond_wait(&l->may_fill, &l->lock);
  return !l->stop && !l->err && has_room(l) ? l->handed_out++ : -1;
}

/* Under the lock: image `n` is made, or cannot be. */
static void account(cvy_loader *l, int64_t n, cvy_err err, int64_t skipped) {
  const int64_t microbatch = l->config.microbatch, depth = l->config.depth;
  l->skipped += skipped;
  if (err && (!l->err || n < l->err_image)) {
    l->err = err;
    l->err_image = n;
    snprintf(l->message, sizeof l->message, "%s", cvy_err_message());
  }
  if (!err) l->made[n / microbatch % depth]++;
  while (l->filled < l->total && l->made[l->filled % depth] == microbatch) l->made[l->filled++ % depth] = 0;
}

static void *run(void *context) {
  worker *w = context;
  cvy_loader *l = w->loader;
  pthread_mutex_lock(&l->lock);
  for (int64_t n; (n = next_image(l)) >= 0;) {
    int64_t skipped;
    l->busy++;
    pthread_mutex_unlock(&l->lock);
    const cvy_err err = fill(w, n, &skipped);
    pthread_mutex_lock(&l->lock);
    l->busy--;
    w->times = (cvy_input_times){w->read_s, w->canvas.decode_s, w->canvas.warp_s, w->chain_s - w->drawn_s,
                                 w->canvas.copy_s};
    account(l, n, err, skipped);
    pthread_cond_signal(&l->may_take);
  }
  pthread_cond_broadcast(&l->may_fill);
  pthread_mutex_unlock(&l->lock);
  return NULL;
}

/* ---- creation ---- */

static cvy_err check_channels(const cvy_loader_config *config, const cvy_dataset_info *info) {
  const bool raw = config->dataset->encoding == CVY_RAW;
  if (raw && info->c != config->c)
    return cvy_error(CVY_E_INPUT, "%s: images of %lld channels; the network takes %lld",
                     config->dataset->files[0].path, (long long)info->c, (long long)config->c);
  if (!raw && config->c != 1 && config->c != 3)
    return cvy_error(CVY_E_INPUT,
                     "%s: JPEG and PNG images can be decoded to 1 or 3 channels; the network takes %lld",
                     config->dataset->files[0].path, (long long)config->c);
  return CVY_OK;
}

static cvy_err check_config(const cvy_loader_config *config) {
  const cvy_dataset_info *info = cvy_dataset_describe(config->dataset);
  CVY_CHECK(config->h > 0 && config->w > 0 && config->c > 0 && config->c <= CVY_MAX_CHANNELS);
  CVY_CHECK(config->microbatch > 0 && config->depth >= 2 && config->threads >= 1 && config->first >= 0 &&
            config->own > 0);
  CVY_CHECK(config->first + config->own <= config->per_step);
  CVY_CHECK(config->first_step >= 0 && config->first_step <= config->end_step);
  CVY_TRY(check_channels(config, info));
  for (int64_t k = 0; k < config->c; k++)
    if (!isfinite(config->mean[k]) || !isfinite(config->deviation[k]) || !(config->deviation[k] > 0))
      return cvy_error(CVY_E_INPUT, "channel %lld: mean %g, deviation %g; expected a deviation above 0",
                       (long long)k, (double)config->mean[k], (double)config->deviation[k]);
  int64_t h = info->h, w = info->w;
  if (config->augment) CVY_TRY(cvy_augment_size(&h, &w, config->augment, h, w));
  if (h && (h != config->h || w != config->w))
    return cvy_error(CVY_E_INPUT,
                     "%s: images that end as %lldx%lld; the network takes %lldx%lld (height x width)",
                     config->dataset->files[0].path, (long long)h, (long long)w, (long long)config->h,
                     (long long)config->w);
  return CVY_OK;
}

static cvy_err allocate(cvy_loader *l) {
  const cvy_loader_config *config = &l->config;
  const size_t images = (size_t)(config->microbatch * config->h * config->w * config->c) * sizeof(float);
  l->labels_at = cvy_aligned(images);
  l->slot_bytes = l->labels_at + cvy_aligned((size_t)config->microbatch * sizeof(int32_t));
  CVY_TRY(cvy_buffer_create(&l->slots, l->slot_bytes * (size_t)config->depth, "the prefetched microbatches"));
  l->made = cvy_new(sizeof *l->made * (size_t)config->depth);
  l->workers = cvy_new(sizeof *l->workers * (size_t)config->threads);
  for (int64_t i = 0; i < config->threads; i++) {
    l->workers[i].loader = l;
    CVY_TRY(cvy_read_buffer_create(&l->workers[i].buffer, config->dataset));
  }
  return CVY_OK;
}

/* Signals are for the threads that know what to do with them. */
static cvy_err start_threads(cvy_loader *l) {
  sigset_t all, before;
  int reason = 0;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  while (reason == 0 && l->started < l->config.threads) {
    worker *w = &l->workers[l->started];
    reason = pthread_create(&w->thread, NULL, run, w);
    l->started += reason == 0;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return reason == 0 ? CVY_OK : cvy_error(CVY_E_SYSTEM, "cannot start a loader thread: %s", strerror(reason));
}

cvy_err cvy_loader_create(cvy_loader **out, const cvy_loader_config *config) {
  *out = NULL;
  CVY_TRY(check_config(config));
  cvy_loader *l = cvy_new(sizeof *l);
  l->config = *config;
  l->total = (config->end_step - config->first_step) * config->own;
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
  free(l->made);
  cvy_buffer_destroy(l->slots);
  free(l);
}

/* ---- the caller's side ---- */

/* Under the lock: an image cannot be made, and none before it will turn out so any more. */
static bool is_over(const cvy_loader *l) {
  return l->err && l->busy == 0;
}

cvy_err cvy_loader_next(cvy_microbatch *out, cvy_loader *l) {
  *out = (cvy_microbatch){0};
  CVY_CHECK(l->taken < l->total, "the loader's last step is over");
  pthread_mutex_lock(&l->lock);
  CVY_CHECK(l->taken - l->released < l->config.depth, "all microbatches are in use");
  if (l->filled == l->taken && !is_over(l)) {
    const double start_s = cvy_now_s();
    while (l->filled == l->taken && !is_over(l)) pthread_cond_wait(&l->may_take, &l->lock);
    l->waited_s += cvy_now_s() - start_s;
  }
  const bool ready = l->filled > l->taken;
  if (ready) *out = (cvy_microbatch){slot_images(l, l->taken), slot_labels(l, l->taken)};
  if (ready) l->taken++;
  pthread_mutex_unlock(&l->lock);
  return ready ? CVY_OK : cvy_error(l->err, "%s", l->message); /* the thread has ended */
}

void cvy_loader_release(cvy_loader *l) {
  pthread_mutex_lock(&l->lock);
  CVY_CHECK(l->released < l->taken);
  l->released++;
  pthread_cond_broadcast(&l->may_fill);
  pthread_mutex_unlock(&l->lock);
}

/* Of threads that may be at work meanwhile: the numbers are as of about now. */
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

int64_t cvy_loader_skipped(cvy_loader *l) {
  pthread_mutex_lock(&l->lock);
  const int64_t skipped = l->skipped;
  pthread_mutex_unlock(&l->lock);
  return skipped;
}

double cvy_loader_waited_s(const cvy_loader *l) {
  return l->waited_s;
}
