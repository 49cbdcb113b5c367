/* Reading the images of arrays that are open. */
#include "archive/arrays.h"
#include "file/bytes.h"

const cvy_arrays_part *cvy_arrays_part_of(const cvy_arrays *arrays, int64_t index) {
  int64_t low = 0, high = arrays->part_count - 1;
  CVY_CHECK(index >= 0 && index < arrays->count);
  while (low < high) {
    const int64_t middle = (low + high + 1) / 2;
    if (arrays->parts[middle].first <= index)
      low = middle;
    else
      high = middle - 1;
  }
  return &arrays->parts[low];
}

cvy_err cvy_arrays_read(const cvy_arrays *arrays, void *out, int64_t first, int64_t count) {
  const cvy_arrays_part *part = cvy_arrays_part_of(arrays, first);
  const int64_t bytes = arrays->h * arrays->w * arrays->c * (arrays->is_float ? (int64_t)sizeof(float) : 1);
  if (part->fd > 0)
    return cvy_read_at(out, part->fd, (first - part->first) * bytes, (size_t)(count * bytes), part->path);
  const cvy_h5_type type = arrays->is_float ? CVY_H5_F32 : CVY_H5_U8;
  return cvy_h5_read_rows(part->h5, part->name, type, out, first - part->first, count);
}
