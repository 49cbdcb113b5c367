# Tests what stands on a terminal of any width: there are no half lines and no broken words.
. "$(dirname "$0")/lib" "$1"
digits data 400
digits more 6000

cat >recipe.yaml <<'END'
network: lenet5
data: {train: data, val: data, threads: 1}
batch: 16
microbatch: 16
epochs: 2
run: run
END

cat >console.py <<'END_OF_CONSOLE'
import fcntl, json, os, pty, re, select, struct, subprocess, sys, termios, time
convoy, failures = sys.argv[1], 0

def check(holds, what):
    global failures
    if not holds:
        print("FAILED:", what)
        failures += 1

def size(fd, columns): fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

# Returns what a command writes to a terminal of so many columns, what it writes to standard error if that is
# another terminal (`apart`), and its exit code. `narrower` is when the window changes, in seconds, and to how
# many columns.
def on_terminal(columns, words, narrower=None, apart=False, **environment):
    aside, end_of_aside = pty.openpty()
    pid, fd = pty.fork()
    if pid == 0:
        if apart: os.dup2(end_of_aside, 2)
        for stream in 1, 2: size(stream, columns)
        os.environ.pop("COLUMNS", None)
        os.environ.update(environment, TERM="xterm")
        os.execv(convoy, [convoy, *words])
    os.close(end_of_aside)
    texts, begun = {fd: b"", aside: b""}, time.time()
    reading = list(texts)
    while reading:
        if narrower and time.time() - begun > narrower[0]:
            size(fd, narrower[1])
            texts[fd], narrower = texts[fd] + b"<narrower>", None
        for end in select.select(reading, [], [], 0.05)[0]:
            try: part = os.read(end, 65536)
            except OSError: part = b""
            texts[end] += part
            if not part: reading.remove(end)
    os.close(fd)
    os.close(aside)
    return texts[fd].decode(), texts[aside].decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

# Returns the lines that stand in the end on a terminal that is wide enough: a return goes back to the line's
# begin, and the clearing clears what follows.
def standing(text):
    lines, line, at = [], "", 0
    for piece in re.findall(r"\x1b\[J|[\r\n]|[^\r\n\x1b]+", text):
        if piece == "\x1b[J": line = line[:at]
        elif piece == "\r": at = 0
        elif piece == "\n": lines, line, at = lines + [line], "", 0
        else: line, at = line[:at] + piece + line[at + len(piece):], at + len(piece)
    return lines + [line]

progress = re.compile(r"epoch \d+/\d+  step \d+/\d+|evaluating|so far$")
drawn = re.compile(r"\r\x1b\[J([^\r\n\x1b]*)\r(?!\n)")

for columns in 40, 60, 74, 120:
    text, _, code = on_terminal(columns, ["train", "./recipe.yaml", "--overwrite", "--threads", "1"])
    check(code == 0, f"training ends with {code}: {text}")
    check(drawn.findall(text), f"no progress at {columns} columns")
    check(all(len(line) < columns for line in drawn.findall(text)), f"progress beyond {columns} columns")
    check("step 1/" in text.split("epoch 1:")[0], "the first step is not told")
    lines = standing(text)
    check(not any(progress.search(line) for line in lines), f"progress stands in the end: {lines}")
    ends = [i for i, line in enumerate(lines) if line.startswith("convoy: epoch ")]
    check(len(ends) == 2 and lines[ends[1] + 1].startswith("done:"), f"the end: {lines}")
lines = standing(on_terminal(120, ["verify", "data"], COLUMNS="30")[0])
check([len(line) for line in lines if line.startswith("verifying")] == [29, 29], f"COLUMNS is overlooked: {lines}")

# Epochs are long enough here for progress to be drawn in each.
text, _, _ = on_terminal(100, ["train", "./recipe.yaml", "--overwrite", "epochs=8", "run=long", "data.train=more", "data.val="], (1.5, 50))
before, _, after = text.partition("<narrower>")
later = drawn.findall(after)[2:]
check(later and all(len(line) < 50 for line in later), f"progress is not cut to a narrower window: {text}")

# Where there is no terminal, plain lines are written.
plain = subprocess.run([convoy, "train", "./recipe.yaml", "--overwrite"], capture_output=True, text=True)
check("\r" not in plain.stderr and "\x1b" not in plain.stderr, "escape sequences where there is no terminal")
lines = plain.stderr.splitlines()
check("step 1/" in plain.stderr and lines[-1].startswith("convoy: epoch 2:"), f"lines: {lines}")

# Tables keep their words, and their rows fit.
for words in (["summary", "vgg16"], ["layers"], ["augmentations"], ["train", "--help"],
              ["plan", "lenet5", "--nodes", "4", "--steps", "1"], ["doctor"], ["--version"], ["verify", "data"],
              ["inspect", "run/best.h5"], ["inspect", "data/val-00000-of-00001.h5"], ["eval", "run"],
              ["bench", "input", "data", "--batch", "8", "--steps", "1"], ["bench", "step", "lenet5", "--batch", "2", "--steps", "1"],
              ["bench", "allreduce", "1", "--steps", "1"], ["bench", "scaling", "lenet5", "--batch", "2", "--steps", "1"],
              ["bench", "layers", "lenet5", "--batch", "2", "--steps", "1"]):
    full = subprocess.run([convoy, *words], capture_output=True, text=True).stdout
    if words[0] in ("summary", "layers"): check(max(map(len, full.splitlines())) > 80, f"{words}: not the full width")
    for columns in 30, 40, 60, 80:
        text, told, _ = on_terminal(columns, words, apart=True)
        told = re.sub(r"\r\x1b\[J[^\r]*\r|\r\x1b\[J", "", told.replace("\r\n", "\n"))
        rows = text.splitlines() + told.splitlines()
        check(text, f"{words}: no rows at {columns} columns")
        check(all(len(row) <= columns or " " not in row.strip() for row in rows), f"{words}: a row beyond {columns} columns")
        if words[0] in ("summary", "layers", "augmentations", "train", "--version", "verify", "inspect", "eval"):
            check(set(full.split()) == set(text.split()), f"{words}: broken words at {columns} columns")

# metrics.jsonl tells the epochs.
epochs = [line for line in map(json.loads, open("run/metrics.jsonl")) if "train_loss" in line]
check(len(epochs) == 2 and all(0 < e["train_top1"] < 1 and "val_loss" in e for e in epochs), f"epochs {epochs}")
sys.exit(failures > 0)
END_OF_CONSOLE
python3 console.py "$convoy" || fail "on a terminal"

# Without validation data epochs are told too.
"$convoy" train ./recipe.yaml --overwrite data.val= >said 2>&1 || fail "$(cat said)"
grep -q 'convoy: epoch 2: training loss [0-9.]*, top-1 [0-9.]* %$' said || fail "no epoch is told without validation: $(cat said)"
grep -c '"train_top1"' run/metrics.jsonl | grep -qx 2 || fail "no epochs in metrics.jsonl"

finish
