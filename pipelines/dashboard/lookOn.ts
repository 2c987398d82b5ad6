import { type Batch, type CompiledModel, type Pass, shownPixels, type Watcher } from '../../core/index.ts';
import { bestGuess, ConfusionMatrix, mostClasses } from './confusionMatrix.ts';
import type { Hub } from './hub.ts';
import { pictureSheet } from './pictureSheet.ts';
import { describeWeights } from './values.ts';

/** Pictures of a batch that are shown. */
const mostPictures = 16;
const columns = 8;
const tile = 96;
const picturesEveryMs = 2000;
/** Making pictures of a batch takes at most this share of the time: what is left to the device has to be done to each once more. */
const picturesShare = 0.02;
const weightsEveryMs = 10_000;
/** Looking at the weights takes at most this share of the time. */
const weightsShare = 0.005;

interface Shown {
  readonly sheet: ReturnType<typeof pictureSheet>;
  readonly labels: readonly number[];
}

/** Shows what only the model knows (pictures and guesses, mistakes, weights), and only while somebody has the page open. */
export class LookOn implements Watcher {
  #pictures: Shown | undefined;
  #nextPictures = 0;
  #nextWeights = 0;
  #matrix: ConfusionMatrix | undefined;
  #looking = false;

  constructor(
    private readonly hub: Hub,
    private readonly model: CompiledModel,
    private readonly classes: readonly string[],
  ) {
    model.watchers.add(this);
  }

  close(): void {
    this.model.watchers.delete(this);
  }

  batch(batch: Batch, mode: 'train' | 'evaluate'): void {
    const now = performance.now();
    if (mode !== 'train' || this.hub.pages === 0 || now < this.#nextPictures) return;
    const { height, width, channels } = batch;
    const pictures = Array.from({ length: Math.min(batch.count, mostPictures) }, (_, i) => shownPixels(batch, i));
    const sheet = pictureSheet(
      pictures.map(data => ({ data, height, width, channels })),
      { columns, tile },
    );
    this.#pictures = { sheet, labels: [...batch.labels.subarray(0, pictures.length)] };
    this.#nextPictures = now + Math.max(picturesEveryMs, (performance.now() - now) / picturesShare);
  }

  pass(pass: Pass): void {
    if (pass.mode === 'train') {
      const pictures = this.#pictures;
      this.#pictures = undefined;
      if (pictures) void this.#guesses(pass, pictures).catch(() => undefined);
    } else if (this.#matrix) void this.#count(pass, this.#matrix).catch(() => undefined);
  }

  /** The evaluation of an epoch begins. A matrix of a part of it would mislead, so a page that comes later waits for the next. */
  evaluating(): void {
    const classes = this.classes.length;
    this.#matrix = this.hub.pages > 0 && classes <= mostClasses ? new ConfusionMatrix(classes) : undefined;
  }

  evaluation(epoch: number): void {
    if (this.#matrix && this.#matrix.images > 0) this.hub.tell('confusion', this.#matrix.confusion(epoch, this.classes));
    this.#matrix = undefined;
  }

  /** After a step: from time to time takes the model before the next and looks at its weights. */
  step(step: number): void {
    if (this.hub.pages === 0 || this.#looking || performance.now() < this.#nextWeights) return;
    this.#looking = true;
    void this.#weights(step)
      // a device that is lost is told by the run itself
      .catch(() => undefined)
      .finally(() => {
        this.#looking = false;
      });
  }

  /** Somebody has just opened the page: no need to wait for the next turn. */
  hurry(): void {
    this.#nextPictures = 0;
    if (this.hub.last('weights') === undefined) this.#nextWeights = 0;
  }

  async #guesses(pass: Pass, { sheet, labels }: Shown): Promise<void> {
    const step = this.model.updates + 1;
    const logits = await pass.logits();
    const classes = logits.length / pass.batch.count;
    const guesses = labels.map((label, i) => ({ label, ...bestGuess(logits.subarray(i * classes, (i + 1) * classes)) }));
    this.hub.tell('pictures', { step, ...(await sheet()), guesses });
  }

  async #count({ batch, logits }: Pass, matrix: ConfusionMatrix): Promise<void> {
    const values = await logits();
    const classes = values.length / batch.count;
    for (let i = 0; i < batch.count; i++) matrix.add(batch.labels[i]!, bestGuess(values.subarray(i * classes, (i + 1) * classes)).guess);
  }

  async #weights(step: number): Promise<void> {
    const unlock = await this.model.lock.acquire();
    const began = performance.now();
    let state: Awaited<ReturnType<CompiledModel['state']>>;
    let gradients: typeof state | undefined;
    try {
      state = await this.model.state();
      gradients = await this.model.gradients();
    } finally {
      unlock();
    }
    const weights = await describeWeights(step, state, gradients);
    const took = performance.now() - began;
    this.#nextWeights = performance.now() + Math.max(weightsEveryMs, took / weightsShare);
    this.hub.tell('weights', weights);
  }
}
