/* Checks of shapes, and where windows lie. */
#include "layer/shapes.h"

#include "base/count.h"

const char *const cvy_padding_words[] = {"same", "valid", NULL};

/* More than this is a slip of the pen; below it, sizes multiply without overflow. */
static const double most_elements = 0x1p40;

cvy_err cvy_layer_check_shape(cvy_shape s, const char *what) {
  if (s.n < 1 || s.h < 1 || s.w < 1 || s.c < 1)
    return cvy_error(CVY_E_INPUT,
                     "%s would be empty: %" PRId64 "x%" PRId64 "x%" PRId64 " for each of %" PRId64 " images",
                     what, s.h, s.w, s.c, s.n);
  const double count = (double)s.n * (double)s.h * (double)s.w * (double)s.c;
  if (count <= most_elements) return CVY_OK;
  return cvy_error(CVY_E_INPUT,
                   "%s would hold %.3g numbers (%" PRId64 "x%" PRId64 "x%" PRId64 " for each of %" PRId64
                   " images); at most %.3g fit",
                   what, count, s.h, s.w, s.c, s.n, most_elements);
}

cvy_err cvy_layer_check_input(const cvy_layer_plan *plan) {
  if (plan->input_count != 1)
    return cvy_error(CVY_E_INPUT, "it takes one input, not %" PRId64, plan->input_count);
  return cvy_layer_check_shape(plan->x[0], "the input");
}

/* One dimension of the window: height or width. */
typedef struct axis {
  const char *name;
  int64_t in, kernel, stride, padding;
  int64_t before, after, out;
} axis;

static void place_same(axis *a) {
  a->out = cvy_pieces(a->in, a->stride);
  const int64_t needed = (a->out - 1) * a->stride + a->kernel - a->in;
  const int64_t padding = cvy_larger(needed, 0);
  a->before = padding / 2;
  a->after = padding - a->before;
}

static cvy_err place(axis *a, bool round_up) {
  if (a->padding == CVY_PADDING_SAME) {
    place_same(a);
    return CVY_OK;
  }
  a->before = a->after = a->padding == CVY_PADDING_VALID ? 0 : a->padding;
  const int64_t room = a->in + a->before + a->after - a->kernel;
  if (room < 0)
    return cvy_error(CVY_E_INPUT,
                     "the kernel's %s is %" PRId64 ", but the input's is %" PRId64 " with %" PRId64
                     " of padding on each side: the kernel may be at most %" PRId64
                     ", or the padding must be at least %" PRId64,
                     a->name, a->kernel, a->in, a->before, a->kernel + room, (a->kernel - a->in + 1) / 2);
  a->out = (room + (round_up ? a->stride - 1 : 0)) / a->stride + 1;
  if (round_up && (a->out - 1) * a->stride >= a->in + a->before) a->out--;
  return CVY_OK;
}

cvy_err cvy_sliding_place(cvy_window *window, const cvy_sliding *sliding, cvy_shape x) {
  axis v = {.name = "height", .in = x.h}, h = {.name = "width", .in = x.w};
  v.kernel = sliding->kernel[0], v.stride = sliding->stride[0], v.padding = sliding->padding[0];
  h.kernel = sliding->kernel[1], h.stride = sliding->stride[1], h.padding = sliding->padding[1];
  CVY_TRY(place(&v, sliding->round_up));
  CVY_TRY(place(&h, sliding->round_up));
  *window = (cvy_window){.h = x.h,
                         .w = x.w,
                         .c = x.c,
                         .r = v.kernel,
                         .s = h.kernel,
                         .stride_h = v.stride,
                         .stride_w = h.stride,
                         .top = v.before,
                         .left = h.before,
                         .bottom = v.after,
                         .right = h.after,
                         .oh = v.out,
                         .ow = h.out};
  return CVY_OK;
}
