/* What the files of `convoy bench` share. */
#ifndef CVY_CMD_BENCH_H
#define CVY_CMD_BENCH_H

#include "cmd/command.h"
#include "comm/exchange.h"
#include "measure/bench.h"

/* Runs `convoy bench input`. The dataset that the options leave out is the second word. */
cvy_err cvy_run_bench_input(const cvy_arguments *arguments, const cvy_bench_input_options *options,
                            bool json) CVY_MUST_CHECK;

typedef struct cvy_bench_allreduce_options {
  int64_t repetitions;
  bool json;
} cvy_bench_allreduce_options;

/* Runs `convoy bench allreduce`, under mpirun. The words are "allreduce" and sizes in MiB. */
cvy_err cvy_run_bench_allreduce(const cvy_arguments *arguments,
                                const cvy_bench_allreduce_options *options) CVY_MUST_CHECK;

typedef struct cvy_bench_scaling_options {
  int64_t batch, threads, steps, microbatches, bucket_mib;
  cvy_exchange_way way;
  cvy_conv_choice convolution;
  bool json;
} cvy_bench_scaling_options;

cvy_err cvy_run_bench_scaling(const cvy_arguments *arguments,
                              const cvy_bench_scaling_options *options) CVY_MUST_CHECK;

#endif
