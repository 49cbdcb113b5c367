/* The values of an ONNX graph: their names, constants, and which tensors they are. */
#include "formats/onnx_build.h"

#include "archive/unpack.h"
#include "base/text.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_NUMBERS = 64, MOST_MADE = 1 << 24 };

/* ---- names ---- */

cvy_err cvy_onnx_wrong(const cvy_onnx_builder *b, const cvy_onnx_node *node, const char *format, ...) {
  char what[1024];
  va_list args;
  va_start(args, format);
  vsnprintf(what, sizeof what, format, args);
  va_end(args);
  return cvy_error(CVY_E_INPUT, "%s: %s '%s', which makes '%s': %s", b->file->path, node->type, node->name,
                   node->output_count ? node->outputs[0] : "", what);
}

cvy_onnx_value *cvy_onnx_value_of(const cvy_onnx_builder *b, const char *name) {
  const int64_t at = name[0] ? cvy_find_by_text(b->values, b->value_count, sizeof *b->values, name) : -1;
  return at < 0 ? NULL : &b->values[at];
}

cvy_onnx_value *cvy_onnx_in(const cvy_onnx_builder *b, const cvy_onnx_node *node, int64_t index) {
  return index < node->input_count ? cvy_onnx_value_of(b, node->inputs[index]) : NULL;
}

cvy_onnx_value *cvy_onnx_out(const cvy_onnx_builder *b, const cvy_onnx_node *node) {
  return cvy_onnx_value_of(b, node->outputs[0]);
}

void cvy_onnx_alias(cvy_onnx_value *to, const cvy_onnx_value *from) {
  const cvy_onnx_value before = *to;
  *to = *from;
  to->name = before.name;
  to->readers = before.readers;
  to->is_output = before.is_output;
}

void cvy_onnx_set_tensor(cvy_onnx_value *value, const cvy_onnx_tensor *t) {
  value->kind = CVY_ONNX_WEIGHTS;
  value->tensor = t;
  value->dim_count = t->dim_count;
  value->count = t->count;
  int64_t step = 1;
  for (int i = t->dim_count - 1; i >= 0; i--) {
    value->dims[i] = t->dims[i];
    value->strides[i] = step;
    step *= t->dims[i];
  }
}

static void add_name(cvy_onnx_builder *b, const char *name) {
  if (name[0]) b->values[b->value_count++] = (cvy_onnx_value){.name = name};
}

static cvy_err check_names(const cvy_onnx_builder *b) {
  for (int64_t i = 1; i < b->value_count; i++)
    if (strcmp(b->values[i - 1].name, b->values[i].name) == 0)
      return cvy_error(CVY_E_INPUT, "%s: two nodes make '%s', or it is made and an input", b->file->path,
                       b->values[i].name);
  return CVY_OK;
}

/* Older files list initializers among the inputs as well. */
static void add_inputs(cvy_onnx_builder *b) {
  const cvy_onnx_model *m = b->model;
  const char **names = cvy_pool_new(b->pool, sizeof *names * (size_t)(m->initializer_count + 1));
  for (int64_t i = 0; i < m->initializer_count; i++) names[i] = m->initializers[i].name;
  cvy_sort_by_text(names, m->initializer_count, sizeof *names);
  for (int64_t i = 0; i < m->input_count; i++)
    if (cvy_find_by_text(names, m->initializer_count, sizeof *names, m->inputs[i].name) < 0)
      add_name(b, m->inputs[i].name);
}

static void list_names(cvy_onnx_builder *b) {
  const cvy_onnx_model *m = b->model;
  int64_t count = m->input_count + m->initializer_count;
  for (int64_t i = 0; i < m->node_count; i++) count += m->nodes[i].output_count;
  b->values = cvy_pool_new(b->pool, sizeof *b->values * (size_t)(count + 1));
  for (int64_t i = 0; i < m->initializer_count; i++) add_name(b, m->initializers[i].name);
  for (int64_t i = 0; i < m->node_count; i++)
    for (int64_t k = 0; k < m->nodes[i].output_count; k++) add_name(b, m->nodes[i].outputs[k]);
  add_inputs(b);
  cvy_sort_by_text(b->values, b->value_count, sizeof *b->values);
}

