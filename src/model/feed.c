/* Threads fill a ring of microbatches ahead of the model, as those of the loader do:
 *
 *     released <= taken <= filled <= released + DEPTH
 *
 * They hand themselves the pictures one by one, in order, as far as there are free slots. */
#include "model/feed.h"

#include "base/count.h"
#include "base/thread.h"
#include "base/wait.h"
#include "data/loader.h"

#include <stdlib.h>
#include <string.h>

enum { DEPTH = 3 };

typedef struct worker {
  cvy_feed *feed;
  cvy_preprocessor_scratch scratch;
  cvy_read_buffer buffer; /* of a record */
  cvy_bytes bytes;        /* of a file */
  pthread_t thread;
} worker;

typedef struct slot {
  float *images;
  cvy_fed *what;
  int64_t made;
} slot;

struct cvy_feed {
  cvy_feed_config config;
  int64_t views, total; /* total: microbatches, each counted once a view */
  void *images;
  cvy_fed *fed;
  slot slots[DEPTH];
  worker *workers;
  int64_t started;
  pthread_mutex_t lock;
  pthread_cond_t may_fill, may_take;
  /* These are changed under the lock: */
  int64_t filled, taken, released, handed_out;
  bool stop;
  cvy_saved_error failed;
};

/* ---- one picture ---- */

static cvy_err make_file(float *image, worker *w, int64_t index, int64_t view) {
  const cvy_feed_config *c = &w->feed->config;
  cvy_picture picture;
  CVY_TRY(c->source->read(&w->bytes, c->source->context, index));
  CVY_TRY(cvy_preprocessor_file(&picture, c->preprocess, &w->scratch, w->bytes.data, w->bytes.count));
  return cvy_preprocessor_finish(image, &picture, c->preprocess, &w->scratch, index, view);
}

static cvy_err make_record(float *image, cvy_fed *fed, worker *w, int64_t channels, int64_t view) {
  const cvy_feed_config *c = &w->feed->config;
  const cvy_dataset *data = c->source->dataset;
  cvy_picture picture;
  CVY_TRY(cvy_dataset_read(&picture, &fed->label, data, &w->buffer, fed->record, channels));
  const cvy_err err = cvy_preprocessor_finish(image, &picture, c->preprocess, &w->scratch, fed->record, view);
  return err ? cvy_dataset_error_in(err, data, fed->record) : CVY_OK;
}

/* Makes an image of a record. One that cannot be read is an error, or the next one takes its place. */
static cvy_err make_good_record(float *image, cvy_fed *fed, worker *w, int64_t view) {
  const cvy_feed_config *c = &w->feed->config;
  const int64_t count = cvy_dataset_describe(c->source->dataset)->count;
  for (;; fed->skipped++) {
    const cvy_err err = make_record(image, fed, w, cvy_preprocessor_channels(c->preprocess), view);
    if (!err) return CVY_OK;
    CVY_TRY(cvy_loader_replace(err, c->source->skips_bad, fed->skipped, count));
    fed->record = (fed->record + 1) % count;
  }
}

/* Makes image `n` of the stream, or leaves its place empty. */
static cvy_err fill(worker *w, int64_t n) {
  const cvy_feed *f = w->feed;
  const cvy_feed_config *c = &f->config;
  const int64_t pass = n / c->microbatch, i = n % c->microbatch;
  const int64_t index = c->first + pass / f->views * c->microbatch + i, view = pass % f->views;
  const slot *s = &f->slots[pass % DEPTH];
  float *image = s->images + i * c->image_floats;
  cvy_fed *fed = &s->what[i];
  free(fed->reason);
  *fed = (cvy_fed){.index = -1, .record = -1, .label = -1};
  cvy_err err = CVY_OK;
  if (index < c->end) {
    fed->index = fed->record = index;
    err = c->source->dataset ? make_good_record(image, fed, w, view) : make_file(image, w, index, view);
  }
  if (index < c->end && !err) return CVY_OK;
  memset(image, 0, sizeof *image * (size_t)c->image_floats);
  if (err != CVY_E_INPUT || (c->source->dataset && !c->source->notes_bad)) return err;
  fed->reason = cvy_format("%s", cvy_err_message());
  return CVY_OK;
}

/* ---- the threads ---- */

static bool has_room(const cvy_feed *f) {
  const int64_t pass = f->handed_out / f->config.microbatch;
  return pass < f->total && pass < f->released + DEPTH;
}

/* Waits, under the lock, for the next image to make. Returns its number, or -1 when it is time to end. */
static int64_t next_image(cvy_feed *f) {
  while (!f->stop && !f->failed.code && f->handed_out < f->total * f->config.microbatch && !has_room(f))
    pthread_cond_wait(&f->may_fill, &f->lock);
  return f->stop || f->failed.code || !has_room(f) ? -1 : f->handed_out++;
}

