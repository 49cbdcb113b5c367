/* Measures the links, clocks and disks of a job's nodes, and holds them against each other. */
#include "measure/doctor.h"

#include "comm/transport.h"
#include "math/gemm.h"
#include "measure/software.h"

#include <math.h>
#include <stdlib.h>

static const int64_t most_read_bytes = (int64_t)256 << 20;
static const double clock_tolerance_s = 0.1;

/* ---- findings ---- */

/* Both ends of a link tell of it; the lower one is believed. */
static bool is_told(const cvy_link *links, int rank) {
  return links[rank].partner > rank;
}

static bool is_within_node(const cvy_layout *layout, const cvy_link *links, int rank) {
  return layout->places[rank].node == layout->places[links[rank].partner].node;
}

/* Returns the median of the links within nodes, or of those between them; 0 if there are fewer than three. */
static double usual_speed(const cvy_layout *layout, const cvy_link *links, bool within) {
  double *speeds = cvy_new(sizeof *speeds * (size_t)layout->ranks);
  int64_t count = 0;
  for (int rank = 0; rank < layout->ranks; rank++)
    if (is_told(links, rank) && is_within_node(layout, links, rank) == within)
      speeds[count++] = links[rank].both_ways_bytes_s;
  const double usual = count < 3 ? 0 : cvy_spread_of(speeds, count).median;
  free(speeds);
  return usual;
}

static void find_slow_link(cvy_diagnosis *d, const cvy_link *links) {
  const cvy_layout *layout = d->layout;
  const double usual[] = {usual_speed(layout, links, false), usual_speed(layout, links, true)};
  for (int rank = 0; rank < layout->ranks; rank++) {
    if (!is_told(links, rank)) continue;
    const cvy_link *l = &links[rank];
    const double expected = usual[is_within_node(layout, links, rank)];
    if (l->both_ways_bytes_s >= expected / 2) continue;
    cvy_findings_add(&d->findings, "link",
                     "ranks %d on %s and %d on %s exchange %.0f MB/s; %.0f are usual here: all wait for the "
                     "slowest",
                     rank, layout->places[rank].host, l->partner, layout->places[l->partner].host,
                     1e-6 * l->both_ways_bytes_s, 1e-6 * expected);
    return;
  }
}

static void find_half_duplex(cvy_diagnosis *d, const cvy_link *links) {
  if (!d->tcp_links[0] || atoi(d->tcp_links) >= 4) return;
  for (int rank = 0; rank < d->layout->ranks; rank++) {
    const cvy_link *l = &links[rank];
    if (!is_told(links, rank) || is_within_node(d->layout, links, rank) ||
        l->both_ways_bytes_s >= 0.7 * l->one_way_bytes_s)
      continue;
    cvy_findings_add(
        &d->findings, "connections",
        "ranks %d and %d exchange %.0f MB/s each way, though %.0f pass one way: btl_tcp_links is "
        "%s; 4 connections may do better",
        rank, l->partner, 1e-6 * l->both_ways_bytes_s, 1e-6 * l->one_way_bytes_s, d->tcp_links);
    return;
  }
}

static void find_clocks(cvy_diagnosis *d) {
  for (int rank = 1; rank < d->layout->ranks; rank++) {
    const cvy_clock_offset *c = &d->clocks[rank];
    if (fabs(c->ahead_s) < clock_tolerance_s + c->error_s) continue;
    cvy_findings_add(&d->findings, "clock",
                     "the clock of %s is %.3f s %s that of %s: times of files and logs will contradict each "
                     "other (NTP would end that)",
                     d->layout->places[rank].host, fabs(c->ahead_s), c->ahead_s > 0 ? "ahead of" : "behind",
                     d->layout->places[0].host);
    return;
  }
}

static void examine(cvy_diagnosis *d) {
  if (cvy_layout_examine(&d->findings, d->layout)) cvy_layout_advise(d->advice, sizeof d->advice, d->layout);
  if (d->nearest) find_slow_link(d, d->nearest);
  if (d->farthest) find_slow_link(d, d->farthest);
  if (d->nearest) find_half_duplex(d, d->farthest ? d->farthest : d->nearest);
  find_clocks(d);
}

/* ---- what is measured ---- */

/* Returns how far partners of the last halving are apart, where the ranks are a power of two. */
static int farthest_distance(int ranks) {
  int distance = 1;
  while (2 * distance < ranks) distance *= 2;
  return distance;
}