/* Counts who reads a value, of nodes that the outputs depend on: nodes stand behind those that they read. */
static cvy_err follow_readers(cvy_onnx_builder *b) {
  const cvy_onnx_model *m = b->model;
  for (int64_t i = 0; i < m->output_count; i++) {
    cvy_onnx_value *out = cvy_onnx_value_of(b, m->outputs[i]);
    if (!out)
      return cvy_error(CVY_E_INPUT, "%s: no node makes the output '%s'", b->file->path, m->outputs[i]);
    out->is_output = true;
  }
  for (int64_t i = m->node_count - 1; i >= 0; i--) {
    const cvy_onnx_node *node = &m->nodes[i];
    for (int64_t k = 0; k < node->output_count; k++) {
      const cvy_onnx_value *out = cvy_onnx_value_of(b, node->outputs[k]);
      b->is_live[i] = b->is_live[i] || (out && (out->readers > 0 || out->is_output));
    }
    for (int64_t k = 0; b->is_live[i] && k < node->input_count; k++) {
      cvy_onnx_value *in = cvy_onnx_value_of(b, node->inputs[k]);
      if (in) in->readers++;
    }
  }
  return CVY_OK;
}

cvy_err cvy_onnx_list_values(cvy_onnx_builder *b) {
  const cvy_onnx_model *m = b->model;
  list_names(b);
  CVY_TRY(check_names(b));
  b->is_live = cvy_pool_new(b->pool, sizeof *b->is_live * (size_t)(m->node_count + 1));
  b->is_read = cvy_pool_new(b->pool, sizeof *b->is_read * (size_t)(m->initializer_count + 1));
  CVY_TRY(follow_readers(b));
  for (int64_t i = 0; i < m->initializer_count; i++) {
    cvy_onnx_value *value = cvy_onnx_value_of(b, m->initializers[i].name);
    if (!value) continue;
    cvy_onnx_set_tensor(value, &m->initializers[i]);
    b->is_read[i] = value->readers > 0;
  }
  return CVY_OK;
}

/* ---- attributes and small constants ---- */

const cvy_onnx_attribute *cvy_onnx_attribute_of(const cvy_onnx_node *node, const char *name) {
  for (int64_t i = 0; i < node->attribute_count; i++)
    if (strcmp(node->attributes[i].name, name) == 0) return &node->attributes[i];
  return NULL;
}

int64_t cvy_onnx_integer(const cvy_onnx_node *node, const char *name, int64_t fallback) {
  const cvy_onnx_attribute *a = cvy_onnx_attribute_of(node, name);
  return a ? a->integer : fallback;
}

double cvy_onnx_real(const cvy_onnx_node *node, const char *name, double fallback) {
  const cvy_onnx_attribute *a = cvy_onnx_attribute_of(node, name);
  return a ? a->number : fallback;
}

double cvy_onnx_weight(const cvy_onnx_value *v, int64_t index) {
  int64_t at = 0;
  for (int i = v->dim_count - 1; i >= 0; i--) {
    at += index % v->dims[i] * v->strides[i];
    index /= v->dims[i];
  }
  return cvy_onnx_number(v->tensor, at);
}

static cvy_err not_constant(const cvy_onnx_builder *b, const cvy_onnx_node *node, int64_t index) {
  return cvy_onnx_wrong(b, node, "its input '%s' has to be a constant", node->inputs[index]);
}

static bool is_readable(const cvy_onnx_tensor *t) {
  return t->type >= CVY_ONNX_FLOAT && t->type <= CVY_ONNX_DOUBLE && t->type != CVY_ONNX_STRING &&
         t->type != CVY_ONNX_FLOAT16;
}

