/* A group of an HDF5 file with one float32 dataset a tensor of a network, in the tensor's shape:
 * /GROUP/LAYER/TENSOR. The values lie in an arena that is laid out as the network's parameters. An
 * attribute of the root group has the hash of them all. */
#ifndef CVY_MODEL_TENSORS_H
#define CVY_MODEL_TENSORS_H

#include "file/h5.h"
#include "net/net.h"

/* Writes the group `group`, and the hash of its values as the attribute `hash_name`. */
cvy_err cvy_tensors_write(cvy_h5 *file, const char *group, const char *hash_name, const cvy_net *net,
                          const float *arena) CVY_MUST_CHECK;
/* Reads the group into `arena`. These are errors: a tensor that is missing or has another shape, values that
 * do not match the stored hash. */
cvy_err cvy_tensors_read(cvy_h5 *file, const char *group, const char *hash_name, const cvy_net *net,
                         float *arena) CVY_MUST_CHECK;

/* These do the same with an update rule's state. What does not learn has none, and is not in the file. When
 * it is read, a tensor that learns now and is not in the file has a state of zero. */
cvy_err cvy_tensors_write_state(cvy_h5 *file, const char *group, const cvy_net *net,
                                const float *arena) CVY_MUST_CHECK;
cvy_err cvy_tensors_read_state(cvy_h5 *file, const char *group, const cvy_net *net,
                               float *arena) CVY_MUST_CHECK;

#endif
