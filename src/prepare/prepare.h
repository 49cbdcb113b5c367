/* The whole of `convoy prepare`, from a source to shards. */
#ifndef CVY_PREPARE_PREPARE_H
#define CVY_PREPARE_PREPARE_H

#include "prepare/config.h"

/* Reads every record, puts the records in an order keyed by the seed, cuts it into splits of exact sizes, and
 * writes each split's shards, all with the statistics of the split "train" (of the first, if there is none).
 * Records that cannot be read are left out and listed. The folder is made. Shards of the same splits from an
 * earlier run are replaced, or removed if there was another number of them; other splits' shards stay. The
 * same arguments give the same bytes, at any number of ranks and threads, and however often the run was
 * killed and begun again: what is finished waits in DIR/.convoy-prepare. Progress is shown. This call is
 * collective: the shards are shared out over the ranks, and the records of a shard over a rank's threads.
 *
 * Wrong arguments are CVY_E_USAGE; missing, empty and malformed inputs that are found before the folder is
 * touched CVY_E_INPUT; too many unreadable records CVY_E_RUN; a full disk CVY_E_SYSTEM. On any error no shard
 * of this run stands under its final name. */
cvy_err cvy_prepare(cvy_prepare_result *out, const cvy_prepare_config *config) CVY_MUST_CHECK;

#endif