static cvy_err integers_of(int64_t *out, int64_t *count, int64_t most, const cvy_onnx_builder *b,
                           const cvy_onnx_node *node, int64_t index) {
  const cvy_onnx_value *v = cvy_onnx_in(b, node, index);
  const bool numbers = v->kind == CVY_ONNX_NUMBERS;
  if (!numbers && (v->kind != CVY_ONNX_WEIGHTS || !is_readable(v->tensor)))
    return not_constant(b, node, index);
  *count = numbers ? v->number_count : v->count;
  if (*count > most)
    return cvy_onnx_wrong(b, node, "its input '%s' has %" PRId64 " numbers; at most %" PRId64 " are expected",
                          v->name, *count, most);
  for (int64_t i = 0; i < *count; i++) {
    const double number = numbers ? (double)v->numbers[i] : cvy_onnx_weight(v, i);
    if (!(fabs(number) <= 0x1p62)) return cvy_onnx_wrong(b, node, "'%s' has a number out of range", v->name);
    out[i] = (int64_t)number;
  }
  return CVY_OK;
}

cvy_err cvy_onnx_integers(int64_t *out, int64_t *count, int64_t most, const cvy_onnx_builder *b,
                          const cvy_onnx_node *node, int64_t index, const char *name) {
  *count = -1;
  if (index >= 0 && cvy_onnx_in(b, node, index)) return integers_of(out, count, most, b, node, index);
  const cvy_onnx_attribute *a = name ? cvy_onnx_attribute_of(node, name) : NULL;
  if (!a) return CVY_OK;
  if (a->integer_count > most)
    return cvy_onnx_wrong(b, node, "'%s' has %" PRId64 " numbers; at most %" PRId64 " are expected", name,
                          a->integer_count, most);
  *count = a->integer_count;
  for (int64_t i = 0; i < *count; i++) out[i] = a->integers[i];
  return CVY_OK;
}

cvy_err cvy_onnx_scalar(double *out, bool *found, const cvy_onnx_builder *b, const cvy_onnx_node *node,
                        int64_t index) {
  const cvy_onnx_value *v = cvy_onnx_in(b, node, index);
  *found = v != NULL;
  if (!v) return CVY_OK;
  if (v->kind != CVY_ONNX_WEIGHTS || v->count != 1 || !is_readable(v->tensor))
    return not_constant(b, node, index);
  *out = cvy_onnx_weight(v, 0);
  return CVY_OK;
}

/* ---- operators on constants ---- */

static bool is_repeated(const cvy_onnx_value *v) {
  return v->count > v->tensor->count;
}

static bool lies_in_rows(const cvy_onnx_value *v) {
  int64_t step = 1;
  if (is_repeated(v)) return true;
  for (int i = v->dim_count - 1; i >= 0; i--) {
    if (v->dims[i] != 1 && v->strides[i] != step) return false;
    step *= v->dims[i];
  }
  return true;
}

/* Gives a view in rows other sizes; one of them may be -1, and 0 stands for the size that was there. */
static cvy_err reshape(cvy_onnx_value *v, const cvy_onnx_builder *b, const cvy_onnx_node *node, int64_t *dims,
                       int64_t count) {
  int64_t known = 1, open = -1;
  for (int64_t i = 0; i < count; i++) {
    if (dims[i] == 0 && i < v->dim_count) dims[i] = v->dims[i];
    if (dims[i] == -1 && open < 0)
      open = i;
    else if (dims[i] < 1 || __builtin_mul_overflow(known, dims[i], &known))
      return cvy_onnx_wrong(b, node, "a shape that is none");
  }
  if (open >= 0 && v->count % known == 0) known *= dims[open] = v->count / known;
  if (known != v->count || !lies_in_rows(v) || count > CVY_TENSOR_DIMS)
    return cvy_onnx_wrong(b, node, "a constant of %" PRId64 " numbers cannot take this shape", v->count);
  v->dim_count = (int)count;
  for (int64_t i = count - 1, step = 1; i >= 0; step *= dims[i--]) {
    v->dims[i] = dims[i];
    v->strides[i] = is_repeated(v) ? 0 : step;
  }
  return CVY_OK;
}

