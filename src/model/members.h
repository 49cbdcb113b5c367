/* What models have in common that are used together. */
#ifndef CVY_MODEL_MEMBERS_H
#define CVY_MODEL_MEMBERS_H

#include "model/model.h"

/* Fails with CVY_E_INPUT, and names the model, unless all tell apart the same classes, in the same order, and
 * take the same number of channels. Classes that only one of them names may be any. */
cvy_err cvy_members_check(cvy_model *const *models, int64_t count) CVY_MUST_CHECK;

#endif
