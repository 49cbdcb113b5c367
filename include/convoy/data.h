/* From files to the network's input: shards, the sampler, augmentation, the prefetching loader.
 *
 * A shard is a plain HDF5 file (datasets/README.md gives the format); a dataset is a set of shards that
 * agree. Loader threads read, decode, augment and normalise microbatches ahead of the training step.
 * Everything random is keyed by (seed, epoch, sample), so the stream of samples does not know about ranks or
 * threads. Nothing here is collective; MPI is never called.
 */
#ifndef CONVOY_DATA_H
#define CONVOY_DATA_H

#include <convoy/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cvy_yaml; /* base/yaml.h */

enum { CVY_MAX_CHANNELS = 4 };

/* ---- pictures ----------------------------------------------------------------------------------------- */

/* h x w x c samples, channels innermost, rows from the top. The buffer grows as needed and is reused;
 * cvy_image_free gives it back. */
typedef struct cvy_image {
  int64_t h, w, c;
  uint8_t *px;
  size_t capacity_bytes;
} cvy_image;

void cvy_image_resize_buffer(cvy_image *image, int64_t h, int64_t w, int64_t c);
void cvy_image_free(cvy_image *image);
/* Decodes a JPEG or PNG file's bytes (told apart by their signature) to `channels` (1: grey, 3: RGB, 0: as in
 * the file). CMYK becomes RGB, 16 bits become 8, transparent pixels show white; an EXIF orientation is not
 * applied. Truncated or damaged bytes, other formats and more than 100 million pixels are errors that say
 * what is wrong; the caller puts the name in front. On an error `out` holds nothing useful. */
cvy_err cvy_image_decode(cvy_image *out, const void *bytes, size_t byte_count,
                         int64_t channels) CVY_MUST_CHECK;
/* Of the header alone: the size, and in place of *channels = 0 those of the file. Errors as above. */
cvy_err cvy_image_size(int64_t *h, int64_t *w, int64_t *channels, const void *bytes,
                       size_t byte_count) CVY_MUST_CHECK;
/* A part of a picture, in its pixels, and how coarse it may be: pixels of the picture to a pixel that is wanted. */
typedef struct cvy_image_part {
  int64_t top, left, h, w;
  double shrink;
  int64_t step; /* received: parts begin at multiples of so many columns of `out`; 0: there are only wholes */
} cvy_image_part;
/* The same as cvy_image_decode, of a part only, which comes out no smaller, and no coarser, than asked for: `part` receives
 * what `out` shows. Of a JPEG the DCT is done at 1/2, 1/4 or 1/8 of the size where that is enough, and only what is asked
 * for is made into pixels; damage in the rest may go unnoticed. The pixels are those of the whole picture's decoding. */
cvy_err cvy_image_decode_part(cvy_image *out, cvy_image_part *part, const void *bytes, size_t byte_count,
                              int64_t channels) CVY_MUST_CHECK;
/* What cvy_image_decode_part makes of a file of which `whole` is all that it makes at that scale (1, 2, 4, 8), with `step`. */
void cvy_image_cut(cvy_image *out, cvy_image_part *part, const cvy_image *whole, int64_t step, int64_t scale);
/* The scale at which a part is decoded. */
int64_t cvy_image_scale_for(double shrink);
/* The same, but a JPEG much larger than h x w is decoded at 1/2, 1/4 or 1/8 of its size (the smallest that is still at
 * least h x w), which is faster and loses nothing that scaling to h x w would keep. full[2]: height and width of the
 * file's picture. h, w of 0: whole. */
cvy_err cvy_image_decode_at_least(cvy_image *out, int64_t full[2], const void *bytes, size_t byte_count,
                                  int64_t channels, int64_t h, int64_t w) CVY_MUST_CHECK;
/* The orientation that the EXIF data of a JPEG file claims: 1 (upright, or nothing said) to 8. */
int cvy_image_orientation(const void *bytes, size_t byte_count);
/* Turns and mirrors a picture with that orientation upright. `out` is not `in`. */
void cvy_image_turn(cvy_image *out, const cvy_image *in, int orientation);
/* A JPEG file of a grey or RGB picture, quality 1 to 100, the same bytes everywhere; *bytes: free(). CVY_E_INPUT if a side is
 * too long for one. */
cvy_err cvy_image_encode(void **bytes, size_t *byte_count, const cvy_image *image,
                         int64_t quality) CVY_MUST_CHECK;
