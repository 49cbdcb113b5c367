/* The layer types of layers.def, in its order. */
#include "layer/layer.h"

#define CVY_LAYER(name) extern const cvy_layer_type cvy_layer_##name;
#include "layer/layers.def"
#undef CVY_LAYER

static const cvy_layer_type *const types[] = {
#define CVY_LAYER(name) &cvy_layer_##name,
#include "layer/layers.def"
#undef CVY_LAYER
};

int64_t cvy_layer_type_count(void) {
  return CVY_COUNT(types);
}

const cvy_layer_type *cvy_layer_type_at(int64_t index) {
  CVY_CHECK(index >= 0 && index < CVY_COUNT(types));
  return types[index];
}