static void account(cvy_feed *f, int64_t n, cvy_err err) {
  if (err && !f->failed.code) cvy_error_save(&f->failed, err);
  f->slots[n / f->config.microbatch % DEPTH].made++;
  while (f->filled < f->total && f->slots[f->filled % DEPTH].made == f->config.microbatch)
    f->slots[f->filled++ % DEPTH].made = 0;
  pthread_cond_signal(&f->may_take);
}

static void *run(void *context) {
  worker *w = context;
  cvy_feed *f = w->feed;
  pthread_mutex_lock(&f->lock);
  for (int64_t n; (n = next_image(f)) >= 0;) {
    pthread_mutex_unlock(&f->lock);
    const cvy_err err = fill(w, n);
    pthread_mutex_lock(&f->lock);
    account(f, n, err);
  }
  pthread_cond_broadcast(&f->may_fill);
  pthread_mutex_unlock(&f->lock);
  return NULL;
}

/* ---- creation ---- */

static cvy_err allocate(cvy_feed *f) {
  const cvy_feed_config *c = &f->config;
  const size_t floats = (size_t)(c->microbatch * c->image_floats);
  CVY_TRY(cvy_buffer_create(&f->images, sizeof(float) * floats * DEPTH, "pictures on their way to a model"));
  f->fed = cvy_new(sizeof *f->fed * (size_t)(DEPTH * c->microbatch));
  for (int64_t i = 0; i < DEPTH; i++)
    f->slots[i] = (slot){(float *)f->images + (size_t)i * floats, f->fed + i * c->microbatch, 0};
  f->workers = cvy_new(sizeof *f->workers * (size_t)c->threads);
  for (int64_t i = 0; i < c->threads; i++) {
    f->workers[i].feed = f;
    if (c->source->dataset) CVY_TRY(cvy_read_buffer_create(&f->workers[i].buffer, c->source->dataset));
  }
  for (; f->started < c->threads; f->started++)
    CVY_TRY(cvy_thread_start(&f->workers[f->started].thread, run, &f->workers[f->started],
                             "a thread that reads pictures"));
  return CVY_OK;
}

cvy_err cvy_feed_create(cvy_feed **out, const cvy_feed_config *config) {
  CVY_CHECK(config->microbatch > 0 && config->threads > 0 && config->first <= config->end);
  cvy_feed *f = cvy_new(sizeof *f);
  *out = NULL;
  f->config = *config;
  f->views = cvy_preprocessor_views(config->preprocess);
  f->total = cvy_pieces(config->end - config->first, config->microbatch) * f->views;
  pthread_mutex_init(&f->lock, NULL);
  pthread_cond_init(&f->may_fill, NULL);
  pthread_cond_init(&f->may_take, NULL);
  const cvy_err err = allocate(f);
  if (err)
    cvy_feed_destroy(f);
  else
    *out = f;
  return err;
}

void cvy_feed_destroy(cvy_feed *f) {
  if (!f) return;
  pthread_mutex_lock(&f->lock);
  f->stop = true;
  pthread_cond_broadcast(&f->may_fill);
  pthread_mutex_unlock(&f->lock);
  for (int64_t i = 0; i < f->started; i++) pthread_join(f->workers[i].thread, NULL);
  for (int64_t i = 0; f->workers && i < f->config.threads; i++) {
    cvy_preprocessor_scratch_free(&f->workers[i].scratch);
    cvy_read_buffer_free(&f->workers[i].buffer);
    cvy_bytes_free(&f->workers[i].bytes);
  }
  for (int64_t i = 0; f->fed && i < DEPTH * f->config.microbatch; i++) free(f->fed[i].reason);
  pthread_cond_destroy(&f->may_take);
  pthread_cond_destroy(&f->may_fill);
  pthread_mutex_destroy(&f->lock);
  free(f->workers);
  free(f->fed);
  cvy_buffer_destroy(f->images);
  free(f);
}

/* ---- the model's side ---- */

cvy_err cvy_feed_next(const float **images, const cvy_fed **what, cvy_feed *f) {
  CVY_CHECK(f->taken < f->total && f->taken == f->released);
  pthread_mutex_lock(&f->lock);
  if (f->filled == f->taken && !f->failed.code) {
    cvy_wait_begins("its data");
    while (f->filled == f->taken && !f->failed.code) pthread_cond_wait(&f->may_take, &f->lock);
    cvy_wait_ends();
  }
  const cvy_err err = cvy_error_restore(&f->failed);
  const slot *s = &f->slots[f->taken % DEPTH];
  *images = s->images;
  *what = s->what;
  if (!err) f->taken++;
  pthread_mutex_unlock(&f->lock);
  return err;
}

void cvy_feed_release(cvy_feed *f) {
  pthread_mutex_lock(&f->lock);
  CVY_CHECK(f->released < f->taken);
  f->released++;
  pthread_cond_broadcast(&f->may_fill);
  pthread_mutex_unlock(&f->lock);
}
