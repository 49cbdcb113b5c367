"""Writes HDF5 files as other programs write them into the folder that is its argument: for test_arrays.c.

Image i is 3x5 or 3x5x3, and its sample (y, x, k) is i * 40 + y * 15 + x * 3 + k. Labels are 0, 1, 2, 0, 1, 2.
"""
import os
import sys

import h5py
import numpy as np

os.chdir(sys.argv[1])
n = 6
i, y, x, k = np.meshgrid(range(n), range(3), range(5), range(3), indexing="ij")
colour = (i * 40 + y * 15 + x * 3 + k).astype("u1")
grey = np.ascontiguousarray(colour[:, :, :, 0])
labels = np.arange(n) % 3
hot = np.eye(3)[labels]
animals = np.array([b"dog", b"cat", b"eel"])[labels]


def write(name, **data):
    with h5py.File(name + ".h5", "w") as file:
        for key, value in data.items():
            file[key.replace("__", "/")] = value


# Labels of every kind.
for kind in ["u1", "i2", "u4", "i8", "u8", "f2", "f4", "f8", ">i4", ">f8"]:
    write("type_" + kind.replace(">", "big_"), images=grey, labels=labels.astype(kind))
write("column", images=grey, labels=labels[:, None])
write("row", images=grey, labels=labels[None, :])
write("n111", images=grey, labels=labels.reshape(n, 1, 1, 1))
write("hot", images=grey, labels=hot)
write("hot_int", images=grey, labels=hot.astype("i8"))
write("hot_bool", images=grey, labels=hot.astype(bool))
write("hot_upright", images=grey, labels=hot.T)
write("bool", images=grey, labels=labels.astype(bool))
write("one", images=grey[:1], labels=[0])
write("one_hot", images=grey[:1], labels=[[0, 1, 0]])
write("bytes", images=grey, labels=animals)
write("texts", images=grey, labels=[name.decode() for name in animals])
write("texts_column", images=grey, labels=animals[:, None])
write("digits", images=grey, labels=np.array([b"10", b"9", b" 2.0"])[labels])
write("single", images=grey, labels=3)
write("late_gaps", images=grey, labels=np.array([10, 9, 2])[labels])
write("latin", images=grey, labels=np.array([b"z", b"caf\xe9", b"eel"])[labels])
write("latin_names", images=grey, labels=labels, class_names=[b"z", b"caf\xe9", b"eel"])
write("zero_within", images=grey, labels=np.array([b"a", b"a\0b\0", b"c"], "S5")[labels])
write("no_text", images=grey, labels=np.array([b"dog", b"", b"eel"])[labels])
write("from_1", images=grey, labels=labels + 1.0)
write("late", images=grey, labels=labels + 5)
write("gap", images=grey, labels=labels * 2)
write("negative", images=grey, labels=labels - 1)
write("half", images=grey, labels=labels / 2)
write("nan", images=grey, labels=np.where(labels == 2, np.nan, labels))
write("two_hot", images=grey, labels=hot + (np.arange(n) == 4)[:, None] * np.eye(3)[0])
write("fewer", images=grey, labels=labels[:5])
write("masks", images=grey, labels=grey)
with h5py.File("enum.h5", "w") as file:
    members = h5py.enum_dtype({"EEL": 7, "CAT": 3, "DOG": 5}, "i2")
    file["images"] = grey
    file.create_dataset("labels", data=np.array([3, 5, 7], "i2")[labels], dtype=members)
with h5py.File("packed_texts.h5", "w") as file:
    file["images"] = np.repeat(grey, 500, 0)
    file.create_dataset("labels", data=np.repeat(animals, 500), compression="gzip", compression_opts=9)

# Names of classes.
write("own_names", images=grey, labels=labels, class_names=[b"dog", b"cat", b"eel", b"fox"])
write("own_names_texts", images=grey, labels=animals, classes=[b"eel", b"dog", b"cat"])
write("named_0_1", images=grey, labels=labels, class_names=[b"0", b"1", b"2"])
write("own_names_few", images=grey, labels=labels, list_classes=[b"no", b"yes"])
write("own_names_other", images=grey, labels=animals, classes=[b"eel", b"dog"])

# Names of datasets, and splits.
few = {"train": (colour, labels), "test": (colour[:4], labels[:4])}
write("coursera", list_classes=[b"a", b"b", b"c"], **{f"{s}_set_x": d[0] for s, d in few.items()},
      **{f"{s}_set_y": d[1] for s, d in few.items()})
write("keras", X_train=colour, y_train=labels, X_test=colour[:4], y_test=labels[:4])
write("camel", trainX=colour, trainY=labels, testX=colour[:4], testY=labels[:4])
write("run_on", xtrain=grey, ytrain=labels, xtest=grey[:4], ytest=labels[:4])
write("groups", train__images=grey, train__labels=labels, valid__images=grey[:5], valid__labels=labels[:5],
      test__images=grey[:4], test__labels=labels[:4])
