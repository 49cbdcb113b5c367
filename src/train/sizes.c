/* Holds sizes of pictures against augmentations and networks. */
#include "train/sizes.h"

#include "base/count.h"

/* ---- through a chain ---- */

static cvy_err refuse(const cvy_dataset *data, int64_t index, const cvy_saved_error *why, int64_t count) {
  const int64_t all = cvy_dataset_describe(data)->count;
  if (cvy_dataset_describe(data)->h > 0) return cvy_error_restore(why); /* all are of that size */
  return cvy_dataset_error_in(cvy_error(CVY_E_INPUT,
                                        "%s; so it is with %" PRId64 " of the %" PRId64 " pictures",
                                        why->message, count, all),
                              data, index);
}

/* Warns where the chain may refuse pictures of which nobody knows the size. One of a single pixel is too
 * small for whatever can be too small. */
static void warn_of_unknown(const cvy_dataset *data, const cvy_augment *augment, bool training) {
  int64_t h, w;
  if (!cvy_augment_least(&h, &w, augment, 1, 1, training)) return;
  cvy_warn("%s: the sizes of its pictures are not recorded, so one that is too small for the augmentations "
           "is found only when it is read; 'convoy prepare' of today records them",
           cvy_dataset_source(data)->name);
}

cvy_err cvy_sizes_check(const cvy_dataset *data, const cvy_augment *augment, bool training, bool skips_bad) {
  const cvy_dataset_info *info = cvy_dataset_describe(data);
  const int64_t different = info->h > 0 ? 1 : info->count;
  cvy_saved_error first = {0};
  int64_t count = 0, first_index = 0, known = 0;
  for (int64_t i = 0; i < different; i++) {
    int64_t h, w;
    if (!cvy_dataset_size(&h, &w, data, i)) continue;
    known++;
    const cvy_err err = cvy_augment_least(&h, &w, augment, h, w, training);
    if (!err) continue;
    if (count++ > 0) continue;
    first_index = i;
    cvy_error_save(&first, err);
  }
  if (known == 0) warn_of_unknown(data, augment, training);
  if (count == 0) return CVY_OK;
  const cvy_err err = refuse(data, first_index, &first, count);
  if (!skips_bad || count == different) return err;
  cvy_warn("%s; others take their place", cvy_err_message());
  return CVY_OK;
}

/* ---- to a network ---- */

/* Writes "28" or "[28, 32]", as options of augmentations are given. */
static void print_pair(char out[64], int64_t h, int64_t w) {
  if (h == w)
    snprintf(out, 64, "%" PRId64, h);
  else
    snprintf(out, 64, "[%" PRId64 ", %" PRId64 "]", h, w);
}

void cvy_sizes_advise_crop(cvy_text *out, int64_t h, int64_t w) {
  char size[64];
  print_pair(size, h, w);
  cvy_text_add(out,
               "'- random_resized_crop: {size: %s}' would end that, or '- resize: {shorter: %" PRId64
               "}' and then '- crop: {size: %s}'",
               size, cvy_larger(h, w), size);
}

static void advise(cvy_text *out, int64_t h, int64_t w, const cvy_shape *input) {
  char size[64], border[64];
  const int64_t more_h = input->h - h, more_w = input->w - w;
  print_pair(size, input->h, input->w);
  print_pair(border, more_h / 2, more_w / 2);
  if (more_h <= 0 && more_w <= 0)
    cvy_text_add(out, "'- crop: {size: %s}' would cut that out, ", size);
  else if (more_h >= 0 && more_w >= 0 && more_h % 2 == 0 && more_w % 2 == 0)
    cvy_text_add(out, "'- pad: {by: %s}' would add a border, ", border);
  cvy_text_add(out, "'- resize: {size: %s}' would scale them", size);
}

static cvy_err refuse_channels(int64_t c, const char *path, const cvy_net_info *net) {
  const char *colour = net->input.c == 1 ? "grey" : net->input.c == 3 ? "rgb" : NULL;
  return cvy_error(CVY_E_INPUT,
                   "%s: images have %" PRId64 " channel%s, network '%s' takes %" PRId64
                   "%s%s; or give its 'input' %" PRId64,
                   path, c, c > 1 ? "s" : "", net->name, net->input.c,
                   colour ? ": convoy prepare would make them so by --colour " : "", colour ? colour : "", c);
}

cvy_err cvy_sizes_fit(int64_t h, int64_t w, int64_t c, const char *path, const cvy_net_info *net) {
  char chars[400];
  cvy_text advice = cvy_text_in(chars, sizeof chars);
  const cvy_shape *input = &net->input;
  if (c != input->c && ((h == input->h && w == input->w) || h == 0)) return refuse_channels(c, path, net);
  if (h == input->h && w == input->w) return CVY_OK;
  if (h > 0) {
    advise(&advice, h, w, input);
    return cvy_error(CVY_E_INPUT,
                     "%s: images are %" PRId64 "x%" PRId64 "x%" PRId64
                     " after augmentation; network '%s' takes %" PRId64 "x%" PRId64 "x%" PRId64 ": %s",
                     path, h, w, c, net->name, input->h, input->w, input->c, chars);
  }
  cvy_sizes_advise_crop(&advice, input->h, input->w);
  return cvy_error(CVY_E_INPUT,
                   "%s: images are of varying size after augmentation; network '%s' takes %" PRId64
                   "x%" PRId64 "x%" PRId64 ": %s",
                   path, net->name, input->h, input->w, input->c, chars);
}
