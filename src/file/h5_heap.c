/* Checks the heaps in which HDF5 keeps texts of variable length. HDF5 1.10 walks through a heap from object
 * to object by the sizes that stand there, and never comes to an end where damage has made one of them 0.
 *
 * A heap begins with "GCOL", a version of 1, three zeros and its size. Objects follow: index (2 bytes),
 * references (2), zeros (4) and size; where the index is 0, the object is room that is left, and its size
 * has these fields in it. Heaps and objects begin at multiples of 8. */
#include "file/h5_call.h"
#include "file/mapped.h"

#include <string.h>

enum { STEP = 8, MARK_BYTES = 8, LEAST_HEAP = 4096 };

static const uint8_t mark[MARK_BYTES] = {'G', 'C', 'O', 'L', 1, 0, 0, 0};

static uint64_t number_at(const uint8_t *p, size_t bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes; i++) value |= (uint64_t)p[i] << (8 * i);
  return value;
}

static uint64_t in_steps(uint64_t bytes) {
  return (bytes + STEP - 1) / STEP * STEP;
}

/* Tells whether a walk through the heap, of `size` bytes, comes to its end. */
static bool is_sound(const uint8_t *heap, uint64_t size, size_t length_bytes) {
  const uint64_t head = in_steps(MARK_BYTES + length_bytes);
  for (uint64_t at = head; at + head <= size;) {
    const uint64_t index = number_at(heap + at, 2), bytes = number_at(heap + at + 8, length_bytes);
    if (bytes > size) return false;
    const uint64_t step = index == 0 ? bytes : head + in_steps(bytes);
    if (step < head || step > size - at) return false;
    at += step;
  }
  return true;
}

static cvy_err check(const cvy_h5_call *c, const cvy_mapped *file, size_t length_bytes) {
  for (size_t at = 0; file->count >= LEAST_HEAP && at <= file->count - LEAST_HEAP; at += STEP) {
    if (memcmp(file->data + at, mark, MARK_BYTES) != 0) continue;
    const uint64_t size = number_at(file->data + at + MARK_BYTES, length_bytes);
    if (size > file->count - at || !is_sound(file->data + at, size, length_bytes))
      return cvy_error(CVY_E_INPUT, "%s: the heap of its texts at byte %zu is damaged", c->file->path, at);
  }
  return CVY_OK;
}

cvy_err cvy_h5_check_heaps(const cvy_h5_call *c) {
  size_t address_bytes, length_bytes;
  cvy_mapped mapped;
  if (c->file->writing || c->file->heaps_are_sound) return CVY_OK;
  const hid_t plist = H5Fget_create_plist(c->file->id);
  const bool known = plist >= 0 && H5Pget_sizes(plist, &address_bytes, &length_bytes) >= 0 &&
                     length_bytes <= sizeof(uint64_t);
  if (plist >= 0) H5Pclose(plist);
  if (!known) return cvy_h5_failed(c, "cannot read its texts");
  CVY_TRY(cvy_mapped_open(&mapped, c->file->disk_path));
  const cvy_err err = check(c, &mapped, length_bytes);
  cvy_mapped_close(&mapped);
  c->file->heaps_are_sound = !err;
  return err;
}