/* A PNG file of a grey or RGB picture; *bytes: free(). The bytes are zlib's, the picture is the same everywhere. */
cvy_err cvy_image_encode_png(void **bytes, size_t *byte_count, const cvy_image *image) CVY_MUST_CHECK;
/* Scales to h x w, each axis for itself: area averaging when shrinking, bilinear between pixel centres when
 * growing. The same bits everywhere. `out` is not `in`; its buffer is reused, so the next call of the same
 * sizes allocates nothing. */
void cvy_image_scale(cvy_image *out, const cvy_image *in, int64_t h, int64_t w);

/* ---- datasets ----------------------------------------------------------------------------------------- */

typedef struct cvy_dataset cvy_dataset;

typedef struct cvy_dataset_info {
  int64_t count;   /* images in all shards */
  int64_t h, w, c; /* of every image; h = w = 0 if they vary in size */
  int64_t class_count;
  const char *const *class_names;
  float mean[CVY_MAX_CHANNELS]; /* per channel, over the training split, in units of the stored samples */
  float deviation[CVY_MAX_CHANNELS];
  int64_t shard_count;
  /* For PCA colour (Krizhevsky et al. 2012, section 4.1): the covariance of a pixel's channels over the training
   * split as eigenvalues, the largest first, in squared units of the stored samples, and eigenvectors
   * [which][channel] of length 1. Unknown for grey sets, foreign files and shards of version 1. */
  bool has_colour;
  float colour_values[CVY_MAX_CHANNELS];
  float colour_vectors[CVY_MAX_CHANNELS][CVY_MAX_CHANNELS];
} cvy_dataset_info;

/* Opens `path`: a file; or a folder, whose shards `split`-*.h5 are taken; or a prefix "dir/train". Plain HDF5
 * files as h5py users write them are read too. Errors: nothing there, a missing shard of the set, foreign or
 * truncated HDF5, labels out of range (names file and record), shards that disagree in shape, channels or
 * classes. */
cvy_err cvy_dataset_open(cvy_dataset **out, const char *path, const char *split) CVY_MUST_CHECK;
void cvy_dataset_close(cvy_dataset *dataset);
const cvy_dataset_info *cvy_dataset_describe(const cvy_dataset *dataset);
/* XXH3 over the contents' description and checksums: the same on every rank that sees the same data. */
cvy_hash cvy_dataset_fingerprint(const cvy_dataset *dataset);

/* What stays in memory once it was read: records as they are stored, or pictures decoded whole at each scale that was asked
 * for. What is read is the same to the bit. Once verified, a kept record is not verified again. */
typedef enum cvy_keep { CVY_KEEP_NOTHING, CVY_KEEP_RECORDS, CVY_KEEP_PICTURES } cvy_keep;
/* Before anybody reads, once. No more than `memory_bytes`: what fits stays. */
cvy_err cvy_dataset_keep(cvy_dataset *dataset, cvy_keep keep, size_t memory_bytes) CVY_MUST_CHECK;
typedef struct cvy_kept {
  int64_t entries; /* records or pictures */
  size_t bytes, limit_bytes;
} cvy_kept;
cvy_kept cvy_dataset_kept(const cvy_dataset *dataset); /* zeros if nothing is to be kept */

/* ---- augmentation ------------------------------------------------------------------------------------- */

/* A chain of augmentations as the recipe lists them. `list` is the recipe's YAML (NULL: none); in_h, in_w of
 * 0 mean that sizes vary. *out_h, *out_w receive the size that leaves the chain, 0 if it still varies. */
typedef struct cvy_augment cvy_augment;
cvy_err cvy_augment_create(cvy_augment **out, const struct cvy_yaml *list, int64_t in_h, int64_t in_w,
                           int64_t *out_h, int64_t *out_w) CVY_MUST_CHECK;
/* Whether pictures of `c` channels can go through it (NULL: none, so they can). Errors point at the recipe. */
cvy_err cvy_augment_check_channels(const cvy_augment *augment, int64_t c) CVY_MUST_CHECK;
/* Whether it can train, on microbatches of so many images of this set: what mixes pictures takes them by twos, several views
 * are for evaluation, and some augmentations want to know more about the set than others. Errors likewise. */
cvy_err cvy_augment_check_training(const cvy_augment *augment, int64_t microbatch,
                                   const cvy_dataset *dataset) CVY_MUST_CHECK;
