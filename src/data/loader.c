/* One thread fills a ring of microbatches ahead of the training step.
 *
 *     released <= taken <= filled <= released + depth
 *
 * The slots released ... taken-1 are in use by the caller, taken ... filled-1 wait for it, and the thread
 * fills the next one as soon as one of `depth` is free. All memory is allocated at creation, but for the canvas, which
 * grows with the first pictures that are drawn on it. */
#include "data/augment.h"
#include "data/dataset.h"
#include "data/sampler.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct cvy_loader {
  cvy_loader_config config;
  int64_t total; /* microbatches from first_step to end_step */

  /* Only the thread uses these. */
  cvy_read_buffer buffer;
  cvy_canvas canvas;
  cvy_normaliser normaliser;

  void *slots;
  size_t slot_bytes, labels_at; /* a slot: images, then labels */

  pthread_t thread;
  bool started;
  pthread_mutex_t lock;
  pthread_cond_t may_fill, may_take;
  /* Under the lock: */
  int64_t filled, taken, released;
  bool stop;
  cvy_err err; /* why the thread ended early, and its message */
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

static cvy_err make_image(float *image, int32_t *label, cvy_loader *l, cvy_sample sample) {
  const cvy_loader_config *config = &l->config;
  cvy_picture picture;
  cvy_augment_call call = {
      .training = config->training,
      .random = {.seed = config->seed, .step = (uint32_t)sample.epoch, .sample = (uint32_t)sample.index},
      .mean = config->mean,
      .canvas = &l->canvas};
  CVY_TRY(cvy_dataset_read(&picture, label, config->dataset, &l->buffer, sample.index, config->c));
  cvy_err err = cvy_augment_apply(&picture, config->augment, &call);
  if (err) return cvy_dataset_error_in(err, config->dataset, sample.index);
  CVY_TRY(check_size(l, &picture, sample.index));
  err = cvy_picture_normalise(image, &picture, &l->canvas, &l->normaliser);
  return err ? cvy_dataset_error_in(err, config->dataset, sample.index) : CVY_OK;
}

static bool stopped(cvy_loader *l) {
  pthread_mutex_lock(&l->lock);
  const bool stop = l->stop;
  pthread_mutex_unlock(&l->lock);
  return stop;
}

/* Microbatch `n` of this loader's stream. */
static cvy_err fill(cvy_loader *l, int64_t n) {
  const cvy_loader_config *config = &l->config;
  const int64_t step = config->first_step + n / config->own, place = config->first + n % config->own;
  const int64_t position = (step * config->per_step + place) * config->microbatch;
  const int64_t count = cvy_dataset_describe(config->dataset)->count;
  const size_t image_floats = (size_t)(config->h * config->w * config->c);
  float *image = slot_images(l, n);
  int32_t *labels = slot_labels(l, n);
  for (int64_t i = 0; i < config->microbatch && !stopped(l); i++, image += image_floats) {
    if (!config->training && position + i >= count) {
      memset(image, 0, image_floats * sizeof *image);
      labels[i] = -1;
      continue;
    }
    const cvy_sample sample = cvy_sample_at(config->seed, count, config->training, position + i);
    CVY_TRY(make_image(image, &labels[i], l, sample));
  }
  return CVY_OK;
}

/* Waits for a free slot; false: it is time to end. */
static bool wait_for_room(cvy_loader *l) {
  pthread_mutex_lock(&l->lock);
  while (!l->stop && l->filled < l->total && l->filled - l->released == l->config.depth)
    pthread_cond_wait(&l->may_fill, &l->lock);
  const bool go_on = !l->stop && l->filled < l->total;
  pthread_mutex_unlock(&l->lock);
  return go_on;
}

static void *run(void *context) {
  cvy_loader *l = context;
  cvy_err err = CVY_OK;
  while (!err && wait_for_room(l)) {
    err = fill(l, l->filled); /* only this thread writes `filled` */
    pthread_mutex_lock(&l->lock);
    if (!err) l->filled++;
    l->err = err;
    if (err) snprintf(l->message, sizeof l->message, "%s", cvy_err_message());
    pthread_cond_signal(&l->may_take);
    pthread_mutex_unlock(&l->lock);
  }
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
  CVY_CHECK(config->microbatch > 0 && config->depth >= 2 && config->first >= 0 && config->own > 0);
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
  return cvy_read_buffer_create(&l->buffer, config->dataset);
}

/* Signals are for the threads that know what to do with them. */
static cvy_err start_thread(cvy_loader *l) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int reason = pthread_create(&l->thread, NULL, run, l);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  l->started = reason == 0;
  return l->started ? CVY_OK
                    : cvy_error(CVY_E_SYSTEM, "cannot start the loader thread: %s", strerror(reason));
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
  if (!err) err = start_thread(l);
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
  pthread_cond_signal(&l->may_fill);
  pthread_mutex_unlock(&l->lock);
  if (l->started) pthread_join(l->thread, NULL);
  pthread_cond_destroy(&l->may_take);
  pthread_cond_destroy(&l->may_fill);
  pthread_mutex_destroy(&l->lock);
  cvy_read_buffer_free(&l->buffer);
  cvy_canvas_free(&l->canvas);
  cvy_buffer_destroy(l->slots);
  free(l);
}

/* ---- the caller's side ---- */

cvy_err cvy_loader_next(cvy_microbatch *out, cvy_loader *l) {
  *out = (cvy_microbatch){0};
  CVY_CHECK(l->taken < l->total, "the loader's last step is over");
  pthread_mutex_lock(&l->lock);
  CVY_CHECK(l->taken - l->released < l->config.depth, "all microbatches are in use");
  if (l->filled == l->taken && !l->err) {
    const double start_s = cvy_now_s();
    while (l->filled == l->taken && !l->err) pthread_cond_wait(&l->may_take, &l->lock);
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
  pthread_cond_signal(&l->may_fill);
  pthread_mutex_unlock(&l->lock);
}

double cvy_loader_waited_s(const cvy_loader *l) {
  return l->waited_s;
}