static cvy_err fold_reshape(cvy_onnx_builder *b, const cvy_onnx_node *node, cvy_onnx_value *out) {
  int64_t dims[CVY_TENSOR_DIMS], count;
  CVY_TRY(cvy_onnx_integers(dims, &count, CVY_TENSOR_DIMS, b, node, 1, "shape"));
  if (count < 0) return cvy_onnx_wrong(b, node, "it has no shape");
  return reshape(out, b, node, dims, count);
}

static cvy_err fold_transpose(cvy_onnx_builder *b, const cvy_onnx_node *node, cvy_onnx_value *out) {
  int64_t order[CVY_TENSOR_DIMS], count;
  unsigned seen = 0;
  const cvy_onnx_value before = *out;
  CVY_TRY(cvy_onnx_integers(order, &count, CVY_TENSOR_DIMS, b, node, -1, "perm"));
  for (int i = 0; count < 0 && i < before.dim_count; i++) order[i] = before.dim_count - 1 - i;
  if (count >= 0 && count != before.dim_count) return cvy_onnx_wrong(b, node, "'perm' of another length");
  for (int i = 0; i < before.dim_count; i++) {
    if (order[i] < 0 || order[i] >= before.dim_count || seen & 1U << order[i])
      return cvy_onnx_wrong(b, node, "'perm' is no order");
    seen |= 1U << order[i];
    out->dims[i] = before.dims[order[i]];
    out->strides[i] = before.strides[order[i]];
  }
  return CVY_OK;
}

/* Adds or drops dimensions of 1. */
static cvy_err fold_ones(cvy_onnx_builder *b, const cvy_onnx_node *node, cvy_onnx_value *out, bool adds) {
  int64_t axes[CVY_TENSOR_DIMS], count, dims[CVY_TENSOR_DIMS], n = 0, taken = 0;
  unsigned chosen = 0;
  CVY_TRY(cvy_onnx_integers(axes, &count, CVY_TENSOR_DIMS, b, node, 1, "axes"));
  const int64_t rank = out->dim_count + (adds ? cvy_onnx_in(b, node, 1) || count > 0 ? count : 0 : 0);
  if (rank > CVY_TENSOR_DIMS) return cvy_onnx_wrong(b, node, "more than 8 dimensions");
  for (int64_t i = 0; i < count; i++) {
    const int64_t axis = axes[i] < 0 ? axes[i] + rank : axes[i];
    if (axis < 0 || axis >= rank) return cvy_onnx_wrong(b, node, "an axis that is not there");
    chosen |= 1U << axis;
  }
  for (int64_t i = 0; i < rank; i++) {
    const bool is_chosen = chosen >> i & 1;
    if (adds && is_chosen) {
      dims[n++] = 1;
    } else if (taken >= out->dim_count) {
      return cvy_onnx_wrong(b, node, "an axis is named twice");
    } else {
      const int64_t dim = out->dims[taken++];
      if (!adds && (is_chosen || (count < 0 && dim == 1))) {
        if (dim != 1) return cvy_onnx_wrong(b, node, "an axis of %" PRId64 " cannot be dropped", dim);
      } else {
        dims[n++] = dim;
      }
    }
  }
  return reshape(out, b, node, dims, n);
}

static cvy_err fold_constant(bool *done, cvy_onnx_builder *b, const cvy_onnx_node *node) {
  const cvy_onnx_attribute *a = cvy_onnx_attribute_of(node, "value");
  cvy_onnx_value *out = cvy_onnx_out(b, node);
  cvy_onnx_tensor *made = cvy_pool_new(b->pool, sizeof *made);
  *done = true;
  if (a && a->tensor) {
    *made = *a->tensor;
    if (!made->name[0]) made->name = node->outputs[0];
    cvy_onnx_set_tensor(out, made);
    return CVY_OK;
  }
  a = cvy_onnx_attribute_of(node, "value_ints");
  const cvy_onnx_attribute *single = cvy_onnx_attribute_of(node, "value_int");
  if (!a && !single) return cvy_onnx_wrong(b, node, "a constant of another kind than a tensor or integers");
  out->kind = CVY_ONNX_NUMBERS;
  out->number_count = a ? a->integer_count : 1;
  out->numbers = a ? a->integers : &single->integer;
  return CVY_OK;
}