write("below", images__train=grey, images__test=grey[:4], labels__train=labels, labels__test=labels[:4])
write("deep", a__b__train__data=grey, a__b__train__label=labels)
write("caffe", data=colour.transpose(0, 3, 1, 2), label=labels.astype("f4").reshape(n, 1, 1, 1))
write("grey_planes", images=grey[:, None], labels=labels)
write("strange", cats=colour, tags=labels)
write("rivals", a__x=colour, a__y=labels, b__x=colour[:4], b__y=labels[:4])
write("short", Xtr=grey, Ytr=labels, Xte=grey[:4], Yte=labels[:4])
write("sklearn", x_tr=grey, y_tr=labels, x_va=grey[:4], y_va=labels[:4])
write("measured", X_val=grey, y_val=labels, X_test=grey[:4], y_test=labels[:4])
write("ans", images=grey, ans=labels)
write("classes", imgs=grey, classes=labels)
write("labs", img=grey, labs=labels, classes=[b"cat", b"dog", b"eel"])
write("two_labels", images=grey, labels=labels, label=animals)
write("same_labels", images=grey, labels=labels)
with h5py.File("same_labels.h5", "a") as file:
    file["label"] = file["labels"]
write("two_images", images=grey, data=grey[::-1], labels=labels)
write("meta", images=grey, x=np.zeros((n, 7)), labels=labels, info__labels=np.zeros(9))

# Links.
with h5py.File("links.h5", "w") as file:
    file["store/p"] = grey
    file["store/q"] = labels
    file["images"] = h5py.SoftLink("/hop")
    file["hop"] = h5py.SoftLink("store/p")
    file["labels"] = file["store/q"]
    file["store/up"] = h5py.SoftLink("/")
    file["loop"] = h5py.SoftLink("/loop")
    file["gone"] = h5py.SoftLink("/no")
os.makedirs("in/side", exist_ok=True)
write("in/side/far", images=grey, labels=labels)
write("out", images=grey, labels=labels)


def link(name, target):
    with h5py.File(name + ".h5", "w") as file:
        file["images"] = h5py.ExternalLink(target, "/images")
        file["labels"] = h5py.ExternalLink(target, "labels")


link("in/inside", "side/far.h5")
link("in/outside", "../out.h5")
link("in/absolute", os.path.abspath("out.h5"))
link("in/lost", "lost.raw")
os.symlink(os.path.abspath("in/inside.h5"), "symbolic.h5")
with h5py.File("in/group.h5", "w") as file:
    file["train"] = h5py.ExternalLink("side/far.h5", "/")
for name, source in [("virtual", "side/far.h5"), ("hollow", "side/gone.h5")]:
    with h5py.File(f"in/{name}.h5", "w", libver="latest") as file:
        layout = h5py.VirtualLayout(grey.shape, "u1")
        layout[:] = h5py.VirtualSource(source, "images", grey.shape)
        file.create_virtual_dataset("images", layout)
        file["labels"] = labels
with h5py.File("storage.h5", "w") as file:
    file.create_dataset("images", data=grey, external=[(os.path.abspath("storage.raw"), 0, grey.nbytes)])
    file["labels"] = labels

# Several files.
write("x", x=grey)
write("y", y=labels.reshape(n, 1, 1, 1))
write("minus_y", y=[0, 1, 2, 0, -1, 2])
write("part1", images=grey[:4], labels=np.array(["b", "c", "a"], "S")[labels[:4]])
write("part2", images=grey[4:], labels=np.array([b"d", b"a"]))
write("large", images=np.zeros((2, 9, 9), "u1"), labels=[b"a", b"b"])
for name, text in {"list": "# parts\n\n part1.h5 \r\npart2.h5", "halves": "x.h5\ny.h5\n", "keras": "keras.h5:test\n",
                   "wrong": "part1.h5\nnot there.h5\n", "empty": "# nothing\n", "sizes": "part1.h5\nlarge.h5\n",
                   "some_named": "type_u1.h5\nown_names.h5\n", "some_enum": "enum.h5\ntype_u1.h5\n",
                   "named_0_1": "named_0_1.h5\ntype_u1.h5\n", "counted": "from_1.h5\ntype_u1.h5\n",
                   "orders": "keras.h5:train\ncaffe.h5\n", "grey_orders": "grey_planes.h5\ntype_u1.h5\n",
                   "pointer": "version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
                   "page": "<!DOCTYPE html><html>404</html>\n", "marked": "\ufeffpart1.h5\r\npart2.h5\r\n",
                   "sorted": "type_u1.h5\nlate.h5\n", "kinds": "part1.h5\nhot.h5\n", "minus": "x.h5\nminus_y.h5\n",
                   "in/from_here": "keras.h5:test\n"}.items():
    with open(name + ".txt", "w", newline="") as file:
        file.write(text)