/* Whether it mixes pictures. */
bool cvy_augment_mixes(const cvy_augment *augment);
/* How many views of each image evaluation takes the mean over; 1 of most chains. */
int64_t cvy_augment_views(const cvy_augment *augment);
/* The same list with every option written out, in `pool`. */
cvy_err cvy_augment_resolve(struct cvy_yaml **out, cvy_pool *pool,
                            const struct cvy_yaml *list) CVY_MUST_CHECK;
void cvy_augment_destroy(cvy_augment *augment);

/* ---- the loader --------------------------------------------------------------------------------------- */

typedef enum cvy_shuffle {
  CVY_SHUFFLE_FULL, /* any record may follow any other */
  CVY_SHUFFLE_BLOCK,
  CVY_SHUFFLE_NONE
} cvy_shuffle;

/* CVY_SHUFFLE_BLOCK: an epoch's blocks of `block` neighbouring records come in random order, and the records of each
 * `window` consecutive blocks in random order again, so that the files are read block by block. */
typedef struct cvy_blocks {
  int64_t block, window;
} cvy_blocks;

/* Step s trains on positions s*B ... s*B+B-1 of an endless stream of epochs, B = microbatch * per_step:
 * position p is place p mod count of epoch p / count, whose order is a permutation keyed by (seed, epoch).
 * Microbatch m of the step holds B's images m*microbatch ... +microbatch-1; this loader delivers those of
 * first ... first+own-1, for the steps first_step ... end_step-1, in order. Without shuffling, position p is
 * image p, and positions past the last image deliver zeros with label -1 (evaluation).
 *
 * Where the chain mixes pictures, those at positions 2i and 2i+1 become each other's partners: random ones, as the stream is
 * shuffled. Where it makes V views (in evaluation), each microbatch comes V times, as view 0 ... V-1. */
typedef struct cvy_loader_config {
  cvy_dataset *dataset;       /* outlives the loader; several loaders may read it */
  const cvy_augment *augment; /* NULL: none */
  bool training;       /* shuffle, and random augmentation; else the augmentation's deterministic form */
  cvy_shuffle shuffle; /* of training */
  cvy_blocks blocks;   /* of CVY_SHUFFLE_BLOCK */
  uint64_t seed;
  int64_t h, w, c; /* the network's input */
  int64_t microbatch, per_step;
  int64_t first, own;
  int64_t first_step, end_step;
  int64_t depth;   /* microbatches kept ready, at least 2 */
  int64_t threads; /* that read, decode and augment; at least 1 */
  bool
      skips_bad; /* a record that cannot be read is replaced by the next one, with a warning; else it is an error */
  float mean[CVY_MAX_CHANNELS], deviation[CVY_MAX_CHANNELS]; /* input = (sample - mean) / deviation */
} cvy_loader_config;

typedef struct cvy_microbatch {
  const float *images;   /* [microbatch][h][w][c], 64-byte aligned */
  const int32_t *labels; /* [microbatch] */
  /* [microbatch]: where the chain mixes pictures, else NULL: the label of the other picture in each, and the weight of
   * the own label, 0 ... 1 */
  const int32_t *partners;
  const float *shares;
  int64_t skipped; /* bad records that were replaced on the way to these images */
} cvy_microbatch;

typedef struct cvy_loader cvy_loader;
cvy_err cvy_loader_create(cvy_loader **out, const cvy_loader_config *config) CVY_MUST_CHECK;
void cvy_loader_destroy(cvy_loader *loader); /* stops the threads, also in mid-stream */
/* Waits for the next microbatch; it stays valid until cvy_loader_release. An error of the loader's threads comes
 * out here, with the file and record. No allocation. */
cvy_err cvy_loader_next(cvy_microbatch *out, cvy_loader *loader) CVY_MUST_CHECK;
void cvy_loader_release(cvy_loader *loader);
/* Seconds that all threads together have spent so far: reading and verifying bytes; decoding; scaling, turning and bending
 * what is in sight (with the normalising of its rows, which is part of the same loop); augmentations that compute samples;
 * and pictures whose pixels are at most moved or mirrored, from bytes to normalised floats. */
typedef struct cvy_input_times {
  double read_s, decode_s, warp_s, colour_s, copy_s;
} cvy_input_times;
cvy_input_times cvy_loader_times(cvy_loader *loader);
/* Seconds that cvy_loader_next has waited so far. */
double cvy_loader_waited_s(const cvy_loader *loader);

#ifdef __cplusplus
}
#endif
#endif