static cvy_err read_data(cvy_diagnosis *d, cvy_comm *comm, const char *data) {
  cvy_reading mine = {0};
  cvy_err err = CVY_OK;
  if (cvy_comm_leads_node(comm)) err = cvy_probe_reading(&mine, data, most_read_bytes);
  CVY_TRY_IN(cvy_comm_agree(comm, err), "--data");
  if (d) d->readings = cvy_new(sizeof mine * (size_t)d->layout->ranks);
  cvy_comm_gather(comm, d ? d->readings : NULL, &mine, sizeof mine);
  return CVY_OK;
}

/* A product of matrices that a second-level cache holds stands for computing. `context` points to
 * [thread][3][SIDE][SIDE]. */
enum { SIDE = 256 };

static void multiply(const void *context, int64_t index, int thread) {
  (void)index;
  float *const *matrices = context;
  float *a = *matrices + (int64_t)thread * 3 * SIDE * SIDE, *b = a + SIDE * SIDE, *c = b + SIDE * SIDE;
  cvy_gemm(c, SIDE, (cvy_factor){.at = a, .stride = SIDE}, (cvy_factor){.at = b, .stride = SIDE}, SIDE, SIDE,
           SIDE, 1, 0);
}

/* Measures on all ranks. Rank 0 alone has a place to keep the links. */
static cvy_err measure_links(cvy_link **place, cvy_comm *comm, int distance) {
  float *matrices = cvy_new(sizeof *matrices * 3 * SIDE * SIDE * (size_t)cvy_threads());
  cvy_link *links;
  const cvy_err err = cvy_links_measure(&links, comm, distance, multiply, &matrices);
  free(matrices);
  if (place) *place = links;
  return err;
}

static cvy_err measure(cvy_diagnosis *d, cvy_comm *comm, const char *data) {
  const int ranks = cvy_comm_size(comm), far = farthest_distance(ranks);
  if (ranks > 1) CVY_TRY(measure_links(d ? &d->nearest : NULL, comm, 1));
  if (far > 1) CVY_TRY(measure_links(d ? &d->farthest : NULL, comm, far));
  cvy_clock_offset *clocks = cvy_clocks_measure(comm);
  if (d) d->clocks = clocks;
  return data ? read_data(d, comm, data) : CVY_OK;
}

cvy_err cvy_diagnose(cvy_diagnosis **out, cvy_comm *comm, const char *data) {
  char software[128];
  const cvy_software here = cvy_software_here();
  *out = NULL;
  snprintf(software, sizeof software, "%s, %s, HDF5 %s", here.blas_core, here.kernels, here.hdf5);
  cvy_layout *layout = cvy_layout_gather(comm, cvy_threads(), software);
  cvy_diagnosis *d = NULL;
  if (layout) {
    d = cvy_new(sizeof *d);
    d->layout = layout;
    if (!cvy_transport_value("btl_tcp_links", d->tcp_links, sizeof d->tcp_links)) d->tcp_links[0] = '\0';
    if (!cvy_transport_value("btl_vader_single_copy_mechanism", d->single_copy, sizeof d->single_copy))
      d->single_copy[0] = '\0';
  }
  const cvy_err err = measure(d, comm, data);
  if (err) {
    cvy_diagnosis_destroy(d);
    return err;
  }
  if (d) examine(d);
  *out = d;
  return CVY_OK;
}

/* ---- what came out ---- */

typedef struct pair {
  int lower;
  double bytes_s;
} pair;

static int by_speed(const void *a, const void *b) {
  const double x = ((const pair *)a)->bytes_s, y = ((const pair *)b)->bytes_s;
  return (x > y) - (x < y);
}

int cvy_diagnosis_pairs(int *lower, const cvy_diagnosis *d, const cvy_link *links, int many) {
  pair *pairs = cvy_new(sizeof *pairs * (size_t)d->layout->ranks);
  int count = 0;
  for (int rank = 0; rank < d->layout->ranks; rank++)
    if (is_told(links, rank)) pairs[count++] = (pair){rank, links[rank].both_ways_bytes_s};
  if (count > many) qsort(pairs, (size_t)count, sizeof *pairs, by_speed);
  for (int i = 0; i < count; i++) lower[i] = pairs[i].lower;
  free(pairs);
  return count;
}

void cvy_diagnosis_destroy(cvy_diagnosis *d) {
  if (!d) return;
  cvy_layout_destroy(d->layout);
  free(d->nearest);
  free(d->farthest);
  free(d->clocks);
  free(d->readings);
  free(d);
}
