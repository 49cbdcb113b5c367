/* Predicts many pictures with all ranks. */
#ifndef CVY_PREDICT_PREDICT_H
#define CVY_PREDICT_PREDICT_H

#include "comm/comm.h"
#include "model/ensemble.h"

enum { CVY_REASON = 300 };

typedef struct cvy_prediction {
  bool is_read;
  const char *reason;         /* why it could not be read */
  const int32_t *classes;     /* [top] the likeliest classes, the likeliest first */
  const float *probabilities; /* [top] of these */
} cvy_prediction;

typedef struct cvy_predictions {
  int64_t count, top, unread;
  size_t item_bytes;
  void *items;
} cvy_predictions;

/* Predicts all pictures of the source. Rank 0 gets all predictions, in the order of the source, the others
 * none; they are to be freed. Each has the `top` likeliest classes, of those that the ensemble tells apart at
 * most. The predictions are the same at any number of ranks. The call is collective. */
cvy_err cvy_predict(cvy_predictions *out, cvy_comm *comm, cvy_ensemble *ensemble,
                    const cvy_picture_source *source, int64_t top) CVY_MUST_CHECK;
/* Reads standard input, which only rank 0 has, to its end, on all ranks. The call is collective. */
cvy_err cvy_read_standard_input(cvy_bytes *out, cvy_comm *comm) CVY_MUST_CHECK;
void cvy_predictions_free(cvy_predictions *predictions);
cvy_prediction cvy_prediction_at(const cvy_predictions *predictions, int64_t index);

#endif
