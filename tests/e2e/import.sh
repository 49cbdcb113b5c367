# Tests that models come from other programs' files and go into them: what an export holds, what an import
# finds, and what it refuses.
. "$(dirname "$0")/lib" "$1"
golden=$CONVOY_SOURCE/tests/reference/golden/formats

lenet5_on_digits 40 20 "epochs: 1" "solver: {sgd: {momentum: 0.9}}" "learning_rate: {constant: {rate: 0.05}}"
"$convoy" train ./recipe.yaml --json >out.json 2>err.log || { cat err.log; exit 1; }
trained=$(weights out.json)
score() { # score MODEL: prints loss and top-1 on the digits
  "$convoy" eval "$1" --data data --json 2>/dev/null | sed 's/.*"loss": \([^,]*\), "top1": \([^,]*\),.*/\1 \2/'
}
own=$(score run)

# There and back: the file says all that an import needs.
expect 0 "safetensors, 10 tensors" "$convoy" export run -o lenet5.safetensors
expect 0 "weights $trained" "$convoy" import lenet5.safetensors -o back.h5
[ "$(score back.h5)" = "$own" ] || fail "another score after a round trip: $(score back.h5), not $own"
expect 0 "weights $trained" "$convoy" import safetensors lenet5.safetensors --output back.h5
expect 0 '"found": "by the names of the layers"' "$convoy" import lenet5.safetensors -o back.h5 --json
expect 0 "origin         lenet5.safetensors, safetensors" "$convoy" inspect back.h5
expect 0 "note           convoy.mean" "$convoy" inspect lenet5.safetensors
"$convoy" export back.h5 -o again.safetensors >log && cmp lenet5.safetensors again.safetensors || fail "two exports of one model differ"

# A folder gets network, recipe and model, and can be used as a run's.
expect 0 "network 'lenet5'" "$convoy" import lenet5.safetensors -o folder
[ "$(ls folder | tr '\n' ' ')" = "model.h5 network.yaml recipe.yaml " ] || fail "the folder has $(ls folder)"
[ "$(score folder)" = "$own" ] || fail "another score of the folder: $(score folder)"
expect 0 "1 epochs, " "$convoy" train ./folder/recipe.yaml data.train=data --dry-run
mkdir resumed && cp back.h5 resumed/last.h5
expect 2 "no run's checkpoint" "$convoy" train ./recipe.yaml run=resumed --resume

# What a file does not say must be said.
expect 2 "has weights and no network" "$convoy" import "$golden/module.pt" -o x.h5
cat >linear.yaml <<'END'
name: linear
input: [1, 1, 3]
layers:
  - fc: {outputs: 2}
  - batch_norm
  - softmax_loss
END
expect 2 "does not say what images its network takes" "$convoy" import "$golden/module.pt" --network ./linear.yaml -o x.h5
[ ! -e x.h5 ] || fail "a refused import has written a file"
expect 0 "found by their order" "$convoy" import "$golden/module.pt" --network ./linear.yaml --preprocess unit -o x.h5
expect 0 "were matched by their order" "$convoy" import torch "$golden/module.pt" --network ./linear.yaml --preprocess unit -o x.h5
expect 2 "the network takes 1" "$convoy" import lenet5.safetensors --preprocess torch -o x.h5
expect 2 "--mean has 2 numbers" "$convoy" import lenet5.safetensors --mean 1,2 -o x.h5
expect 0 "10 classes" "$convoy" import lenet5.safetensors --mean 3 --deviation 4 -o other.h5
"$convoy" inspect other.h5 | grep -q "$("$convoy" inspect back.h5 | sed -n 's/.*mean .*\(CRC-32 .*\)/\1/p')" && fail "--mean changed nothing"
printf 'null\neins\r\nzwei\n' >names.txt
expect 2 "names.txt names 3 classes; the network tells apart 10" "$convoy" import lenet5.safetensors --classes names.txt -o x.h5
python3 - <<'END'
import json, struct
def named(names, path):
    data = open("lenet5.safetensors", "rb").read()
    length, = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    header["__metadata__"]["convoy.classes"] = json.dumps([str(i) for i in range(names)])
    text = json.dumps(header).encode()
    open(path, "wb").write(struct.pack("<Q", len(text)) + text + data[8 + length:])
