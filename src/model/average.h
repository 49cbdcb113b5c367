/* The mean of several models' weights (Izmailov et al. 2018, "Averaging weights leads to wider optima"). */
#ifndef CVY_MODEL_AVERAGE_H
#define CVY_MODEL_AVERAGE_H

#include "model/model.h"

/* Puts the mean of the models' weights and running averages into the first model. A mean is worked out in
 * double and rounded once; in which order the models come makes no difference. It is an error unless all have
 * the same network and the same classes, in the same order. Preprocessing stays the first one's, with a
 * warning where another has learnt by other means and deviations. */
cvy_err cvy_models_average(cvy_model *const *models, int64_t count) CVY_MUST_CHECK;

#endif
