#!/usr/bin/python3
"""Runs a network of Caffe's with OpenCV, which reads the files by itself.

    caffe.py PROTOTXT CAFFEMODEL HEIGHT WIDTH CHANNELS LAYER < IMAGES > OUTPUTS

Images are float32 as [image][height][width][channel]; outputs are the layer's, float32.
"""
import sys

import cv2
import numpy

prototxt, model, *shape, layer = sys.argv[1:]
images = numpy.frombuffer(sys.stdin.buffer.read(), "<f4").reshape(-1, *map(int, shape))
net = cv2.dnn.readNetFromCaffe(prototxt, model)
net.setInput(numpy.ascontiguousarray(images.transpose(0, 3, 1, 2)))
sys.stdout.buffer.write(net.forward(layer).astype("<f4").tobytes())