with open("utf_16.txt", "wb") as file:
    file.write("part1.h5\r\npart2.h5\r\n".encode("utf-16"))


# MATLAB's dimensions lie in reverse, and so do Octave's.
def matlab(name, data, label):
    with h5py.File(name + ".mat", "w", userblock_size=512) as file:
        for key, value in [("data", data), ("label", label)]:
            file[key] = np.asarray(value).T
            file[key].attrs["MATLAB_class"] = np.bytes_("double")


matlab("hwcn", colour.transpose(1, 2, 3, 0).astype("f8"), labels[:, None] + 1.0)
matlab("hwn", grey.transpose(1, 2, 0), labels[None, :])
matlab("nhw", grey, labels[:, None])
matlab("square", grey[:3].transpose(1, 2, 0), np.eye(3))
matlab("onehot", grey.transpose(1, 2, 0), hot)
with h5py.File("cell.mat", "w") as file:
    file["#refs#/x"] = np.frombuffer(b"c\0", "u2")[:, None]
    file["data"] = grey.transpose(0, 2, 1)
    cells = np.array([[file["#refs#/x"].ref] * n], dtype=h5py.ref_dtype)
    file.create_dataset("label", data=cells, dtype=h5py.ref_dtype)
    file["data"].attrs["MATLAB_class"] = np.bytes_("uint8")
    file["label"].attrs["MATLAB_class"] = np.bytes_("cell")
with h5py.File("cells.mat", "w") as file:
    file["#refs#/a"] = np.frombuffer(b"c\0", "u2")[:, None]
    for cell in range(5000):
        file[f"#refs#/a{cell}"] = file["#refs#/a"]
    file["data"] = grey.transpose(0, 2, 1)
    file["label"] = labels[:, None].T
    file["data"].attrs["MATLAB_class"] = file["label"].attrs["MATLAB_class"] = np.bytes_("uint8")
with h5py.File("octave.h5", "w") as file:
    for key, value in [("images", grey.transpose(0, 2, 1)), ("labels", labels[None])]:
        group = file.create_group(key)
        group["type"] = np.bytes_("matrix")
        group["value"] = value
        group.attrs["OCTAVE_NEW_FORMAT"] = np.uint8(1)


# Chunks and filters.
def packed(name, **how):
    with h5py.File(name + ".h5", "w") as file:
        file.create_dataset("images", data=grey, **how)
        file["labels"] = labels


packed("lzf", compression="lzf", chunks=(2, 3, 5))
packed("auto", compression="gzip")
packed("cut", chunks=(4, 2, 2))
packed("fletcher", fletcher32=True, shuffle=True, chunks=(6, 3, 5))
packed("grown", chunks=(1, 3, 5), maxshape=(None, 3, 5))

with h5py.File("scaled.h5", "w") as file:
    file.create_dataset("images", data=grey.astype("i4"), chunks=(6, 3, 5), scaleoffset=0)
    file["labels"] = labels
with h5py.File("unwritten.h5", "w") as file:
    file.create_dataset("images", grey.shape, "u1")
    file["labels"] = labels
with h5py.File("unwritten_labels.h5", "w") as file:
    file["images"] = grey
    file.create_dataset("labels", (n,), "i8", chunks=(3,))
# Filters' parameters that cannot be: of szip there are none, of the others the size of a chunk is wrong.
for number, name, begin in [(4, "szip", b""), (5, "nbit", [8, 1]), (6, "scaleoffset", [0, 0])]:
    layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    layout.set_chunk((n, 3, 5))
    layout.set_filter(number, h5py.h5z.FLAG_OPTIONAL)
    with h5py.File(f"no_{name}.h5", "w") as file:
        space = h5py.h5s.create_simple((n, 3, 5))
        made = h5py.h5d.create(file.id, b"images", h5py.h5t.NATIVE_UINT8, space, layout)
        made.write_direct_chunk((0, 0, 0), b"zz" * 50)
        file["labels"] = labels
    with open(f"no_{name}.h5", "rb+") as file:
        good, bad = (np.array([*begin, size], "<u4").tobytes() for size in (n * 15, n * 1500))
        whole = file.read()
        assert name == "szip" or whole.count(good) == 1
        file.seek(0)
        file.write(whole.replace(good, bad) if begin else whole)

# Samples that are not bytes.
write("unit", images=(grey / 255).astype("f4"), labels=labels)
write("half_unit", images=(grey / 255).astype("f2"), labels=labels)
write("whole", images=grey.astype("f8"), labels=labels)
write("ints", images=grey.astype("i4"), labels=labels)
write("centred", images=grey / 127.5 - 1, labels=labels)
write("wide", images=grey.astype("i2") * 2, labels=labels)
write("only_train", x_train=grey, y_train=labels)
write("only_test", x_test=grey, y_test=labels)
