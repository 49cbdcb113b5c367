// Runs a model in ONNX Runtime (npm's onnxruntime-node) and writes its logits: for onnxruntime.sh.
//
//     node onnxruntime.mjs MODEL.onnx IMAGES LOGITS
//
// Images are floats, [n][c][h][w], as many as the file has.
import { createRequire } from "node:module";
import { readFileSync, writeFileSync } from "node:fs";

const ort = createRequire(process.cwd() + "/")("onnxruntime-node");
const [model, from, to] = process.argv.slice(2);
const session = await ort.InferenceSession.create(model, { intraOpNumThreads: 1, logSeverityLevel: 3 });
const input = session.inputMetadata[0];
const [, c, h, w] = input.shape;
const bytes = readFileSync(from);
const images = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
const shape = [images.length / (c * h * w), c, h, w];
const outputs = await session.run({ [input.name]: new ort.Tensor("float32", images, shape) });
const { logits, probabilities } = outputs;
const classes = logits.dims[1];
const exp = (scores) => Array.from(scores, (x) => Math.exp(x - Math.max(...scores)));
const total = (numbers) => numbers.reduce((a, b) => a + b, 0);
for (let n = 0; n < shape[0]; n++) {
  const scores = logits.data.slice(n * classes, (n + 1) * classes);
  for (let k = 0; k < classes; k++) {
    const p = probabilities.data[n * classes + k];
    const softmax = exp(scores)[k] / total(exp(scores)), sigmoid = 1 / (1 + Math.exp(-scores[k]));
    if (Math.abs(p - (classes > 1 ? softmax : sigmoid)) > 1e-5) throw new Error(`probability ${p} of image ${n}`);
  }
}
writeFileSync(to, new Uint8Array(logits.data.buffer, logits.data.byteOffset, logits.data.byteLength));
