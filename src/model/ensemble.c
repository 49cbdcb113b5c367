/* Runs the members one after the other over blocks of pictures. A block is a whole number of each member's
 * microbatches. */
#include "model/ensemble.h"

#include "base/count.h"
#include "model/members.h"

#include <stdlib.h>
#include <string.h>

typedef struct member {
  cvy_model *model;
  cvy_net *net;       /* the model's, or one for another microbatch */
  cvy_net *own_net;   /* the latter; NULL: there is none */
  int32_t *no_labels; /* [microbatch], each -1 */
  cvy_preprocessor *preprocess;
  cvy_feed *feed;
  int64_t pass, passes; /* forward passes done, and all of them */
  double *sums;         /* [microbatch][score_count], over views */
} member;

struct cvy_ensemble {
  int64_t count, class_count, block;
  member *members;
  /* These are of a block: */
  double *probabilities, *keys; /* [block][class_count] */
  cvy_fed *fed;                 /* [block] */
};

/* ---- making one ---- */

static int64_t common_multiple(int64_t a, int64_t b) {
  int64_t x = a, y = b;
  while (y > 0) {
    const int64_t rest = x % y;
    x = y;
    y = rest;
  }
  return a / x * b;
}

static cvy_err choose_block(cvy_ensemble *e) {
  enum { LARGEST = 1 << 20 };
  e->block = 1;
  for (int64_t i = 0; i < e->count; i++) {
    e->block = common_multiple(e->block, cvy_net_describe(e->members[i].net)->input.n);
    if (e->block > LARGEST)
      return cvy_error(CVY_E_INPUT,
                       "the members' microbatches have %" PRId64
                       " as their least common multiple; expected %d at most",
                       e->block, LARGEST);
  }
  return CVY_OK;
}

/* A net for another microbatch uses the model's weights. Memory that is never touched takes none. */
static cvy_err choose_net(member *m, int64_t microbatch) {
  const cvy_model_spec *spec = cvy_model_spec_of(m->model);
  m->net = cvy_model_net(m->model);
  if (microbatch > 0 && microbatch != cvy_net_describe(m->net)->input.n) {
    const cvy_net_wishes wishes = {
        .purpose = CVY_NET_EVALUATION, .convolution = spec->convolution, .params_of = m->net};
    CVY_TRY_IN(cvy_net_create(&m->own_net, spec->network, microbatch, &wishes), "%s", spec->path);
    m->net = m->own_net;
  }
  const cvy_net_info *info = cvy_net_describe(m->net);
  m->sums = cvy_new(sizeof *m->sums * (size_t)(info->input.n * info->score_count));
  m->no_labels = cvy_new(sizeof *m->no_labels * (size_t)info->input.n);
  for (int64_t i = 0; i < info->input.n; i++) m->no_labels[i] = -1;
  return CVY_OK;
}

static cvy_err make_ready(cvy_ensemble *e, cvy_model *const *models, const cvy_ensemble_options *options) {
  CVY_TRY(cvy_members_check(models, e->count));
  for (int64_t i = 0; i < e->count; i++) {
    member *m = &e->members[i];
    m->model = models[i];
    CVY_TRY(choose_net(m, options->microbatch));
    CVY_TRY(cvy_preprocessor_create(&m->preprocess, m->model, &options->preprocess));
  }
  CVY_TRY(choose_block(e));
  const size_t numbers = (size_t)(e->block * e->class_count);
  void *memory;
  CVY_TRY(
      cvy_buffer_create(&memory, 2 * numbers * sizeof(double), "the probabilities of a block of pictures"));
  e->probabilities = memory;
  e->keys = e->probabilities + numbers;
  e->fed = cvy_new(sizeof *e->fed * (size_t)e->block);
  return CVY_OK;
}