/* A constant of one number many times, whose shape is a constant: a view that does not move. */
static cvy_err fold_constant_of_shape(bool *done, cvy_onnx_builder *b, const cvy_onnx_node *node) {
  const cvy_onnx_attribute *a = cvy_onnx_attribute_of(node, "value");
  int64_t dims[CVY_TENSOR_DIMS], count;
  CVY_TRY(cvy_onnx_integers(dims, &count, CVY_TENSOR_DIMS, b, node, 0, NULL));
  if (count < 0 || !a || !a->tensor || a->tensor->count != 1)
    return cvy_onnx_wrong(b, node, "expected a shape, and a value of one number");
  cvy_onnx_tensor *t = cvy_pool_new(b->pool, sizeof *t);
  cvy_onnx_value *out = cvy_onnx_out(b, node);
  *t = *a->tensor;
  t->name = node->outputs[0];
  cvy_onnx_set_tensor(out, t);
  out->dim_count = (int)count;
  for (int64_t i = 0; i < count; i++) {
    if (dims[i] < 1 || __builtin_mul_overflow(out->count, dims[i], &out->count) || out->count > 1LL << 32)
      return cvy_onnx_wrong(b, node, "a shape that is none, or too large");
    out->dims[i] = dims[i];
    out->strides[i] = 0;
  }
  *done = true;
  return CVY_OK;
}

static cvy_err fold_shape(bool *done, cvy_onnx_builder *b, const cvy_onnx_node *node,
                          const cvy_onnx_value *x) {
  int64_t *numbers = cvy_pool_new(b->pool, sizeof *numbers * 4);
  cvy_onnx_value *out = cvy_onnx_out(b, node);
  if (x->padded_by || node->attribute_count) return cvy_onnx_wrong(b, node, "a shape that is not read");
  numbers[0] = CVY_ONNX_BATCH;
  numbers[1] = x->is_flat ? x->c * x->h * x->w : x->channels_last ? x->h : x->c;
  numbers[2] = x->channels_last ? x->w : x->h;
  numbers[3] = x->channels_last ? x->c : x->w;
  out->kind = CVY_ONNX_NUMBERS;
  out->number_count = x->is_flat ? 2 : 4;
  out->numbers = numbers;
  *done = true;
  return CVY_OK;
}

static cvy_err fold_gather(cvy_onnx_builder *b, const cvy_onnx_node *node, cvy_onnx_value *out) {
  int64_t which[MOST_NUMBERS], count;
  CVY_TRY(cvy_onnx_integers(which, &count, MOST_NUMBERS, b, node, 1, NULL));
  if (count < 0 || cvy_onnx_integer(node, "axis", 0) != 0)
    return cvy_onnx_wrong(b, node, "another axis than 0");
  int64_t *numbers = cvy_pool_new(b->pool, sizeof *numbers * (size_t)(count + 1));
  for (int64_t i = 0; i < count; i++) {
    const int64_t at = which[i] < 0 ? which[i] + out->number_count : which[i];
    if (at < 0 || at >= out->number_count) return cvy_onnx_wrong(b, node, "it gathers what is not there");
    numbers[i] = out->numbers[at];
  }
  out->number_count = count;
  out->numbers = numbers;
  return CVY_OK;
}

static bool is_small_constant(const cvy_onnx_value *v) {
  return v && (v->kind == CVY_ONNX_NUMBERS || (v->kind == CVY_ONNX_WEIGHTS && is_readable(v->tensor)));
}