named(8, "eight.safetensors")
named(11, "eleven.safetensors")
END
expect 0 "weights $trained" "$convoy" import eight.safetensors -o eight.h5
[ "$("$convoy" inspect eight.h5 | sed -n 's/.*class_names *text *\([0-9]*\).*/\1/p')" = 8 ] || fail "not 8 names of classes"
expect 2 "eleven.safetensors names 11 classes; the network tells apart 10" "$convoy" import eleven.safetensors -o x.h5
expect 2 "should be one of .safetensors" "$convoy" export run -o model.bin
expect 2 "there is no such map of names" "$convoy" export run -o x.safetensors --names torchvison
expect 2 "has no name for layer" "$convoy" export run -o x.safetensors --names torchvision
expect 2 "--bgr is about 3 channels" "$convoy" export run -o x.safetensors --bgr
expect 2 "where does the model go?" "$convoy" import lenet5.safetensors
expect 2 "is about a network of Convoy's" "$convoy" import lenet5.safetensors classes=12 -o x.h5
expect 2 "names 10 classes; the network tells apart 12" "$convoy" import lenet5.safetensors --network lenet5 classes=12 -o x.h5
seq 12 >twelve.txt
expect 2 "output/weights ('output.weight') is 10x84 and should be 12x84" \
  "$convoy" import lenet5.safetensors --network lenet5 classes=12 --classes twelve.txt -o x.h5
expect 2 "expected one or the other" "$convoy" import lenet5.safetensors --preprocess tf --mean 1 --deviation 2 -o x.h5
expect 2 "the network of --network says itself" "$convoy" import lenet5.safetensors --network lenet5 --input 32x32x1 -o x.h5
expect 2 "recipe.yaml stands there and is not replaced" "$convoy" import lenet5.safetensors -o .
expect 2 "folder/network.yaml stands there" "$convoy" import lenet5.safetensors -o folder
expect 2 "a checkpoint of Convoy's stands there and is not replaced" "$convoy" export back.h5 -o back.h5
for time in first second; do expect 0 "keras.h5: Keras'" "$convoy" export back.h5 -o keras.h5; done
expect 0 "weights $trained" "$convoy" import keras.h5 -o keras-back.h5
expect 2 "No such file" "$convoy" import missing.pt -o x.h5
expect 2 "no file of weights that convoy can read" "$convoy" import names.txt -o x.h5
"$convoy" inspect x.h5 | grep -q module.pt || fail "a refused import has written a file"

# Labelled pictures tell how they are to be prepared.
expect 0 "unit          auto" "$convoy" import lenet5.safetensors --try data -o tried.h5
expect 0 "raw           auto" "$convoy" import lenet5.safetensors --try data -o tried.h5
expect 2 "it goes without --preprocess" "$convoy" import lenet5.safetensors --try data --preprocess raw -o tried.h5
expect 2 "nowhere: no such" "$convoy" import lenet5.safetensors --try nowhere -o tried.h5

# Blue first, and back: the images are the same, so the weights are.
cat >colour.yaml <<'END'
name: colour
input: [6, 6, 3]
layers:
  - conv: {filters: 4, kernel: 3}
  - fc: {outputs: 2}
  - softmax_loss
END
"$convoy" export run -o plain.safetensors >log || fail "$(cat log)"
python3 - <<'END'
import json, random, struct
random.seed(1)
tensors = {"conv1.weight": (4, 3, 3, 3), "conv1.bias": (4,), "fc1.weight": (2, 64), "fc1.bias": (2,)}
header, data = {}, b""
for name, shape in tensors.items():
    count = 1
    for n in shape: count *= n
    values = struct.pack(f"<{count}f", *(random.random() for _ in range(count)))
    header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(values)]}
    data += values
