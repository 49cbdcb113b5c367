/* Makes shards of records. All threads of a rank read, decode and encode some records of a shard at a time;
 * one thread writes them in their order. */
#include "prepare/write.h"

#include "base/csv.h"
#include "base/utf8.h"
#include "prepare/journal.h"
#include "prepare/names.h"
#include "prepare/plan.h"
#include "prepare/progress.h"
#include "prepare/work.h"

#include <stdlib.h>
#include <string.h>

enum { RECORDS_A_THREAD = 16 }; /* read before they are written */

struct cvy_prepare_worker {
  cvy_source sources[CVY_PREPARE_SPLITS]; /* [group]; opened when first needed, for readers reuse buffers */
  bool open[CVY_PREPARE_SPLITS];
  cvy_image decoded, scaled, upright;
  void *mended; /* the whole file that was made of one that ends early */
  cvy_pixel_sums sums;
};

/* A record on its way into the shard. */
typedef struct slot {
  int64_t index; /* index in the source */
  cvy_err err;
  char *name, *reason;
  char mended[CVY_MEND_NOTE]; /* what its file lacked; "" if nothing */
  bool mendable;              /* its file is refused, but would be mended if all was tolerated */
  int32_t label;
  uint8_t *bytes; /* kept from record to record */
  size_t byte_count, capacity;
} slot;

typedef struct batch {
  cvy_prepare_job *j;
  const cvy_prepare_part *part;
  int64_t first; /* place in the group's order */
  slot *slots;
} batch;

/* ---- one record ---- */

static cvy_err source_of(cvy_source **out, const batch *b, cvy_prepare_worker *w, int thread) {
  const cvy_prepare_config *c = b->j->config;
  const int64_t i = b->part->group;
  cvy_prepare_group *g = &b->j->groups[i];
  *out = thread == 0 ? &g->source : &w->sources[i];
  if (thread == 0 || w->open[i]) return CVY_OK;
  const cvy_source *first = &g->source;
  if (c->reader->again) {
    c->reader->again(*out, first);
    w->open[i] = true;
    return CVY_OK;
  }
  const cvy_err err = c->reader->open(*out, c->reader_config, g->inputs, g->input_count, first->h, first->w,
                                      c->seed);
  if (err) return cvy_error(CVY_E_RUN, "%s", cvy_err_message());
  (*out)->bytes_only = first->bytes_only;
  w->open[i] = true;
  if ((*out)->count == first->count) return CVY_OK;
  return cvy_error(CVY_E_RUN, "%s: the source has changed while it was read",
                   g->input_count ? g->inputs[0] : "");
}

static void keep_bytes(slot *s, const void *bytes, size_t count) {
  if (count > s->capacity) {
    free(s->bytes);
    s->bytes = cvy_new(count);
    s->capacity = count;
  }
  memcpy(s->bytes, bytes, count);
  s->byte_count = count;
}

static void keep_samples(slot *s, const cvy_image *image) {
  keep_bytes(s, image->px, (size_t)(image->h * image->w * image->c));
}

/* Finds the size to store a picture of full[0] x full[1] in, as it lies in the file. */
static void stored_size(int64_t out[2], const cvy_prepare_job *j, const cvy_source *source,
                        const int64_t full[2], bool lies) {
  const int64_t smaller = full[0] < full[1] ? full[0] : full[1];
  out[0] = full[0];
  out[1] = full[1];
  if (!j->encoded) {
    out[0] = lies ? source->w : source->h;
    out[1] = lies ? source->h : source->w;
  } else if (j->shorter > 0 && smaller > j->shorter) {
    for (int i = 0; i < 2; i++) out[i] = (2 * full[i] * j->shorter + smaller) / (2 * smaller);
  }
}

/* Puts a whole file in the place of one that ends early, where that is tolerated. `note` says what was
 * missing, or why the file is not mended. */
