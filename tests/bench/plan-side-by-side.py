#!/usr/bin/python3
"""What convoy plan foretells beside what happens, on nodes of network namespaces with limited links (tests/cluster/run.sh).

    tests/bench/plan-side-by-side.py                                # AlexNet and LeNet, 2 and 4 nodes
    tests/bench/plan-side-by-side.py --network alexnet --batch 8 --mbit 500 --nodes 2

The nodes share this machine's cores, so the plan is told that a node of N has 1/N of them. In each round the layers are timed,
on one core and on all at once (several nodes also share the machine's memory); what the wire takes from the cores is (convoy
doctor, on two nodes of one thread: the median of five); the wire is (the exchange of 64 MB between two nodes that compute next
to nothing); then the ranks run (convoy bench scaling, weak, all rank counts up to N). The medians over rounds are compared.
"error" is that of the plan for the wire as it was measured: what limits the links counts a packet's headers once for many that
leave together, so more passes than over an Ethernet of that speed. Where others use the cores too, no plan can know what they
take; "exchange" is the error of a plan for layers that are as much slower as computing was in that very run: of the model of the
exchange alone.
"""
import argparse, json, os, statistics, subprocess, sys, tempfile

here = os.path.dirname(os.path.abspath(__file__))
root = os.path.dirname(os.path.dirname(here))


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 77: raise SystemExit(done.stdout.strip())
    if done.returncode: raise SystemExit(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def slowed(times, factor):
    """Makes the same layers slower."""
    slow = json.loads(json.dumps(times))
    for layer in slow["layers"]:
        for way in "forward_s", "backward_s": layer[way] *= factor
    slow["losses_s"] *= factor
    slow["update_s"]["median"] *= factor
    return slow


BULK = """input: [1, 1, 1024]
layers:
  - fc: {outputs: 4096}
  - fc: {outputs: 2048}
  - fc: {outputs: 1024}
  - fc: {outputs: 1024}
  - softmax_loss
"""


class Case:
    def __init__(self, options, network, batch, nodes, mbit):
        self.convoy, self.steps, self.cores = options.convoy, options.steps, options.cores
        self.latency = options.latency
        self.network, self.batch, self.nodes, self.mbit = network, batch, nodes, mbit

    def times(self, copies):
        """Times the layers of a rank while so many others compute the same beside it."""
        layers = [self.convoy, "bench", "layers", *self.network, "--batch", str(self.batch), "--steps", str(self.steps), "--json"]
        others = [subprocess.Popen(layers, stdout=subprocess.DEVNULL) for _ in range(copies - 1)]
        times = run(*layers)
        for other in others: other.wait()
        return times

    def wire_cost(self):
        """Returns the nanoseconds of a core for a byte sent and one received."""
        ranks = [run(os.path.join(root, "tests/cluster/run.sh"), "--nodes", "2", "--mbit", str(self.mbit), self.convoy, "doctor",
                     "--threads", "1", "--json")["ranks"] for _ in range(5)]
        return 1e9 * statistics.median(r[0]["nearest"]["work_s_per_byte"] for r in ranks)

    def foretold(self, times, ranks, mbit, cost):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(times, file)
            file.flush()
            plan = run(self.convoy, "plan", *self.network, "--microbatch", str(self.batch), "--times", file.name,
                       "--nodes", str(ranks), "--cores", str(self.cores / ranks), "--bandwidth", str(mbit / 1000),
                       "--latency", str(self.latency), "--wire-cost", str(cost), "--bucket", "4", "--json")
        return next(r for r in plan["rows"] if r["ranks"] == ranks)

    def scaling(self, network, batch, nodes):
        rows = run(os.path.join(root, "tests/cluster/run.sh"), "--nodes", str(nodes), "--mbit", str(self.mbit),
                   self.convoy, "bench", "scaling", *network, "--batch", str(batch), "--steps", str(self.steps),
                   "--json")["weak"]
        return {r["ranks"]: r for r in rows}

    def wire_mbit(self):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(BULK)
            file.flush()
            rows = self.scaling([file.name], 1, 2)
            bits = 32 * run(self.convoy, "summary", file.name, "--json")["parameters"]
        return 1e-6 * bits / (rows[2]["step_s"]["median"] - rows[1]["step_s"]["median"]) * 1538 / 1448

    def round(self):
        all_times = {copies: self.times(copies) for copies in (1, max(1, int(self.cores)))}
        cost, mbit, rows = self.wire_cost(), self.wire_mbit(), self.scaling(self.network, self.batch, self.nodes)
        result = []
        for ranks, row in rows.items():
            times = all_times[max(copies for copies in all_times if copies <= ranks)]
            plan = self.foretold(times, ranks, mbit, cost)
            factor = (row["step_s"]["median"] - row["exposed_s"]) / plan["compute_s"]
            same_load = self.foretold(slowed(times, factor), ranks, mbit, cost)
            result.append((ranks, row["step_s"]["median"], plan["step_s"], same_load["step_s"], row["exposed_s"],
                           same_load["exposed_s"], mbit, cost))
        return result


def report(case, rounds):
    for of_ranks in zip(*rounds):
        ranks = of_ranks[0][0]
        ran, plan, measured, exposed, plan_exposed, mbit, cost = (
            statistics.median(column) for column in list(zip(*of_ranks))[1:])
        print(f"{' '.join(case.network):10} {case.batch:5} {case.mbit:6} {mbit:6.0f} {cost:7.2f} {ranks:5} {1e3 * ran:9.1f} {1e3 * plan:9.1f} "
              f"{1e3 * measured:9.1f} {100 * (plan / ran - 1):+7.1f} % {100 * (measured / ran - 1):+7.1f} % "
              f"{100 * exposed / ran:7.1f} % {100 * plan_exposed / measured:7.1f} %", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--convoy", default=os.path.join(root, "build/release/convoy"))
    parser.add_argument("--network", nargs="+", help="and its parameters; none: the usual cases")
    parser.add_argument("--batch", type=int, default=4, help="images a microbatch")
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--mbit", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cores", type=float, default=len(os.sched_getaffinity(0)), help="that are free")
    parser.add_argument("--latency", type=float, default=100, help="microseconds")
    options = parser.parse_args()
    usual = [(["alexnet"], 4, 2, 1000), (["alexnet"], 4, 4, 500), (["lenet"], 64, 2, 200), (["lenet"], 64, 4, 200)]
    cases = [(options.network, options.batch, options.nodes, options.mbit)] if options.network else usual
    print(f"{'network':10} {'batch':>5} {'Mbit/s':>6} {'wire':>6} {'ns/byte':>7} {'ranks':>5} {'ran_ms':>9} {'plan_ms':>9} {'load_ms':>9} "
          f"{'error':>9} {'exchange':>9} {'exposed':>9} {'plan':>9}")
    for network, batch, nodes, mbit in cases:
        case = Case(options, network, batch, nodes, mbit)
        report(case, [case.round() for _ in range(options.rounds)])


main()
