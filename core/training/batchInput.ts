import { normalQuantiles } from '../data/augment/noise.ts';
import type { Mixture } from '../data/mixture.ts';
import type { Batch } from '../data/sample.ts';
import { fail, show } from '../errors.ts';
import type { Graph } from '../graph/graph.ts';
import { editsLength, editsName, quantilesName } from '../program/edits.ts';
import { elements, text } from '../shape.ts';
import { type Conversion, conversionOf, fillEdits } from './batchEdits.ts';

/** The host's copy of what a batch writes to the device. */
export class BatchInput {
  /** [N,H,W,C] bytes. */
  readonly pixels: Uint8Array;
  /** [N]: the label, or -1 for a sample that is not there. */
  readonly targets: Float32Array;
  /** [N] each: second targets and their weights, of which the first ones are the larger; undefined if the batch is not mixed. */
  mixed: { readonly targets: Float32Array; readonly weights: Float32Array } | undefined;
  /** [N,47+2C], of use unless `conversion` is `toFloat`: what the device changes in the pixels, see `core/program/edits.ts`. */
  readonly edits: Float32Array;
  conversion: Conversion = 'toFloat';
  /** [2,C]: mean, and 1 / standard deviation. */
  readonly normalization: Float32Array;

  /** @param size samples of a whole batch */
  constructor(
    readonly graph: Graph,
    readonly size: number,
    readonly classes: number,
  ) {
    this.pixels = new Uint8Array(size * elements(graph.input));
    this.targets = new Float32Array(size);
    this.edits = new Float32Array(size * editsLength(graph.input[2]));
    this.normalization = new Float32Array(2 * graph.input[2]);
  }

  /** Takes over a batch. Throws a MillraceError of kind 'data' for one that the model is not made for. */
  fill(batch: Batch, mode: 'train' | 'evaluate'): void {
    this.#check(batch, mode);
    const [height, width, channels] = this.graph.input;
    const { count, normalization, mixture } = batch;
    const size = height * width * channels;
    for (let i = 0; i < count; i++) this.pixels.set(batch.cells[i]!, i * size);
    this.conversion = conversionOf(batch);
    if (this.conversion !== 'toFloat') fillEdits(this.edits, batch);
    this.targets.fill(-1);
    for (let i = 0; i < count; i++) {
      const label = batch.labels[i]!;
      if (!(label >= 0 && label < this.classes)) {
        throw fail(
          'data',
          `sample "${batch.keys[i]}"`,
          `a label from 0 to ${this.classes - 1}, since the model has ${this.classes} classes`,
          show(label),
          'Build the model with as many classes as the data has.',
        );
      }
      this.targets[i] = label;
    }
    this.mixed = mixture && this.#mixTargets(mixture, count);
    for (let c = 0; c < channels; c++) {
      this.normalization[c] = normalization?.mean[c % normalization.mean.length] ?? 0;
      this.normalization[channels + c] = 1 / (normalization?.std[c % normalization.std.length] ?? 1);
    }
  }

  /** What is written to the device, by tensor. */
  get tensors(): [name: string, values: Uint8Array | Float32Array][] {
    const all: [string, Uint8Array | Float32Array][] = [
      ['pixels', this.pixels],
      ['normalization', this.normalization],
    ];
    if (this.conversion !== 'toFloat') all.push([editsName, this.edits]);
    if (this.conversion === 'toFloat.adjusted') all.push([quantilesName, normalQuantiles()]);
    return all;
  }

  /** The label with the larger share becomes the first: it is the one that counts as a hit. */
  #mixTargets({ partners, shares }: Mixture, count: number): NonNullable<BatchInput['mixed']> {
    const labels = this.targets.slice();
    const mixed = { targets: new Float32Array(this.size).fill(-1), weights: new Float32Array(this.size) };
    for (let i = 0; i < count; i++) {
      const [own, other] = [labels[i]!, labels[partners[i]!]!];
      const first = shares[i]! >= 0.5;
      this.targets[i] = first ? own : other;
      mixed.targets[i] = first ? other : own;
      mixed.weights[i] = first ? 1 - shares[i]! : shares[i]!;
    }
    return mixed;
  }

  #check(batch: Batch, mode: 'train' | 'evaluate'): void {
    const [height, width, channels] = this.graph.input;
    if (batch.height !== height || batch.width !== width || batch.channels !== channels) {
      const got = text([batch.height, batch.width, batch.channels]);
      throw fail(
        'data',
        'forward',
        `images of ${text(this.graph.input)} (height, width, channels) for model "${this.graph.name}"`,
        got,
        'Change the augmentation (resize, crop, channels of decode) or build the model for that size.',
      );
    }
    if (batch.count > this.size || (mode === 'train' && batch.count !== this.size)) {
      throw fail(
        'data',
        'forward',
        `batches of ${this.size}, for which the model is compiled`,
        `one of ${batch.count}`,
        `Use batch(${this.size}, { dropLast: true }).`,
      );
    }
  }
}
