/* Chunks and filters: a dataset whose unpacked chunks stay in memory, filters whose parameters cannot be, and
 * what a filter that is missing here is called.
 *
 * HDF5 keeps unpacked chunks for as long as a dataset is open, 1 MiB of them, and none that is larger. Rows
 * in random order then unpack a whole chunk each, which may hold a thousand rows. So the dataset stays open,
 * with room for its chunks. */
#include "file/h5_call.h"

/* ---- filters ---- */

/* These are the filters that people meet, by the numbers that The HDF Group registered. `package` is
 * Debian's. */
static const struct {
  H5Z_filter_t id;
  const char *name, *package;
} known[] = {
    {H5Z_FILTER_DEFLATE, "gzip", NULL},
    {H5Z_FILTER_SZIP, "szip", NULL},
    {307, "bzip2", "hdf5-filter-plugin"},
    {32000, "lzf", "hdf5-plugin-lzf"},
    {32001, "blosc", "hdf5-filter-plugin-blosc-serial"},
    {32002, "mafisc", NULL},
    {32003, "snappy", NULL},
    {32004, "lz4", "hdf5-filter-plugin"},
    {32008, "bitshuffle", "hdf5-filter-plugin"},
    {32013, "zfp", "hdf5-filter-plugin-zfp-serial"},
    {32015, "zstd", NULL},
    {32017, "sz", NULL},
    {32024, "sz3", NULL},
    {32026, "blosc2", NULL},
};

typedef struct filter {
  H5Z_filter_t id;
  char own_name[64]; /* as the file has it */
} filter;

/* Finds the first filter of a dataset that this machine lacks. */
static bool find_missing(filter *out, hid_t dataset) {
  const hid_t layout = H5Dget_create_plist(dataset);
  const int count = layout < 0 ? 0 : H5Pget_nfilters(layout);
  bool missing = false;
  for (int i = 0; i < count && !missing; i++) {
    unsigned flags, config;
    size_t values = 0;
    out->own_name[0] = '\0';
    out->id = H5Pget_filter2(layout, (unsigned)i, &flags, &values, NULL, sizeof out->own_name, out->own_name,
                             &config);
    out->own_name[sizeof out->own_name - 1] = '\0';
    missing = out->id >= 0 && H5Zfilter_avail(out->id) <= 0;
  }
  if (layout >= 0) H5Pclose(layout);
  return missing;
}

static cvy_err missing_filter(const cvy_h5_call *c, const filter *f) {
  const char *name = f->own_name, *package = NULL;
  for (int64_t i = 0; i < CVY_COUNT(known); i++)
    if (known[i].id == f->id) {
      name = known[i].name;
      package = known[i].package;
    }
  return cvy_error(
      CVY_E_INPUT,
      "%s: dataset '%s' is compressed by %s (HDF5 filter %d), whose plug-in is not here%s%s%s. Where "
      "it is, 'h5repack -f GZIP=4 IN OUT' makes a file that every HDF5 reads; or let "
      "HDF5_PLUGIN_PATH name the folder of the plug-in",
      c->file->path, c->name, name[0] ? name : "an unknown filter", (int)f->id,
      package ? " (Debian's package " : "", package ? package : "", package ? ")" : "");
}

cvy_err cvy_h5_unreadable(const cvy_h5_call *c, hid_t dataset, const char *doing) {
  filter f;
  const cvy_err err = cvy_h5_failed(c, doing);
  const bool is_dataset = H5Iget_type(dataset) == H5I_DATASET;
  return is_dataset && find_missing(&f, dataset) ? missing_filter(c, &f) : err;
}

/* Tells whether a filter of HDF5's own has parameters by which it can unpack a chunk of `elements`. HDF5 does
 * not look: szip divides by a number that is not there. */
static bool can_unpack(H5Z_filter_t id, const unsigned *values, size_t count, hsize_t elements) {
  if (id == H5Z_FILTER_SZIP)
    return count == 4 && values[1] >= 2 && values[1] <= 32 && values[1] % 2 == 0 && values[2] >= 1 &&
           values[2] <= 64 && values[3] >= 1 && values[3] <= 128 * values[1];
  if (id == H5Z_FILTER_NBIT) return count >= 5 && values[0] == count && values[2] == elements;
  if (id == H5Z_FILTER_SCALEOFFSET) return count == 20 && values[2] == elements && values[4] <= 8;
  return true;
}

const char *cvy_h5_wrong_filter(hid_t dataset) {
  enum { MOST_VALUES = 32 };
  static const char *const names[] = {
      [H5Z_FILTER_SZIP] = "szip", [H5Z_FILTER_NBIT] = "nbit", [H5Z_FILTER_SCALEOFFSET] = "scaleoffset"};
  hsize_t chunk[H5S_MAX_RANK], elements = 1;
  const char *wrong = NULL;
  const hid_t plist = H5Dget_create_plist(dataset);
  const bool in_chunks = plist >= 0 && H5Pget_layout(plist) == H5D_CHUNKED;
  const int dim_count = in_chunks ? H5Pget_chunk(plist, H5S_MAX_RANK, chunk) : 0;
  for (int i = 0; i < dim_count; i++) elements *= chunk[i];
  for (int i = 0; in_chunks && i < H5Pget_nfilters(plist) && !wrong; i++) {
    unsigned flags, config, values[MOST_VALUES] = {0};
    size_t count = MOST_VALUES;
    const H5Z_filter_t id = H5Pget_filter2(plist, (unsigned)i, &flags, &count, values, 0, NULL, &config);
    if (!can_unpack(id, values, count, elements)) wrong = names[id];
  }
  if (plist >= 0) H5Pclose(plist);
  return wrong;
}

