"""Writes the same twelve pictures into every source that can hold them, each as its own tool would.

    sources.py FOLDER [LABEL LABEL LABEL]
                          writes FOLDER/pictures (class folders 0, 1, 2 of PNG files), FOLDER/pictures.tar and so on
    sources.py --hash DIR...
                          prints DIR and a hash of what its shards say: classes, labels, pixels or files, in their order

The classes are named by whole numbers, since most sources hold numbers. Python's protobuf writes the protocol
buffers, from descriptors made here; LMDB, LevelDB and HDF5 are written by their libraries, TFRecord and
RecordIO by a few lines here.
"""
import hashlib
import io
import pathlib
import struct
import sys
import tarfile
import zipfile
import zlib

import h5py
import numpy as np

WIDTH, HEIGHT = 20, 16


def png(pixels):
    """Returns a PNG file of rows of RGB pixels."""
    h, w, _ = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def pictures(labels):
    """Yields (label, name, pixels), four of each class, in the order in which a folder is read."""
    random = np.random.default_rng(5)
    for label in labels:
        for i in range(4):
            yield label, f"{label}/{i}.png", random.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


# ---- protocol buffers ----

def messages():
    """Returns the classes of Caffe's Datum and TensorFlow's Example."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="sources.proto", package="s")

    def message(name, fields):
        m = file.message_type.add(name=name)
        for number, (field, kind, repeated) in fields.items():
            f = m.field.add(name=field, number=number, label=3 if repeated else 1)
            if isinstance(kind, str):
                f.type, f.type_name = kinds.TYPE_MESSAGE, ".s." + kind
            else:
                f.type = kind
            if repeated and kind in (kinds.TYPE_FLOAT, kinds.TYPE_INT64) and name != "Datum":
                f.options.packed = True
    message("Datum", {1: ("channels", kinds.TYPE_INT32, False), 2: ("height", kinds.TYPE_INT32, False),
                      3: ("width", kinds.TYPE_INT32, False), 4: ("data", kinds.TYPE_BYTES, False),
                      5: ("label", kinds.TYPE_INT32, False), 6: ("float_data", kinds.TYPE_FLOAT, True),
                      7: ("encoded", kinds.TYPE_BOOL, False)})
    message("BytesList", {1: ("value", kinds.TYPE_BYTES, True)})
    message("FloatList", {1: ("value", kinds.TYPE_FLOAT, True)})
    message("Int64List", {1: ("value", kinds.TYPE_INT64, True)})
    message("Feature", {1: ("bytes_list", "BytesList", False), 2: ("float_list", "FloatList", False),
                        3: ("int64_list", "Int64List", False)})
    message("Entry", {1: ("key", kinds.TYPE_STRING, False), 2: ("value", "Feature", False)})
    message("Features", {1: ("feature", "Entry", True)})
    message("Example", {1: ("features", "Features", False)})
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    factory = message_factory.MessageFactory(pool)
    return {name: factory.GetPrototype(pool.FindMessageTypeByName("s." + name))
            for name in ("Datum", "Example")}


def datum(kinds, label, pixels, encoded, floats=False):
    d = kinds["Datum"](label=label)
    if encoded:
        d.data, d.encoded = png(pixels), True
        return d.SerializeToString()
    planes = pixels[:, :, ::-1].transpose(2, 0, 1)  # OpenCV and Caffe have planes, blue first
    d.channels, d.height, d.width = planes.shape
    if floats:
        d.float_data.extend(map(float, planes.ravel()))
    else:
        d.data = planes.tobytes()
    return d.SerializeToString()


def example(kinds, features):
    x = kinds["Example"]()
    for key, value in features.items():
        entry = x.features.feature.add(key=key)
        if isinstance(value, bytes):
            entry.value.bytes_list.value.append(value)
        else:
            entry.value.int64_list.value.append(value)
    return x.SerializeToString()


# ---- files of records ----

def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def masked(data):
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xa282ead8) & 0xffffffff


def tfrecord(records):
    out = b""
    for data in records:
        length = struct.pack("<Q", len(data))
        out += length + struct.pack("<I", masked(length)) + data + struct.pack("<I", masked(data))
    return out


def recordio(records):
    """Returns the records as dmlc-core writes them: one is cut where the magic stands in it at a multiple of four."""
    magic = struct.pack("<I", 0xced7230a)
    out = b""
    for data in records:
        parts, begin = [], 0
        for at in range(0, len(data) // 4 * 4, 4):
            if data[at:at + 4] == magic:
                parts.append(data[begin:at])
                begin = at + 4
        parts.append(data[begin:])
        for i, part in enumerate(parts):
            kind = 0 if len(parts) == 1 else 1 if i == 0 else 3 if i == len(parts) - 1 else 2
            out += magic + struct.pack("<I", kind << 29 | len(part)) + part + b"\0" * (-len(part) % 4)
    return out


# ---- the sources ----

def write_files(to, all_pictures):
    for label, name, pixels in all_pictures:
        path = to / "pictures" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(pixels))
    with tarfile.open(to / "pictures.tar", "w") as tar:
        for _, name, _ in all_pictures:
            tar.add(to / "pictures" / name, name)
    with tarfile.open(to / "pictures.tar.gz", "w:gz") as tar:
        for _, name, _ in all_pictures:
            tar.add(to / "pictures" / name, name)
    with zipfile.ZipFile(to / "pictures.zip", "w") as archive:
        for _, name, _ in all_pictures:
            archive.write(to / "pictures" / name, name)
    rows = [(f"pictures/{name}", label) for label, name, _ in all_pictures]
    (to / "list.csv").write_text("path,label\n" + "".join(f"{path},{label}\n" for path, label in rows))
    (to / "list.txt").write_text("".join(f"{path} {label}\n" for path, label in rows))
    (to / "list.lst").write_text("".join(f"{i}\t{float(label):.6f}\t{path}\n" for i, (path, label) in enumerate(rows)))
    with tarfile.open(to / "web-000000.tar", "w") as tar:
        for i, (label, _, pixels) in enumerate(all_pictures):
            for ending, data in ("cls", b"%d" % label), ("png", png(pixels)):
                entry = tarfile.TarInfo(f"{i:06d}.{ending}")
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))


def write_databases(to, all_pictures):
    import lmdb
    import plyvel
    kinds = messages()
    for form, encoded, floats in ("raw", False, False), ("encoded", True, False), ("floats", False, True):
        values = [(f"{i:08d}_{name}".encode(), datum(kinds, label, pixels, encoded, floats))
                  for i, (label, name, pixels) in enumerate(all_pictures)]
        env = lmdb.open(str(to / f"lmdb-{form}"), map_size=1 << 26)
        with env.begin(write=True) as transaction:
            for key, value in values:
                transaction.put(key, value)
        env.close()
        db = plyvel.DB(str(to / f"leveldb-{form}"), create_if_missing=True)
        for key, value in values:
            db.put(key, value)
        db.close()
    head = "<IfQQ"
    records = [struct.pack(head, 0, label, i, 0) + png(pixels) for i, (label, _, pixels) in enumerate(all_pictures)]
    (to / "pictures.rec").write_bytes(recordio(records))
    records = [struct.pack(head, 1, 0, i, 0) + struct.pack("<f", label) + pixels[:, :, ::-1].tobytes()
               for i, (label, _, pixels) in enumerate(all_pictures)]
    (to / "raw.rec").write_bytes(recordio(records))
    imagenet = [example(kinds, {"image/height": HEIGHT, "image/encoded": png(pixels), "image/class/label": label,
                                "image/format": b"PNG", "image/filename": name.encode()})
                for label, name, pixels in all_pictures]
    for k in range(2):
        (to / f"imagenet-{k:05d}-of-00002").write_bytes(tfrecord(imagenet[6 * k:6 * k + 6]))
    (to / "tfds.tfrecord").write_bytes(tfrecord(example(kinds, {"image": png(pixels), "label": label})
                                                for label, _, pixels in all_pictures))
    (to / "raw.tfrecord").write_bytes(tfrecord(
        example(kinds, {"height": HEIGHT, "width": WIDTH, "depth": 3, "image_raw": pixels.tobytes(), "label": label})
        for label, _, pixels in all_pictures))


def write_hdf5(to, all_pictures):
    x = np.stack([pixels for _, _, pixels in all_pictures])
    y = np.array([label for label, _, _ in all_pictures])
    layouts = {"plain": (x, y), "planes": (x.transpose(0, 3, 1, 2), y), "column": (x, y[:, None]),
               "floats": (x, y.astype(np.float64)), "int8": (x, y.astype(np.int8)),
               "texts": (x, y.astype("S"))}
    for name, (images, labels) in layouts.items():
        with h5py.File(to / f"{name}.h5", "w") as f:
            f["images"], f["labels"] = images, labels


# ---- what shards say ----

def hash_of(folder):
    out = hashlib.sha256()
    for path in sorted(pathlib.Path(folder).glob("*.h5")):
        with h5py.File(path) as f:
            for name in ("class_names", "labels", "images", "bytes", "offsets", "mean", "deviation"):
                if name in f:
                    out.update(name.encode() + str(f[name].shape).encode() + f[name][()].tobytes())
    return out.hexdigest()


if __name__ == "__main__":
    if sys.argv[1] == "--hash":
        for folder in sys.argv[2:]:
            print(folder.rstrip("/"), hash_of(folder))
    else:
        folder = pathlib.Path(sys.argv[1])
        drawn = list(pictures([int(label) for label in sys.argv[2:]] or [0, 1, 2]))
        folder.mkdir(exist_ok=True)
        write_files(folder, drawn)
        write_hdf5(folder, drawn)
        write_databases(folder, drawn)