static cvy_err fold_concat(bool *done, cvy_onnx_builder *b, const cvy_onnx_node *node) {
  int64_t joined[MOST_NUMBERS], count = 0, more;
  for (int64_t i = 0; i < node->input_count; i++) {
    if (!is_small_constant(cvy_onnx_in(b, node, i))) return CVY_OK;
    CVY_TRY(cvy_onnx_integers(joined + count, &more, MOST_NUMBERS - count, b, node, i, NULL));
    count += more;
  }
  int64_t *numbers = cvy_pool_new(b->pool, sizeof joined);
  memcpy(numbers, joined, sizeof *numbers * (size_t)count);
  cvy_onnx_value *out = cvy_onnx_out(b, node);
  out->kind = CVY_ONNX_NUMBERS;
  out->number_count = count;
  out->numbers = numbers;
  *done = true;
  return CVY_OK;
}

cvy_err cvy_onnx_fold(bool *done, cvy_onnx_builder *b, const cvy_onnx_node *node) {
  const cvy_onnx_value *x = cvy_onnx_in(b, node, 0);
  cvy_onnx_value *out = cvy_onnx_out(b, node);
  const char *type = node->type;
  *done = false;
  if (strcmp(type, "Constant") == 0) return fold_constant(done, b, node);
  if (!x) return CVY_OK;
  if (strcmp(type, "ConstantOfShape") == 0) return fold_constant_of_shape(done, b, node);
  if (strcmp(type, "Concat") == 0) return fold_concat(done, b, node);
  if (strcmp(type, "Shape") == 0 && (x->kind == CVY_ONNX_IMAGE || x->kind == CVY_ONNX_MAP))
    return fold_shape(done, b, node, x);
  if (x->kind != CVY_ONNX_WEIGHTS && x->kind != CVY_ONNX_NUMBERS) return CVY_OK;
  const bool numbers = x->kind == CVY_ONNX_NUMBERS;
  cvy_onnx_alias(out, x);
  *done = true;
  if (strcmp(type, "Identity") == 0 || strcmp(type, "Cast") == 0) return CVY_OK;
  if (strcmp(type, "Unsqueeze") == 0) return numbers ? CVY_OK : fold_ones(b, node, out, true);
  if (strcmp(type, "Squeeze") == 0) return numbers ? CVY_OK : fold_ones(b, node, out, false);
  if (strcmp(type, "Reshape") == 0 && !numbers) return fold_reshape(b, node, out);
  if (strcmp(type, "Transpose") == 0 && !numbers) return fold_transpose(b, node, out);
  if (strcmp(type, "Gather") == 0 && numbers) return fold_gather(b, node, out);
  *out = (cvy_onnx_value){.name = out->name, .readers = out->readers, .is_output = out->is_output};
  *done = false;
  return CVY_OK;
}

/* ---- tensors of the file ---- */

static bool element_of(cvy_element *out, const cvy_onnx_tensor *t) {
  static const struct {
    int64_t type;
    cvy_element element;
  } types[] = {{CVY_ONNX_FLOAT, CVY_ELEMENT_F32},   {CVY_ONNX_DOUBLE, CVY_ELEMENT_F64},
               {CVY_ONNX_FLOAT16, CVY_ELEMENT_F16}, {CVY_ONNX_BFLOAT16, CVY_ELEMENT_BF16},
               {CVY_ONNX_INT8, CVY_ELEMENT_I8},     {CVY_ONNX_UINT8, CVY_ELEMENT_U8},
               {CVY_ONNX_INT16, CVY_ELEMENT_I16},   {CVY_ONNX_INT32, CVY_ELEMENT_I32},
               {CVY_ONNX_INT64, CVY_ELEMENT_I64},   {CVY_ONNX_BOOL, CVY_ELEMENT_BOOL}};
  for (int64_t i = 0; i < CVY_COUNT(types); i++) {
    *out = types[i].element;
    if (types[i].type == t->type) return true;
  }
  return false;
}

