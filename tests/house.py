"""Holds the source against the map of its rooms (src/rooms.txt).

    python3 tests/house.py           names every fault, and ends with 1 if there is one
    python3 tests/house.py --graph   prints the rooms floor by floor, from the top: which may include which
    python3 tests/house.py --dot     prints it for Graphviz (| dot -Tsvg -o rooms.svg), without what other arrows imply

The rules:
- A room includes what is its own, and doors of the rooms that the map allows to it. The map lists rooms from the
  ground up, and a room may only be allowed rooms above it in the list, so there can be no circle. What the map
  allows is made use of.
- A door stands alone: it compiles without anything before it.
- include/convoy is for programs of others: its headers include each other and C's own headers, nothing else.
- Files do not lean on each other in circles: neither headers by their includes, nor sources by the functions that
  they call.
- A type has one name, and a name one type.
- A file begins with a comment that says what it is for. No line is longer than the limit.
"""
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

LIMIT = 110
INCLUDE = re.compile(r'\s*#\s*include\s+(["<])([^">]+)[">]')
COMMENT_OR_TEXT = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', re.S)
DEFINITION = re.compile(r"^(?!static\b)[a-z][\w \*]*?\b(cvy_\w+)\([^;{}]*\)\s*\{", re.M)
C_HEADERS = set("assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdalign "
                "stdarg stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string tgmath threads time uchar "
                "wchar wctype".split())
root = pathlib.Path(__file__).resolve().parent.parent
faults = []


def fault(where, what):
    faults.append(f"{where.relative_to(root) if isinstance(where, pathlib.Path) else where}: {what}")


class Room:
    def __init__(self, name, below, doors, line):
        self.name, self.below, self.doors, self.line = name, below, doors, f"src/rooms.txt:{line}"
        # Datasets have a folder of their own, and main is a single file.
        self.folder = root / "datasets" if name == "datasets" else root / "src" / name
        patterns = ("*.c", "*.h", "*.def")
        self.files = sorted(path for pattern in patterns for path in self.folder.glob(pattern))
        if name == "main":
            self.folder, self.files = root / "src", [root / "src/main.c"]


def read_map():
    rooms = {}
    for number, line in enumerate((root / "src/rooms.txt").read_text().splitlines(), 1):
        if line.startswith("#") or not line.strip():
            continue
        columns = [column.split() for column in line.split("|")]
        if len(columns) != 3 or len(columns[0]) != 1:
            fault(f"src/rooms.txt:{number}", "expected ROOM | ROOMS THAT IT MAY INCLUDE | DOORS")
            continue
        (name,), below, doors = columns
        room = Room(name, below, doors, number)
        if name in rooms:
            fault(room.line, f"{name} is there twice")
            continue
        if not room.files:
            fault(room.line, f"{name} has no files")
        for other in below:
            if other not in rooms:
                fault(room.line, f"{name} may include {other}, which is not among the rooms above it")
        for door in doors:
            if not (room.folder / door).exists():
                fault(room.line, f"{name} has no {door}")
        rooms[name] = room
    return rooms


def includes(path):
    for number, line in enumerate(path.read_text().splitlines(), 1):
        found = INCLUDE.match(line)
        if found:
            yield number, found[1] == "<", found[2]


# ---- who includes what ----


def check_include(room, rooms, path, number, is_angled, header, used):
    where = f"{path.relative_to(root)}:{number}"
    other, _, file = header.rpartition("/")
    if is_angled:
        if other.split("/")[0] in rooms:
            fault(where, f'<{header}> is written "{header}"')
        if other == "convoy" and not (root / "include" / header).exists():
            fault(where, f"there is no <{header}>")
    elif "/" in other or not other:
        fault(where, f'"{header}": a room\'s name belongs in front, and nothing else')
    elif other not in rooms:
        fault(where, f"there is no room {other}")
    elif other == room.name:
        if room.folder / file == path:
            fault(where, f'"{header}" includes itself')
    else:
        used.add(other)
        if other not in room.below:
            fault(where, f'includes "{header}"; {room.name} may not include {other}')
        elif file not in rooms[other].doors:
            fault(where, f'"{header}" is no door of {other}')


def check_includes(rooms):
    for room in rooms.values():
        used = set()
        for path in room.files:
            for include in includes(path):
                check_include(room, rooms, path, *include, used)
        for other in room.below if room.files else ():
            if other not in used:
                fault(room.line, f"{room.name} may include {other}, but does not")


def check_strays(rooms):
    known = {path for room in rooms.values() for path in room.files}
    for folder in ("src", "datasets"):
        for path in sorted((root / folder).rglob("*.[ch]")):
            if path not in known:
                fault(path, "belongs to no room of src/rooms.txt")


def check_public():
    for path in sorted((root / "include").rglob("*.h")):
        for number, is_angled, header in includes(path):
            name = header.removesuffix(".h")
            if not is_angled or not (name.startswith("convoy/") or name in C_HEADERS):
                fault(f"{path.relative_to(root)}:{number}", f"a public header may not include {header}")


