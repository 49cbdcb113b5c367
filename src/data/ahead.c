/* Advice to the system about the coming window. */
#include "data/ahead.h"

#include "data/dataset.h"
#include "data/sampler.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct cvy_ahead {
  const cvy_loader_config *config;
  atomic_flag busy;    /* one thread at a time looks; the others need not wait for it */
  atomic_llong looked; /* windows before this number have been looked at */
  /* These are changed while busy: */
  int64_t next;       /* the position at which that window begins */
  int64_t *blocks;    /* [window]: which blocks of records it holds */
  uint8_t *is_wanted; /* [window][block] */
};

static cvy_shuffle_window window_at(const cvy_loader_config *c, int64_t position) {
  return cvy_shuffle_window_at(c->seed, cvy_dataset_describe(c->dataset)->count, &c->blocks, position);
}

cvy_ahead *cvy_ahead_create(const cvy_loader_config *config) {
  if (!config->training || config->shuffle != CVY_SHUFFLE_BLOCK) return NULL;
  cvy_ahead *a = cvy_new(sizeof *a);
  const int64_t step = config->microbatch * config->per_step;
  const cvy_shuffle_window first = window_at(config, config->first_step * step);
  a->config = config;
  atomic_flag_clear(&a->busy);
  atomic_init(&a->looked, first.number);
  a->next = first.first;
  a->blocks = cvy_new(sizeof *a->blocks * (size_t)config->blocks.window);
  a->is_wanted = cvy_new((size_t)(config->blocks.window * config->blocks.block));
  return a;
}

void cvy_ahead_destroy(cvy_ahead *a) {
  if (!a) return;
  free(a->blocks);
  free(a->is_wanted);
  free(a);
}

/* Tells whether this loader asks for the image at `position`. */
static bool is_own(const cvy_loader_config *c, int64_t position) {
  const int64_t microbatch = position / c->microbatch;
  const int64_t step = microbatch / c->per_step, place = microbatch % c->per_step;
  return step >= c->first_step && step < c->end_step && place >= c->first && place < c->first + c->own;
}

/* Returns where the window keeps block `block`, which is now the last of `count` if it is new. */
static int64_t find_block(cvy_ahead *a, int64_t *count, int64_t block) {
  for (int64_t i = 0; i < *count; i++)
    if (a->blocks[i] == block) return i;
  a->blocks[*count] = block;
  return (*count)++;
}

static void expect_block(const cvy_ahead *a, int64_t block, const uint8_t *is_wanted) {
  const int64_t rows = a->config->blocks.block;
  for (int64_t from = 0, to; from < rows; from = to + 1) {
    for (to = from; to < rows && is_wanted[to]; to++) {
    }
    if (to > from) cvy_dataset_expect(a->config->dataset, block * rows + from, to - from);
  }
}

static void look_at(cvy_ahead *a, const cvy_shuffle_window *w) {
  const cvy_loader_config *c = a->config;
  const int64_t records = cvy_dataset_describe(c->dataset)->count, rows = c->blocks.block;
  int64_t count = 0;
  memset(a->is_wanted, 0, (size_t)(c->blocks.window * rows));
  for (int64_t p = w->first; p < w->first + w->count; p++) {
    if (!is_own(c, p)) continue;
    const int64_t index = cvy_sample_in_blocks(c->seed, records, &c->blocks, p).index;
    a->is_wanted[find_block(a, &count, index / rows) * rows + index % rows] = 1;
  }
  for (int64_t i = 0; i < count; i++) expect_block(a, a->blocks[i], a->is_wanted + i * rows);
}

void cvy_ahead_look(cvy_ahead *a, int64_t position) {
  if (!a) return;
  const int64_t due = window_at(a->config, position).number + 2; /* this window, at the start, and the next */
  while (atomic_load(&a->looked) < due && !atomic_flag_test_and_set(&a->busy)) {
    if (atomic_load(&a->looked) < due) {
      const cvy_shuffle_window w = window_at(a->config, a->next);
      look_at(a, &w);
      a->next = w.first + w.count;
      atomic_fetch_add(&a->looked, 1);
    }
    atomic_flag_clear(&a->busy);
  }
}