static bool mend(char note[CVY_MEND_NOTE], cvy_prepare_worker *w, const cvy_prepare_job *j,
                 cvy_record *record) {
  void *bytes;
  size_t count;
  if (!cvy_image_mend(&bytes, &count, note, record->encoded, record->encoded_bytes, j->config->tolerance))
    return false;
  free(w->mended);
  w->mended = bytes;
  record->encoded = bytes;
  record->encoded_bytes = count;
  return true;
}

/* Tells whether a file that is refused would be mended if all was tolerated. */
static bool is_mendable(const cvy_prepare_job *j, const cvy_record *record) {
  void *bytes;
  size_t count;
  char note[CVY_MEND_NOTE];
  if (j->config->tolerance == CVY_TOLERATE_TRUNCATED ||
      !cvy_image_mend(&bytes, &count, note, record->encoded, record->encoded_bytes, CVY_TOLERATE_TRUNCATED))
    return false;
  free(bytes);
  return true;
}

/* Decodes the record's file, no smaller than asked for; full[2] receives its size. */
static cvy_err decode(int64_t full[2], slot *s, cvy_prepare_worker *w, const batch *b, cvy_record *record,
                      int64_t channels, const int64_t least[2]) {
  cvy_saved_error why;
  char note[CVY_MEND_NOTE];
  const cvy_err err = cvy_image_decode_at_least(&w->decoded, full, record->encoded, record->encoded_bytes,
                                                channels, least[0], least[1]);
  if (err != CVY_E_INPUT) return err;
  cvy_error_save(&why, err);
  if (!mend(note, w, b->j, record)) {
    s->mendable = is_mendable(b->j, record);
    const cvy_err first = cvy_error_restore(&why);
    return note[0] ? cvy_error(first, "%s; %s", cvy_err_message(), note) : first;
  }
  snprintf(s->mended, sizeof s->mended, "%s", note);
  return cvy_image_decode_at_least(&w->decoded, full, record->encoded, record->encoded_bytes, channels,
                                   least[0], least[1]);
}

/* Stores a file of a picture, scaled and turned as asked. One that needs neither stays as it came. */
static cvy_err store_file(slot *s, cvy_prepare_worker *w, const batch *b, const cvy_source *source,
                          cvy_record *record) {
  const cvy_prepare_job *j = b->j;
  const int turn = j->config->ignore_exif ? 1 : cvy_image_orientation(record->encoded, record->encoded_bytes);
  const bool lies = turn >= 5;
  const int64_t least[2] = {!j->encoded ? lies ? source->w : source->h : j->shorter,
                            !j->encoded ? lies ? source->h : source->w : j->shorter};
  int64_t full[2], size[2];
  CVY_TRY(decode(full, s, w, b, record, source->c, least));
  stored_size(size, j, source, full, lies);
  const cvy_image *image = &w->decoded;
  if (image->h != size[0] || image->w != size[1]) {
    cvy_image_scale(&w->scaled, image, size[0], size[1]);
    image = &w->scaled;
  }
  if (turn != 1) {
    cvy_image_turn(&w->upright, image, turn);
    image = &w->upright;
  }
  const bool as_came = turn == 1 && size[0] == full[0] && size[1] == full[1];
  void *bytes = NULL;
  size_t count = 0;
  if (j->encoded && !as_came)
    CVY_TRY_IN(cvy_image_encode(&bytes, &count, image, j->quality), "%s", record->name);
  if (b->part == &j->parts[j->measured])
    cvy_pixel_sums_add(&w->sums, image); /* nothing can go wrong any more */
  if (!j->encoded)
    keep_samples(s, image);
  else if (as_came)
    keep_bytes(s, record->encoded, record->encoded_bytes);
  else
    keep_bytes(s, bytes, count);
  free(bytes);
  return CVY_OK;
}