def stands_alone(door):
    words = f"cc -std=c17 -D_POSIX_C_SOURCE=200809L -fsyntax-only -Isrc -Iinclude -I. -x c {door}".split()
    result = subprocess.run(words, cwd=root, capture_output=True, text=True)
    if result.returncode == 0:
        return ""
    return next((line for line in result.stderr.splitlines() if "error" in line), result.stderr)


def check_doors_alone(rooms):
    paths = [room.folder / door for room in rooms.values() for door in room.doors]
    doors = [str(path.relative_to(root)) for path in paths if path.exists()]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for door, reason in zip(doors, pool.map(stands_alone, doors)):
            if reason:
                fault(door, f"does not compile by itself: {reason}")


# ---- circles ----


def find_circles(graph, what):
    """Names one fault for each set of nodes that all reach each other (Tarjan's strongly connected components)."""
    index, lowest, stack, done = {}, {}, [], set()

    def visit(node):
        index[node] = lowest[node] = len(index)
        stack.append(node)
        for other in sorted(graph.get(node, ())):
            if other not in index:
                visit(other)
            if other not in done:
                lowest[node] = min(lowest[node], lowest[other])
        if lowest[node] == index[node]:
            at = stack.index(node)
            circle, stack[at:] = stack[at:], []
            done.update(circle)
            if len(circle) > 1:
                fault(" and ".join(sorted(circle)), what)

    for node in sorted(graph):
        if node not in index:
            visit(node)


def check_circles(rooms):
    headers, texts, home = {}, {}, {}
    for room in rooms.values():
        for path in room.files:
            name = str(path.relative_to(root))
            if path.suffix == ".h":
                included = {header for _, is_angled, header in includes(path) if not is_angled}
                headers[name] = {h if h.startswith("datasets/") else f"src/{h}" for h in included} - {name}
            elif path.suffix == ".c":
                texts[name] = COMMENT_OR_TEXT.sub(" ", path.read_text())
                home.update((function, name) for function in DEFINITION.findall(texts[name]))
    find_circles(headers, "include each other")
    calls = {name: {home[f] for f in re.findall(r"\bcvy_\w+", text) if f in home} - {name}
             for name, text in texts.items()}
    find_circles(calls, "call each other's functions")


# ---- names and lines ----


def check_names(rooms):
    declared = {}
    headers = [path for room in rooms.values() for path in room.files if path.suffix == ".h"]
    for path in headers + sorted((root / "include/convoy").glob("*.h")):
        text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)
        for body, opaque in re.findall(r"^\} (\w+);|^typedef (?:struct|enum|union) \w+ (\w+);", text, re.M):
            kinds = declared.setdefault(body or opaque, {})
            kinds.setdefault("body" if body else "opaque", set()).add(str(path.relative_to(root)))
    for name, kinds in declared.items():
        for places in kinds.values():
            if len(places) > 1:
                fault(" and ".join(sorted(places)), f"each declares a {name}")


def check_lines():
    for folder in ("src", "include", "datasets", "tests"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix not in (".c", ".h", ".def"):
                continue
            lines = path.read_text().splitlines()
            if not lines or not lines[0].startswith("/*"):
                fault(path, "does not begin with a comment that says what it is for")
            for number, line in enumerate(lines, 1):
                if len(line) > LIMIT:
                    fault(f"{path.relative_to(root)}:{number}",
                          f"{len(line)} characters; the limit is {LIMIT}")


# ---- the graph ----


def floors_of(rooms):
    """A room stands one floor above the highest of those that it may include."""
    floors = {}
    for room in rooms.values():
        floors[room.name] = 1 + max((floors.get(other, 0) for other in room.below), default=0)
    return floors


def needed(room, rooms):
    """Gives the rooms below that no other room below reaches too: the arrows to all of them would hide the shape."""
    reached = set()
    for other in room.below:
        below, left = set(), [other]
        while left:
            for further in rooms[left.pop()].below:
                if further not in below:
                    below.add(further)
                    left.append(further)
        reached |= below
    return [other for other in room.below if other not in reached]


def print_graph(rooms):
    floors = floors_of(rooms)
    for floor in range(max(floors.values()), 0, -1):
        print(f"floor {floor}")
        for room in (room for room in rooms.values() if floors[room.name] == floor):
            print(f"  {room.name:9} -> {' '.join(reversed(room.below))}" if room.below else f"  {room.name}")


def print_dot(rooms):
    floors = floors_of(rooms)
    print('digraph rooms {\n  node [shape=box, style=rounded, fontname="Helvetica"];')
    for floor in set(floors.values()):
        print("  {rank=same; " + "; ".join(f'"{name}"' for name in floors if floors[name] == floor) + "}")
    for room in rooms.values():
        for other in needed(room, rooms):
            print(f'  "{room.name}" -> "{other}";')
    print("}")


def main(words):
    rooms = read_map()
    if words in (["--graph"], ["--dot"]):
        (print_graph if words == ["--graph"] else print_dot)(rooms)
        return
    if words:
        sys.exit(__doc__)
    check_strays(rooms)
    check_includes(rooms)
    check_public()
    check_doors_alone(rooms)
    check_circles(rooms)
    check_names(rooms)
    check_lines()
    for line in faults:
        print(line)
    sys.exit(1 if faults else 0)


main(sys.argv[1:])