cvy_err cvy_ensemble_create(cvy_ensemble **out, cvy_model *const *models, int64_t count,
                            const cvy_ensemble_options *options) {
  cvy_ensemble *e = cvy_new(sizeof *e);
  *out = NULL;
  *e = (cvy_ensemble){.count = count,
                      .class_count = cvy_model_describe(models[0])->class_count,
                      .members = cvy_new(sizeof *e->members * (size_t)count)};
  const cvy_err err = make_ready(e, models, options);
  if (err)
    cvy_ensemble_destroy(e);
  else
    *out = e;
  return err;
}

void cvy_ensemble_destroy(cvy_ensemble *e) {
  if (!e) return;
  for (int64_t i = 0; i < e->count; i++) {
    cvy_feed_destroy(e->members[i].feed);
    cvy_preprocessor_destroy(e->members[i].preprocess);
    cvy_net_destroy(e->members[i].own_net);
    free(e->members[i].no_labels);
    free(e->members[i].sums);
  }
  cvy_buffer_destroy(e->probabilities);
  free(e->fed);
  free(e->members);
  free(e);
}

int64_t cvy_ensemble_views(const cvy_ensemble *e) {
  return cvy_preprocessor_views(e->members[0].preprocess);
}

int64_t cvy_ensemble_class_count(const cvy_ensemble *e) {
  return e->class_count;
}

void cvy_ensemble_share(int64_t *first, int64_t *end, const cvy_ensemble *e, int64_t count, int rank,
                        int ranks) {
  const int64_t blocks = cvy_pieces(count, e->block);
  *first = cvy_smaller(count, blocks * rank / ranks * e->block);
  *end = cvy_smaller(count, blocks * (rank + 1) / ranks * e->block);
}

/* ---- running it ---- */

static bool is_single(const cvy_ensemble *e) {
  return e->count == 1 && cvy_ensemble_views(e) == 1;
}

/* Adds what a member says of image `i` of its microbatch to the block's row. */
static void add_row(const cvy_ensemble *e, const member *m, int64_t i, int64_t row) {
  const int64_t scores = cvy_net_describe(m->net)->score_count;
  const double views = (double)cvy_preprocessor_views(m->preprocess);
  double *p = e->probabilities + row * e->class_count;
  if (scores == 1) {
    const double second = m->sums[i] / views;
    p[0] += 1 - second;
    p[1] += second;
    return;
  }
  for (int64_t k = 0; k < scores; k++) p[k] += m->sums[i * scores + k] / views;
}

/* Takes the logits for keys, where there is nothing to average. */
static void take_keys(const cvy_ensemble *e, const member *m, int64_t i, int64_t row) {
  const int64_t scores = cvy_net_describe(m->net)->score_count;
  const float *logits = cvy_net_logits(m->net) + i * scores;
  double *keys = e->keys + row * e->class_count;
  if (scores == 1) keys[0] = 0, keys[1] = (double)logits[0];
  for (int64_t k = 0; scores > 1 && k < scores; k++) keys[k] = (double)logits[k];
}

/* The first member's word counts for who was seen; a picture that one of the members cannot take is not
 * predicted. */
static void note(cvy_fed *noted, const cvy_fed *fed, bool is_first) {
  if (is_first) {
    *noted = *fed;
    noted->reason = NULL;
  }
  if (fed->reason && !noted->reason) noted->reason = cvy_format("%s", fed->reason);
}

/* Runs a member's next view of a microbatch, the images `at` ... of the block. */
static cvy_err run_view(const cvy_ensemble *e, member *m, int64_t at, int64_t count, int64_t view) {
  const cvy_net_info *info = cvy_net_describe(m->net);
  const cvy_targets targets = {.labels = m->no_labels};
  const cvy_pass pass = {.training = false, .params = cvy_params_of_pass(m->pass, m->passes)};
  const float *images;
  const cvy_fed *fed;
  CVY_TRY(cvy_feed_next(&images, &fed, m->feed));
  cvy_net_forward(m->net, images, &targets, &pass);
  m->pass++;
  const float *p = cvy_net_probabilities(m->net);
  for (int64_t i = 0; i < info->input.n * info->score_count; i++)
    m->sums[i] = (view == 0 ? 0 : m->sums[i]) + (double)p[i];
  for (int64_t i = 0; i < count; i++) {
    note(&e->fed[at + i], &fed[i], m == e->members && view == 0);
    if (is_single(e)) take_keys(e, m, i, at + i);
  }
  cvy_feed_release(m->feed);
  return CVY_OK;
}