static cvy_err read_record(slot *s, cvy_record *record, cvy_prepare_worker *w, const batch *b, int thread) {
  const cvy_prepare_job *j = b->j;
  cvy_source *source;
  CVY_TRY(source_of(&source, b, w, thread));
  const int32_t *labels = j->groups[b->part->group].labels;
  CVY_TRY(j->config->reader->read(record, source, s->index));
  s->label = labels ? labels[record->label] : record->label;
  if (record->encoded) return store_file(s, w, b, source, record);
  if (b->part == &j->parts[j->measured]) cvy_pixel_sums_add(&w->sums, &record->image);
  keep_samples(s, &record->image);
  return CVY_OK;
}

/* Returns what is wrong, without the name before it. */
static char *reason_of(const char *message, const char *raw_name) {
  char name[CVY_MESSAGE_BYTES];
  const size_t length = cvy_utf8_show_in(name, sizeof name, raw_name);
  const bool named = strncmp(message, name, length) == 0 && strncmp(message + length, ": ", 2) == 0;
  return cvy_format("%s", named ? message + length + 2 : message);
}

/* Returns which record of the source belongs at a place of the group's order. */
static int64_t record_at(const batch *b, int64_t place) {
  const cvy_prepare_part *p = b->part;
  const cvy_random order = {
      .seed = b->j->config->seed, .purpose = CVY_FOR_SPLIT, .layer = (uint32_t)p->group};
  if (p->by_place) return p->first + cvy_random_permute(&order, place - p->first, p->count);
  return cvy_random_permute(&order, place, b->j->groups[p->group].source.count);
}

static void prepare_record(const void *context, int64_t i, int thread) {
  const batch *b = context;
  const cvy_prepare_group *g = &b->j->groups[b->part->group];
  slot *s = &b->slots[i];
  cvy_record record = {0};
  s->mended[0] = '\0';
  s->mendable = false;
  s->index = record_at(b, b->first + i);
  s->err = read_record(s, &record, &b->j->workers[thread], b, thread);
  s->name = record.name ? cvy_prepare_record_name(g, record.name) : cvy_format("record %" PRId64, s->index);
  if (s->err) s->reason = reason_of(cvy_err_message(), record.name ? record.name : "");
}

/* ---- one shard ---- */

static char *csv_line(const char *name, const char *reason) {
  cvy_text_stream line;
  cvy_text_stream_begin(&line);
  cvy_csv_text(line.out, name);
  fputc(',', line.out);
  cvy_csv_text(line.out, reason);
  fputc('\n', line.out);
  return cvy_text_stream_end(&line, NULL);
}

static void note(cvy_notes *notes, const batch *b, const slot *s, const char *what) {
  const cvy_note item = {.group = b->part->group,
                         .index = s->index,
                         .mendable = s->mendable,
                         .line = csv_line(s->name, what),
                         .reason = cvy_format("%s: %s", s->name, what)};
  cvy_notes_add(notes, &item);
}

static cvy_err take(cvy_shard *shard, cvy_remarks *remarks, cvy_prepare_job *j, const batch *b, slot *s) {
  j->done++;
  if (s->err == CVY_E_INPUT) {
    note(&remarks->rejected, b, s, s->reason);
    j->rejected++;
    return CVY_OK;
  }
  if (s->err) return cvy_error(s->err, "%s: %s", s->name, s->reason);
  CVY_TRY_IN(cvy_shard_add(shard, s->bytes, s->byte_count, s->label, s->name), "%s", s->name);
  if (s->mended[0]) note(&remarks->mended, b, s, s->mended);
  return CVY_OK;
}

static cvy_err fill(cvy_shard *shard, cvy_remarks *remarks, cvy_prepare_job *j, const cvy_prepare_part *part,
                    int64_t first, int64_t end, slot *slots) {
  const int64_t most = (int64_t)RECORDS_A_THREAD * cvy_threads();
  for (int64_t at = first; at < end && !j->stop; at += most) {
    const int64_t count = end - at < most ? end - at : most;
    const batch b = {j, part, at, slots};
    cvy_parallel(count, prepare_record, &b);
    cvy_err err = CVY_OK;
    for (int64_t i = 0; i < count; i++) {
      if (!err) err = take(shard, remarks, j, &b, &slots[i]);
      free(slots[i].name);
      free(slots[i].reason);
      slots[i].name = slots[i].reason = NULL;
    }
    CVY_TRY(err);
    cvy_prepare_beat(j, part->split, false);
  }
  return CVY_OK;
}