text = json.dumps(header).encode()
open("colour.safetensors", "wb").write(struct.pack("<Q", len(text)) + text + data)
END
"$convoy" import colour.safetensors --network ./colour.yaml --preprocess caffe -o bgr.h5 >bgr.log || fail "a network that reads blue first"
"$convoy" import colour.safetensors --network ./colour.yaml --preprocess raw -o rgb.h5 >rgb.log
[ "$(sed -n 's/.*weights //p' bgr.log)" != "$(sed -n 's/.*weights //p' rgb.log)" ] || fail "blue and red are not exchanged"
"$convoy" export bgr.h5 -o bgr.safetensors --bgr >log || fail "$(cat log)"
expect 0 "$(sed -n 's/.*weights //p' bgr.log)" "$convoy" import bgr.safetensors -o bgr2.h5
expect 0 "convoy.channels: bgr" "$convoy" inspect bgr.safetensors
expect 0 "convoy.mean: 104" "$convoy" inspect bgr.safetensors

# The file of weights names the classes where that of the network does not.
cat >colour.prototxt <<'END'
name: "colour"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 6 dim: 6 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1" convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "fc1" type: "InnerProduct" bottom: "conv1" top: "fc1" inner_product_param { num_output: 2 } }
layer { name: "prob" type: "Softmax" bottom: "fc1" top: "prob" }
END
printf 'cat\ndog\n' >two.txt
"$convoy" import colour.safetensors --network ./colour.yaml --preprocess raw --classes two.txt -o named.h5 >log || fail "$(cat log)"
"$convoy" export named.h5 -o named.safetensors >log || fail "$(cat log)"
expect 0 '"named_classes": 2' "$convoy" import colour.prototxt --weights named.safetensors -o named-back.h5 --json

# Caffe's text: the size of images may be nowhere, and a solver counts steps.
cat >net.prototxt <<'END'
name: "tiny"
layer { name: "data" type: "Data" top: "data" top: "label" transform_param { scale: 0.00390625 }
        data_param { source: "train_lmdb" batch_size: 20 } include { phase: TRAIN } }
layer { name: "ip1" type: "InnerProduct" bottom: "data" top: "ip1" inner_product_param { num_output: 10 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip1" bottom: "label" top: "loss" }
END
cat >solver.prototxt <<'END'
net: "net.prototxt"
base_lr: 0.05
momentum: 0.9
lr_policy: "fixed"
max_iter: 36
END
expect 2 "say --input HEIGHTxWIDTHxCHANNELS" "$convoy" import net.prototxt -o tiny
expect 2 "--input 28x28: expected HEIGHTxWIDTHxCHANNELS, as 28x28x1" "$convoy" import net.prototxt --input 28x28 -o tiny
expect 2 "say how many images there are to train on with --images" \
  "$convoy" import net.prototxt --input 28x28x1 --solver solver.prototxt -o tiny
expect 2 "has no weights, so --preprocess" "$convoy" import net.prototxt --input 28x28x1 --preprocess unit -o tiny
expect 2 "which only a folder gets" \
  "$convoy" import net.prototxt --input 28x28x1 --solver solver.prototxt --images 360 -o tiny.h5
expect 2 "has a network and no weights" "$convoy" import net.prototxt --input 28x28x1 -o tiny.h5
expect 0 "network 'tiny', 7850 parameters" \
  "$convoy" import caffe net.prototxt --input 28x28x1 --solver solver.prototxt --images 360 -o tiny
[ "$(ls tiny | tr '\n' ' ')" = "network.yaml recipe.yaml " ] || fail "the folder has $(ls tiny)"
expect 0 "2 epochs, 36 steps" "$convoy" train ./tiny/recipe.yaml data.train=data --dry-run
expect 0 "0.05" "$convoy" train ./tiny/recipe.yaml data.train=data --dry-run

finish