cvy_err cvy_h5_check_filters(const cvy_h5_call *c, hid_t dataset) {
  const char *wrong = cvy_h5_wrong_filter(dataset);
  if (!wrong) return CVY_OK;
  return cvy_error(
      CVY_E_INPUT,
      "%s: dataset '%s' is compressed by %s, whose parameters in the file are damaged or missing",
      c->file->path, c->name, wrong);
}

/* ---- chunks ---- */

/* The table of HDF5's cache puts a chunk by a number made of its place, bit field by bit field; two chunks of
 * one slot drive each other out. So it gets a slot for each number, up to a bound. */
enum { LEAST_SLOTS = 521, MOST_SLOTS = 1 << 20 };

typedef struct layout {
  int dim_count;
  hsize_t dims[H5S_MAX_RANK], chunk[H5S_MAX_RANK];
  double row_bytes, all_bytes, slots; /* row_bytes: of all chunks with the same rows */
} layout;

static cvy_err measure(layout *l, cvy_h5_call *c, hid_t dataset, hid_t plist) {
  const hid_t space = cvy_h5_keep(c, H5Dget_space(dataset)), type = cvy_h5_keep(c, H5Dget_type(dataset));
  H5_TRY(c, space >= 0 && type >= 0, "cannot read its shape");
  l->dim_count = H5Sget_simple_extent_dims(space, l->dims, NULL);
  H5_TRY(c, l->dim_count > 0 && H5Pget_chunk(plist, H5S_MAX_RANK, l->chunk) == l->dim_count,
         "cannot read its chunks");
  l->row_bytes = (double)H5Tget_size(type);
  l->slots = 1;
  double rows = 1;
  for (int i = 0; i < l->dim_count; i++) {
    const double count = (double)((l->dims[i] + l->chunk[i] - 1) / l->chunk[i]);
    double fields = 1;
    while (fields < count) fields *= 2;
    l->slots *= i == 0 ? count + 1 : fields;
    l->row_bytes *= (double)l->chunk[i] * (i == 0 ? 1 : count);
    if (i == 0) rows = count;
  }
  l->all_bytes = l->row_bytes * rows;
  return CVY_OK;
}

/* Opens the dataset anew, with a cache of `bytes` bytes, and keeps it open. */
static cvy_err open_held(cvy_h5_call *c, const layout *l, double bytes) {
  const double slots = l->slots > MOST_SLOTS ? MOST_SLOTS : l->slots < LEAST_SLOTS ? LEAST_SLOTS : l->slots;
  const hid_t access = cvy_h5_keep(c, H5Pcreate(H5P_DATASET_ACCESS));
  H5_TRY(c, access >= 0 && H5Pset_chunk_cache(access, (size_t)slots, (size_t)bytes, 0) >= 0, "cannot open");
  c->file->held = H5Dopen2(c->file->id, c->name, access);
  H5_TRY(c, c->file->held >= 0, "cannot open");
  c->file->held_name = cvy_format("%s", c->name);
  return CVY_OK;
}

/* Returns how large the cache should be. A tenth more than all chunks is enough, for HDF5 drives chunks out
 * before the next comes in. If that is more than `most_bytes`, these are taken, but at least twice what the
 * chunks with the same rows need. */
static double cache_bytes(const layout *l, double most_bytes) {
  const double enough = l->all_bytes * 1.1, least = l->row_bytes * 2;
  return enough <= most_bytes ? enough : least > most_bytes ? least : most_bytes;
}

static cvy_err look_at_chunks(int64_t *chunk_rows, layout *l, cvy_h5_call *c, hid_t dataset) {
  filter missing;
  const hid_t plist = cvy_h5_keep(c, H5Dget_create_plist(dataset));
  H5_TRY(c, plist >= 0, "cannot open");
  if (H5Pget_layout(plist) != H5D_CHUNKED) return CVY_OK;
  if (find_missing(&missing, dataset)) return missing_filter(c, &missing);
  CVY_TRY(cvy_h5_check_filters(c, dataset));
  CVY_TRY(measure(l, c, dataset, plist));
  *chunk_rows = l->chunk[0] > INT64_MAX ? INT64_MAX : (int64_t)l->chunk[0];
  return CVY_OK;
}

static cvy_err hold(int64_t *chunk_rows, cvy_h5_call *c, int64_t most_bytes) {
  layout l = {0};
  *chunk_rows = 0;
  const hid_t dataset = H5Dopen2(c->file->id, c->name, H5P_DEFAULT);
  H5_TRY(c, dataset >= 0, "cannot open");
  const cvy_err err = look_at_chunks(chunk_rows, &l, c, dataset);
  H5Dclose(dataset); /* or the cache of this opening would be that of the next */
  if (err || *chunk_rows == 0) return err;
  const double bytes = cache_bytes(&l, (double)most_bytes);
  return open_held(c, &l, bytes < 1e15 ? bytes : 1e15);
}

cvy_err cvy_h5_hold(int64_t *chunk_rows, cvy_h5 *file, const char *name, int64_t most_bytes) {
  CVY_CHECK(file->held < 0, "a file holds one dataset");
  cvy_h5_call c = cvy_h5_enter(file, name);
  return cvy_h5_leave(&c, hold(chunk_rows, &c, most_bytes));
}