static cvy_err fill_with_slots(cvy_shard *shard, cvy_remarks *remarks, cvy_prepare_job *j,
                               const cvy_prepare_part *part, int64_t first, int64_t end) {
  const int64_t slot_count = (int64_t)RECORDS_A_THREAD * cvy_threads();
  slot *slots = cvy_new(sizeof *slots * (size_t)slot_count);
  const cvy_err err = fill(shard, remarks, j, part, first, end, slots);
  for (int64_t i = 0; i < slot_count; i++) free(slots[i].bytes);
  free(slots);
  return err;
}

static cvy_err finish(cvy_prepare_job *j, int64_t shard, cvy_shard *file, const cvy_remarks *remarks,
                      int64_t places) {
  cvy_prepare_entry *entry = &j->entries[shard];
  *entry = (cvy_prepare_entry){.records = places - remarks->rejected.count,
                               .rejected = remarks->rejected.count,
                               .mended = remarks->mended.count};
  if (j->stop) {
    cvy_shard_abandon(file);
    return cvy_prepare_write_journal(j, shard, remarks, false);
  }
  CVY_TRY(cvy_shard_close(file));
  for (int t = 0; t < cvy_threads(); t++) cvy_pixel_sums_merge(&entry->sums, &j->workers[t].sums);
  CVY_TRY(cvy_prepare_write_journal(j, shard, remarks, true));
  entry->stage = CVY_SHARD_WRITTEN;
  return CVY_OK;
}

/* Shard k of K holds the places k*n/K ... (k+1)*n/K-1 of its part, less what is rejected there. */
static int64_t place(const cvy_prepare_part *part, int64_t shard) {
  return part->first + (int64_t)((__int128)(shard - part->first_shard) * part->count / part->shard_count);
}

cvy_err cvy_prepare_write_shard(cvy_prepare_job *j, int64_t shard) {
  const cvy_prepare_part *part = cvy_prepare_part_of(j, shard);
  const cvy_source *s = &j->groups[part->group].source;
  const int64_t first = place(part, shard), end = place(part, shard + 1);
  const cvy_shard_config config = {.dir = j->work_dir,
                                   .split = part->split,
                                   .shard = shard - part->first_shard,
                                   .shard_count = part->shard_count,
                                   .most = end - first,
                                   .encoding = j->encoded ? CVY_ENCODED : CVY_RAW,
                                   .h = s->h,
                                   .w = s->w,
                                   .c = s->c,
                                   .shorter = j->encoded ? j->shorter : 0,
                                   .class_count = j->class_count,
                                   .class_names = j->class_names};
  cvy_remarks remarks = {0};
  cvy_shard *file;
  if (j->stop) return CVY_OK;
  if (!j->workers) j->workers = cvy_new(sizeof *j->workers * (size_t)cvy_threads());
  for (int t = 0; t < cvy_threads(); t++) j->workers[t].sums = (cvy_pixel_sums){0};
  CVY_TRY(cvy_shard_create(&file, &config));
  cvy_err err = fill_with_slots(file, &remarks, j, part, first, end);
  if (err)
    cvy_shard_abandon(file);
  else
    err = finish(j, shard, file, &remarks, end - first);
  cvy_remarks_free(&remarks);
  return err;
}

void cvy_prepare_free_workers(cvy_prepare_job *j) {
  for (int t = 0; j->workers && t < cvy_threads(); t++) {
    cvy_prepare_worker *w = &j->workers[t];
    for (int64_t i = 0; i < j->group_count; i++)
      if (w->open[i]) j->config->reader->close(&w->sources[i]);
    cvy_image_free(&w->decoded);
    cvy_image_free(&w->scaled);
    cvy_image_free(&w->upright);
    free(w->mended);
  }
  free(j->workers);
}