static cvy_err add_view(cvy_onnx_builder *b, const cvy_onnx_value *v, const char *target, bool outputs_last,
                        double factor) {
  cvy_stored_tensor t = {.name = v->tensor->name,
                         .dim_count = v->dim_count,
                         .count = v->count,
                         .offset = v->tensor->bytes - b->model->bytes,
                         .target = target,
                         .outputs_last = outputs_last,
                         .factor = factor};
  if (!element_of(&t.element, v->tensor) || !v->tensor->bytes)
    return cvy_error(CVY_E_INPUT, "%s: tensor '%s': numbers of ONNX's type %" PRId64 "%s are not read",
                     b->file->path, t.name, v->tensor->type, v->tensor->bytes ? "" : " that are not raw");
  memcpy(t.dims, v->dims, sizeof t.dims);
  memcpy(t.strides, v->strides, sizeof t.strides);
  if (is_repeated(v)) return cvy_weights_add_repeated(b->file, &t);
  return cvy_weights_add(b->file, &t, t.offset, (int64_t)v->tensor->byte_count);
}

static const char *target_of(const cvy_onnx_builder *b, const char *layer, const char *tensor) {
  return cvy_pool_format(b->pool, "%s/%s", layer, tensor);
}

cvy_err cvy_onnx_add_weights(cvy_onnx_builder *b, const cvy_onnx_value *v, const char *layer,
                             const char *tensor, bool outputs_last, double factor) {
  return add_view(b, v, target_of(b, layer, tensor), outputs_last, factor);
}

cvy_err cvy_onnx_add_made(float **out, cvy_onnx_builder *b, const char *name, const char *layer,
                          const char *tensor, int64_t count) {
  if (count > MOST_MADE - b->made_count)
    return cvy_error(CVY_E_INPUT, "%s: '%s' would have too many numbers", b->file->path, name);
  if (b->made_count + count > b->made_room) {
    b->made_room = 2 * (b->made_count + count);
    float *more = cvy_pool_new(b->pool, sizeof *more * (size_t)b->made_room);
    if (b->made_count) memcpy(more, b->made, sizeof *more * (size_t)b->made_count);
    b->made = more;
  }
  *out = b->made + b->made_count;
  const int64_t bytes = (int64_t)sizeof **out * count;
  const cvy_stored_tensor t = {.name = name,
                               .element = CVY_ELEMENT_F32,
                               .dim_count = 1,
                               .dims = {count},
                               .strides = {1},
                               .count = count,
                               .offset = (int64_t)b->model->byte_count +
                                         (int64_t)sizeof **out * b->made_count,
                               .target = target_of(b, layer, tensor)};
  b->made_count += count;
  return cvy_weights_add(b->file, &t, t.offset, bytes);
}

static cvy_err put(int fd, const void *bytes, size_t count, const char *path) {
  for (size_t done = 0; done < count;) {
    const ssize_t n = write(fd, (const char *)bytes + done, count - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return cvy_error(CVY_E_SYSTEM, "%s: cannot write a temporary file: %s", path, strerror(errno));
    done += (size_t)n;
  }
  return CVY_OK;
}

/* Puts the file and, behind it, what was made into another file. */
static cvy_err join_made(cvy_onnx_builder *b) {
  int fd;
  CVY_TRY(cvy_nameless_file(&fd, b->file->path));
  cvy_err err = put(fd, b->model->bytes, b->model->byte_count, b->file->path);
  if (!err) err = put(fd, b->made, sizeof *b->made * (size_t)b->made_count, b->file->path);
  close(err ? fd : b->file->fd);
  if (!err) b->file->fd = fd;
  return err;
}

cvy_err cvy_onnx_end_tensors(cvy_onnx_builder *b) {
  for (int64_t i = 0; i < b->model->initializer_count; i++) {
    const cvy_onnx_tensor *t = &b->model->initializers[i];
    cvy_element element;
    cvy_onnx_value unused = {.name = t->name};
    if (b->is_read[i] || !t->bytes || !element_of(&element, t)) continue;
    cvy_onnx_set_tensor(&unused, t);
    CVY_TRY(add_view(b, &unused, NULL, false, 1));
  }
  return b->made_count ? join_made(b) : CVY_OK;
}
