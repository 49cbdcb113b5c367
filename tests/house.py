"""Holds the map of the rooms (src/rooms.txt) against the source.

Each include must be of the file's own room, or a door of a room that it may include. Files do not include each other in
circles. A type has one name, and a name one type. No line is longer than the limit.
"""
import pathlib
import re
import sys

LIMIT = 110
root = pathlib.Path(__file__).resolve().parent.parent
faults = []


def read_map():
    rooms = {}
    for line in (root / "src/rooms.txt").read_text().splitlines():
        if line.startswith("#") or not line.strip():
            continue
        name, below, doors = (part.split() for part in line.split("|"))
        for room in below:
            if room not in rooms:
                faults.append(f"src/rooms.txt: {name[0]} may include {room}, which does not stand above it")
        rooms[name[0]] = (set(below), set(doors))
    return rooms


def folder_of(room):
    return root / (room if room == "datasets" else f"src/{room}")


def sources(room):
    return sorted(path for pattern in ("*.c", "*.h") for path in folder_of(room).glob(pattern))


def includes(path):
    for number, line in enumerate(path.read_text().splitlines(), 1):
        found = re.match(r'#include "([a-z0-9_]+)/([a-z0-9_.]+)"|#include <(convoy)/([a-z0-9_.]+)>', line)
        if found:
            yield number, found[1] or found[3], found[2] or found[4]
        elif re.match(r'#include "', line):
            faults.append(f"{path.relative_to(root)}:{number}: {line}: a room's name belongs in front")


def check_doors(rooms):
    for room, (below, doors) in rooms.items():
        for door in doors:
            if not (folder_of(room) / door).exists():
                faults.append(f"src/rooms.txt: {room} has no {door}")
        for path in sources(room):
            for number, other, header in includes(path):
                if other in (room, "convoy"):
                    continue
                where = f"{path.relative_to(root)}:{number}"
                if other not in rooms or other not in below:
                    faults.append(f"{where}: includes {other}/{header}; {room} may not include {other}")
                elif header not in rooms[other][1]:
                    faults.append(f"{where}: {other}/{header} is no door of {other}")


def check_circles(rooms):
    graph = {}
    for room in rooms:
        for path in sources(room):
            # A header and its source are one part.
            part = f"{room}/{path.stem}"
            others = graph.setdefault(part, set())
            others |= {f"{r}/{pathlib.Path(h).stem}" for _, r, h in includes(path) if h.endswith(".h")}
            others.discard(part)
    state = {}

    def walk(part, way):
        if state.get(part) == "done":
            return
        if part in way:
            circle = " -> ".join([*way[way.index(part):], part])
            faults.append(f"files include each other in a circle: {circle}")
            return
        for other in sorted(graph.get(part, ())):
            walk(other, [*way, part])
        state[part] = "done"

    for part in sorted(graph):
        walk(part, [])


def check_names(rooms):
    """One name for two types, wherever a header declares it."""
    declared = {}
    headers = [p for room in rooms for p in sources(room) if p.suffix == ".h"]
    headers += sorted((root / "include/convoy").glob("*.h"))
    for path in headers:
        text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)
        for name in re.findall(r"^\} (\w+);|^typedef (?:struct|enum) \w+ (\w+);", text, flags=re.M):
            kind = "body" if name[0] else "opaque"
            declared.setdefault(name[0] or name[1], []).append((kind, path))
    for name, places in declared.items():
        for kind in ("body", "opaque"):
            where = sorted({str(p.relative_to(root)) for k, p in places if k == kind})
            if len(where) > 1:
                faults.append(f"{name} is declared by {' and '.join(where)}")


def check_lines():
    for folder in ("src", "include", "datasets", "tests"):
        for path in sorted((root / folder).rglob("*.[ch]")):
            for number, line in enumerate(path.read_text().splitlines(), 1):
                if len(line) > LIMIT:
                    faults.append(f"{path.relative_to(root)}:{number}: {len(line)} characters; the limit is {LIMIT}")


rooms = read_map()
check_doors(rooms)
check_circles(rooms)
check_names(rooms)
check_lines()
for fault in faults:
    print(fault)
sys.exit(1 if faults else 0)
