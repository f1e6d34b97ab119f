import { CoordTokError, floatFromHalf } from "@coordtok/core";
import { tensor, type Tensor } from "@tensorflow/tfjs-core";
import { convolutionNames, featureNetworks } from "./networks.js";

/** The tag with which ncnn marks weights in half precision. */
const halfTag = 0x01306b47;
/** The widths of the squeeze and of each expand convolution, by the index of the fire module. */
// prettier-ignore
const fires: Readonly<Record<string, readonly [squeezed: number, expanded: number]>> = {
  3: [16, 64], 4: [16, 64], 6: [32, 128], 7: [32, 128], 9: [48, 192], 10: [48, 192], 11: [64, 256], 12: [64, 256],
};
const firstWidth = 64;
const classes = 1000;

/**
 * Reads the convolutions of SqueezeNet 1.1 from an ncnn model file. For each of them, in the order of the network, the file has a tag, the
 * weights in half precision padded to a multiple of 4 bytes, and the biases in single precision.
 * @returns tensors by torchvision's names, `features.*`, owned by the caller.
 * @throws CoordTokError `file-format` for anything else.
 */
export function squeezenetFromNcnn(bytes: Uint8Array): Map<string, Tensor> {
  const reader = new NcnnReader(bytes);
  const tensors = new Map<string, Tensor>();
  try {
    const take = (name: string, outputs: number, inputs: number, size: number): void => {
      const { weights, biases } = reader.convolution(outputs, inputs * size * size);
      tensors.set(`features.${name}.weight`, tensor(weights, [outputs, inputs, size, size]));
      tensors.set(`features.${name}.bias`, tensor(biases));
    };
    let inputs = 3;
    for (const layer of featureNetworks["squeezenet1.1"].slices.flat()) {
      if (layer.kind === "max-pool") continue;
      if (layer.kind === "convolution") take(layer.name, firstWidth, inputs, layer.size);
      const [squeezed, expanded] = layer.kind === "fire" ? fires[layer.name]! : [firstWidth, firstWidth];
      if (layer.kind === "fire") {
        const [squeeze, small, large] = convolutionNames(layer) as [string, string, string];
        take(squeeze, squeezed, inputs, 1);
        take(small, expanded, squeezed, 1);
        take(large, expanded, squeezed, 3);
      }
      inputs = layer.kind === "fire" ? 2 * expanded : firstWidth;
    }
    reader.convolution(classes, inputs);
    reader.end();
    return tensors;
  } catch (thrown) {
    for (const made of tensors.values()) made.dispose();
    throw thrown;
  }
}

class NcnnReader {
  readonly #bytes: Uint8Array;
  #position = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  convolution(outputs: number, perOutput: number): { weights: Float32Array; biases: Float32Array } {
    const count = outputs * perOutput;
    const tag = this.#take(4);
    if (new DataView(tag.buffer).getUint32(0, true) !== halfTag) throw this.#failure();
    const halves = this.#take(4 * Math.ceil(count / 2));
    const weights = floatFromHalf(new Uint16Array(halves.buffer, 0, count));
    return { weights, biases: new Float32Array(this.#take(4 * outputs).buffer) };
  }

  end(): void {
    if (this.#position !== this.#bytes.length) throw this.#failure();
  }

  /** Returns a copy of the next bytes, with a buffer of its own for alignment. */
  #take(length: number): Uint8Array<ArrayBuffer> {
    const part = Uint8Array.from(this.#bytes.subarray(this.#position, this.#position + length));
    if (part.length < length) throw this.#failure();
    this.#position += length;
    return part;
  }

  #failure(): CoordTokError {
    return new CoordTokError(
      "file-format",
      `Expected SqueezeNet 1.1 as an ncnn model in half precision, but byte ${this.#position} of ${this.#bytes.length} does not fit.`,
    );
  }
}
