#!/bin/bash
# Compares what Convoy exports as ONNX with ONNX Runtime and with OpenCV, network by network: some minutes.
#
#     bash tests/reference/onnxruntime.sh build/release/tests/onnx_logits FOLDER
#
# It needs node, npm, and Debian's python3-onnx and python3-opencv. Into FOLDER, which takes 1.5 GB, it installs
# ONNX Runtime. Its post-install script fetches libraries for GPUs, which nobody needs here:
#
#     npm install --ignore-scripts onnxruntime-node
set -e
program=$(realpath "$1") source=$(realpath "$(dirname "$0")/../..")
mkdir -p "$2" && cd "$2"
[ -d node_modules/onnxruntime-node ] || npm install --ignore-scripts onnxruntime-node >npm.log

run() { # NETWORK SETTINGS
  "$program" export "$source/launch/networks/$1.yaml" "$2" "$1"
  node "$source/tests/reference/onnxruntime.mjs" "$1.onnx" "$1.images" "$1.ort"
  /usr/bin/python3 "$source/tests/reference/onnxruntime.py" "$1"
}
run lenet '{}'
run lenet5 '{}'
run hoda-cnn '{}'
run catdog-cnn '{}'
run vgg-cifar '{}'
run resnet20 '{}'
run resnet18 '{size: 64, classes: 10}'
run resnet50 '{size: 64, classes: 10}'
run vgg-a '{size: 64, classes: 10}'
run vgg-a-lrn '{size: 64, classes: 10}'
run googlenet '{size: 64, classes: 10}'
run inception-v3 '{size: 107, classes: 10}'
run alexnet '{classes: 20}'
run alexnet-bn '{classes: 10}'
run alexnet-grouped '{classes: 10}'
run zfnet '{classes: 10}'
