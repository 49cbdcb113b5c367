/* Dense evaluation at several scales (Simonyan & Zisserman 2015, section 3.2). A picture is not cropped. Its
 * shorter side is scaled to each scale in turn, and the network's dense form (cvy_net_make_dense) is run over
 * the whole of it and over its mirror image. An image's probabilities are the means over all of these. */
#ifndef CVY_TRAIN_DENSE_H
#define CVY_TRAIN_DENSE_H

#include "comm/comm.h"
#include "model/model.h"
#include "model/verdict.h"
#include "train/stream.h"

typedef struct cvy_dense cvy_dense;

/* Makes ready to evaluate the model on `data`, which must be open and outlive it, at the scales that are
 * asked for. Pictures go through `chain` without what cuts and scales in it. Errors: a network that takes one
 * size of pictures only, or is too large for a scale; other channels than the network takes. `path` is where
 * the data was found. */
cvy_err cvy_dense_create(cvy_dense **out, cvy_model *model, cvy_dataset *data, const char *path,
                         const cvy_yaml *chain, const cvy_evaluate_options *asked) CVY_MUST_CHECK;
void cvy_dense_destroy(cvy_dense *dense); /* NULL is allowed */
int64_t cvy_dense_views(const cvy_dense *dense);

/* Scores all images, of which each rank has a range, one picture at a time. `verdicts`, which must be there,
 * and errors are as those of cvy_score_dataset. This call is collective. */
cvy_err cvy_dense_score(cvy_score *out, cvy_verdicts *verdicts, cvy_comm *comm, cvy_dense *dense,
                        const cvy_intake *intake) CVY_MUST_CHECK;

#endif