static cvy_err run_member(const cvy_ensemble *e, member *m, int64_t count) {
  const int64_t n = cvy_net_describe(m->net)->input.n, views = cvy_preprocessor_views(m->preprocess);
  for (int64_t at = 0; at < count; at += n) {
    const int64_t own = cvy_smaller(n, count - at);
    for (int64_t view = 0; view < views; view++) CVY_TRY(run_view(e, m, at, own, view));
    for (int64_t i = 0; i < own; i++) add_row(e, m, i, at + i);
  }
  return CVY_OK;
}

static void tell(const cvy_ensemble *e, int64_t row, void (*hear)(void *context, const cvy_said *said),
                 void *context) {
  double *p = e->probabilities + row * e->class_count, *keys = e->keys + row * e->class_count;
  const int64_t scores = cvy_net_describe(e->members[0].net)->score_count;
  for (int64_t k = 0; k < e->class_count; k++) p[k] /= (double)e->count;
  if (!is_single(e)) memcpy(keys, p, sizeof *keys * (size_t)e->class_count);
  if (!is_single(e) && scores == 1) keys[0] = 0.5;
  hear(context, &(cvy_said){.fed = &e->fed[row], .probabilities = p, .keys = keys});
}

static void forget(cvy_ensemble *e) {
  for (int64_t i = 0; i < e->block; i++) free(e->fed[i].reason);
  memset(e->fed, 0, sizeof *e->fed * (size_t)e->block);
  memset(e->probabilities, 0, sizeof *e->probabilities * (size_t)(e->block * e->class_count));
}

static cvy_err run_blocks(cvy_ensemble *e, int64_t first, int64_t end,
                          void (*hear)(void *context, const cvy_said *said), void *context,
                          const char *of_whom) {
  for (int64_t at = first; at < end; at += e->block) {
    const int64_t count = cvy_smaller(e->block, end - at);
    for (int64_t i = 0; i < e->count; i++) CVY_TRY(run_member(e, &e->members[i], count));
    for (int64_t row = 0; row < count; row++) tell(e, row, hear, context);
    forget(e);
    cvy_progress("predicting: %" PRId64 " of %" PRId64 " pictures%s", at + count - first, end - first,
                 of_whom);
  }
  return CVY_OK;
}

static cvy_err start_feeds(cvy_ensemble *e, const cvy_picture_source *source, int64_t first, int64_t end) {
  for (int64_t i = 0; i < e->count; i++) {
    member *m = &e->members[i];
    const cvy_shape *input = &cvy_net_describe(m->net)->input;
    const cvy_feed_config config = {.source = source,
                                    .preprocess = m->preprocess,
                                    .image_floats = cvy_shape_per_image(*input),
                                    .microbatch = input->n,
                                    .first = first,
                                    .end = end,
                                    .threads = cvy_smaller(cvy_threads(), end - first)};
    m->pass = 0;
    m->passes = cvy_pieces(end - first, input->n) * cvy_preprocessor_views(m->preprocess);
    CVY_TRY(cvy_feed_create(&m->feed, &config));
  }
  return CVY_OK;
}

cvy_err cvy_ensemble_run(cvy_ensemble *e, const cvy_picture_source *source, int64_t first, int64_t end,
                         void (*hear)(void *context, const cvy_said *said), void *context,
                         const char *of_whom) {
  CVY_CHECK(first % e->block == 0 || first == end);
  if (first == end) return CVY_OK;
  cvy_err err = start_feeds(e, source, first, end);
  if (!err) err = run_blocks(e, first, end, hear, context, of_whom);
  for (int64_t i = 0; i < e->count; i++) {
    cvy_feed_destroy(e->members[i].feed);
    e->members[i].feed = NULL;
  }
  forget(e);
  return err;
}
