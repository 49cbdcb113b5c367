# Tests that several programs which each find themselves alone are refused, whoever has started them, and
# that one program in a batch job is not.
. "$(dirname "$0")/lib" "$1"
lenet5_on_digits 32 8 "epochs: 1"

alone="but this one finds itself alone"
expect 0 "done: " "$convoy" train ./recipe.yaml
for variables in "PALS_RANKID=1" "FLUX_JOB_SIZE=2 FLUX_TASK_RANK=0" "JSM_NAMESPACE_SIZE=2" "ALPS_APP_PE=1" "MPI_NRANKS=2"; do
  # shellcheck disable=SC2086
  expect 2 "has started several programs, $alone" env $variables "$convoy" train ./recipe.yaml --resume
done
for command in "train ./recipe.yaml --resume" "eval run/last.h5" "prepare synthetic -o other" "doctor" "bench allreduce 1" "bench scaling lenet5"; do
  # shellcheck disable=SC2086
  expect 2 "PMI_SIZE=3: mpirun of another MPI (MPICH, Intel MPI) has started several programs, $alone" env PMI_SIZE=3 PMI_RANK=1 "$convoy" $command
done
[ ! -e other ] || fail "a refused prepare made a folder"
slurm="env SLURM_JOB_ID=7 SLURM_JOBID=7 SLURM_NODELIST=node1 SLURM_NTASKS=2 SLURM_PROCID=0"
expect 2 "SLURM_STEP_NUM_TASKS=2: srun has started several programs, $alone" $slurm SLURM_STEP_ID=0 SLURM_STEPID=0 SLURM_STEP_NUM_TASKS=2 \
  "$convoy" train ./recipe.yaml
# A batch script, which is one program: training alone must be meant, other commands are usual there.
for variables in SLURM_NTASKS=2 SLURM_NPROCS=2; do
  expect 2 "$variables: this job of Slurm is for several programs, but one was started" env $variables SLURM_PROCID=0 \
    "$convoy" train ./recipe.yaml run=batch
  [ ! -e batch ] || fail "a refused job made a folder"
  expect 0 "weights" env $variables mpirun --oversubscribe -n 1 "$convoy" train ./recipe.yaml --resume
done
expect 0 "top-1" $slurm "$convoy" eval run/last.h5
expect 0 "train: " $slurm "$convoy" prepare synthetic -o other --count 40
expect 0 "ms" $slurm "$convoy" bench step lenet5 --batch 2 --steps 1
expect 0 "weights" $slurm SLURM_STEP_ID=0 SLURM_STEPID=0 SLURM_STEP_NUM_TASKS=1 "$convoy" train ./recipe.yaml --resume
expect 0 "weights" env PMI_SIZE=3 mpirun --oversubscribe -n 1 "$convoy" train ./recipe.yaml --resume
expect 0 "weights" env PMI_SIZE=3 mpirun --oversubscribe -n 2 "$convoy" train ./recipe.yaml --resume

# MPICH's own mpirun is tried where it is installed.
if command -v mpirun.mpich >/dev/null; then
  expect 2 "$alone" mpirun.mpich -n 3 "$convoy" train ./recipe.yaml run=mpich
  [ ! -e mpich ] || fail "a refused job made a folder"
  expect 0 "weights" mpirun.mpich -n 1 "$convoy" train ./recipe.yaml run=mpich
else
  echo "skipped: mpirun of MPICH (mpich is not installed)"
fi
finish
