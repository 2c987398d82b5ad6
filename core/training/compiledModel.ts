import type { Batch } from '../data/sample.ts';
import type { CompiledSegment, Device, DeviceBuffer } from '../devices/device.ts';
import { fail } from '../errors.ts';
import type { Graph } from '../graph/graph.ts';
import { type GraphParameter, infer } from '../graph/infer.ts';
import type { Loss } from '../losses/loss.ts';
import type { Optimizer } from '../optimizers/optimizer.ts';
import { bytesOfKinds, gradientBytes, keptBytes, type MemoryUse } from '../plan/memory.ts';
import type { Plan } from '../plan/plan.ts';
import { planTable } from '../plan/table.ts';
import { DeviceMeter, type Part } from '../profile/deviceMeter.ts';
import { type Account, charge } from '../profile/mainThread.ts';
import { fillHyper, type HyperValues, hyperLength, hyperName, hyperSlot } from '../program/hyper.ts';
import { initialize } from '../program/initialize.ts';
import { elements } from '../shape.ts';
import { BatchInput } from './batchInput.ts';
import type { CompileOptions, LossResult, Mode } from './compileOptions.ts';
import { firstNotFinite } from './diagnose.ts';
import { Lock } from './lock.ts';
import { type LossPlan, LossPlans } from './lossPlans.ts';
import { GradientCheck, LossScale } from './lossScale.ts';
import { ModelMemory } from './modelMemory.ts';
import { ModelPlans } from './modelPlans.ts';
import { checkMixed } from './precision.ts';
import type { StepSegment } from './profile.ts';
import { explainShortage } from './shortage.ts';
import type { TensorData } from './torchLayout.ts';
import { checkOptimizerState, planUpdate, type UpdatePlan } from './updatePlan.ts';
import type { Watcher } from './watcher.ts';
import { checkWeights, readWeights, writeWeights } from './weights.ts';

/** A graph with weights on a device. Its plans are made when they are first needed and share every lasting tensor. */
export function compile(graph: Graph, options: CompileOptions): CompiledModel {
  return new CompiledModel(graph, options);
}

export class CompiledModel {
  readonly device: Device;
  readonly batch: number;
  readonly seed: number;
  readonly classes: number;
  readonly parameters: readonly GraphParameter[];
  /** What the device does for this model. */
  readonly meter: DeviceMeter;
  /** One pass at a time has the activations. */
  readonly lock = new Lock();
  readonly watchers = new Set<Watcher>();
  /** Updates of the weights so far, and with loss scaling also the steps that were left out. */
  updates = 0;
  /** Absent without loss scaling. */
  readonly lossScale: LossScale | undefined;
  readonly #options: CompileOptions;
  readonly #memory: ModelMemory;
  readonly #plans: ModelPlans;
  readonly #losses: LossPlans;
  /** Of the last training pass. */
  #loss: Loss | undefined;
  #update: { optimizer: Optimizer; plan: Promise<UpdatePlan> } | undefined;
  /** Of the model that this one was made from. */
  #stepped: Optimizer | undefined;
  #optimizerState: ReadonlyMap<string, TensorData> | undefined;
  readonly #input: BatchInput;
  readonly #hyper = new Float32Array(hyperLength);
  #gradientCheck: Promise<GradientCheck> | undefined;
  #result: Promise<Float32Array> | undefined;
  #destroyed = false;
  /** Those of a forward pass in training are there, and no backward pass has used them. */
  #activations = false;

  constructor(
    readonly graph: Graph,
    options: CompileOptions,
  ) {
    const { parameters, output } = infer(graph, options.batch);
    this.#options = options;
    this.device = options.device;
    this.meter = new DeviceMeter(options.device);
    this.batch = options.batch;
    this.seed = options.seed ?? 0;
    this.parameters = parameters;
    this.classes = output[1]!;
    const mixed = options.precision === 'mixed';
    if (mixed) checkMixed(options.device);
    this.lossScale = options.lossScaling || mixed ? new LossScale(options.lossScaling) : undefined;
    this.#input = new BatchInput(graph, options.batch, this.classes);
    const trained = ({ name, role }: GraphParameter) => role === 'parameter' && !options.frozen?.(name);
    this.#memory = new ModelMemory(this.device, parameters, trained);
    this.#plans = new ModelPlans(graph, this.#memory, options, this.#lowering);
    this.#losses = new LossPlans(this.#memory, options.batch, { device: this.device, ...this.#lowering });
    this.meter.memory = () => (this.#plans.all.length > 0 ? this.#memory.byKind(this.parameters, this.device.scratchBytes) : undefined);
    for (const { name, shape, init } of parameters) this.device.write(this.#bufferOf(name), initialize(name, shape, init, this.seed));
  }

  #check(): void {
    if (!this.#destroyed) return;
    throw fail('state', `model "${this.graph.name}"`, 'a model in use', 'one that was destroyed', 'Compile the graph again.');
  }

  /** How its plans choose kernels. */
  get #lowering() {
    const { variants, exact, fuse, precision } = this.#options;
    return { variants, exact, mixed: precision === 'mixed', inPlace: fuse };
  }

  readonly #bufferOf = (name: string): DeviceBuffer => this.#memory.bufferOf(name);

  /** Bytes on the device: weights, activations, everything placed so far. */
  get peakBytes(): number {
    return this.#memory.bytes;
  }

  /** What training needs, has placed so far, and could not do without. Compiles forward and backward if nothing has yet. */
  async memory(): Promise<MemoryUse> {
    const { program } = await this.#plan('train');
    const update = await this.#update?.plan;
    const weights = bytesOfKinds(program, ['parameter', 'state']);
    const optimizer = update ? update.tensors.reduce((sum, { shape }) => sum + 4 * elements(shape), 0) : 0;
    const [gradients, kept] = [gradientBytes(program), keptBytes(program)];
    const plans = [...(await Promise.all([...this.#plans.all, ...this.#losses.all])).map(each => ('plan' in each ? each.plan : each))];
    const scratch = [...plans, ...(update ? [update.plan] : [])].reduce((sum, { scratchBytes }) => sum + scratchBytes, 0);
    const lowerBound = weights + optimizer + gradients + kept;
    const peak = this.peakBytes - scratch;
    return { weights, optimizer, gradients, kept, lowerBound, peak, scratch: scratch + (this.device.scratchBytes ?? 0) };
  }

  /** Compiles forward and backward now rather than with the first batch. */
  async ready(mode: Mode = 'train'): Promise<void> {
    await this.#plan(mode);
  }

  /** What is run: forward and backward, and the update if an optimizer is given or was used. */
  async plans(mode: Mode = 'train', optimizer = this.#update?.optimizer): Promise<readonly Plan[]> {
    const update = mode === 'train' && optimizer ? [(await this.#updatePlan(optimizer)).plan] : [];
    return [await this.#plan(mode), ...update];
  }

  /** The plans as text: a row a node with its kernels, memory and cost. */
  async table(mode: Mode = 'train', optimizer = this.#update?.optimizer): Promise<string> {
    return (await this.plans(mode, optimizer)).map(planTable).join('\n\n');
  }

  async #plan(mode: Mode): Promise<Plan> {
    this.#check();
    return this.#plans.plain(mode);
  }

  /** For the batch that was uploaded last. */
  async #ownPlan(mode: Mode): Promise<Plan> {
    this.#check();
    return this.#plans.converting(mode, this.#input.conversion);
  }

  async #lossPlan(loss: Loss, mode: Mode): Promise<LossPlan> {
    const plan = this.#plan(mode);
    await plan;
    return this.#losses.plan(loss, { mode, mixed: this.#input.mixed !== undefined, logits: this.#plans.logits }, plan);
  }

  // ---- one pass; the caller holds the lock

  /**
   * Sends a batch's pixels, what is to be changed in them, and its normalisation to the device; its labels follow with the loss. Fewer
   * samples than `this.batch` are padded. The main thread's work is charged to `account`.
   */
  async upload(batch: Batch, mode: Mode, account?: Account): Promise<void> {
    await this.#plan(mode);
    const outer = charge(account);
    try {
      this.#input.fill(batch, mode);
    } finally {
      charge(outer);
    }
    const { buffers } = await this.#ownPlan(mode);
    const before = charge(account);
    try {
      const began = performance.now();
      let bytes = 0;
      for (const [name, values] of this.#input.tensors) {
        this.device.write(buffers.get(name)!, values);
        bytes += values.byteLength;
      }
      this.meter.upload.record(bytes, performance.now() - began);
    } finally {
      charge(before);
    }
  }

  #run(part: Part, segment: CompiledSegment): Promise<void> {
    return this.device.run(segment, (beganMs, endedMs) => this.meter.ran(part, beganMs, endedMs));
  }

  /** What the host reads of a pass. */
  async #read(buffer: DeviceBuffer, bytes: number): Promise<Float32Array> {
    const began = performance.now();
    const values = await this.device.read(buffer, bytes);
    this.meter.readBack.record(bytes, performance.now() - began);
    return values;
  }

  async forward(mode: Mode): Promise<void> {
    const plan = await this.#ownPlan(mode);
    this.#writeHyper(plan, { lr: 0, step: this.updates });
    if (mode === 'train') this.#activations = true;
    await this.#run(mode === 'train' ? 'forward' : 'evaluation forward', plan.segment('forward'));
  }

  /** The loss and, in training, the gradient of the logits. */
  async loss(loss: Loss, mode: Mode): Promise<void> {
    const { mixed, targets } = this.#input;
    if (mixed && !loss.takesMixed) {
      const fix = 'Use crossEntropy, or leave mixUp and cutMix out.';
      throw fail('usage', `loss "${loss.name}"`, 'batches of one label a sample', 'a mixed one', fix);
    }
    const { plan, result } = await this.#lossPlan(loss, mode);
    if (mode === 'train') this.#loss = loss;
    this.device.write(plan.buffers.get('targets')!, targets);
    if (mixed) {
      this.device.write(plan.buffers.get('mixedTargets')!, mixed.targets);
      this.device.write(plan.buffers.get('mixedWeights')!, mixed.weights);
    }
    await this.#run(mode === 'train' ? 'loss' : 'evaluation loss', plan.segment('forward'));
    // asked for here, the answer comes while the device still computes gradients: it need not be idle for anyone to see the loss
    this.#result = this.#read(plan.buffers.get(result)!, 16);
    this.#result.catch(() => undefined);
    if (mode === 'train') await this.#run('loss', plan.segment('backward'));
  }

  /** The gradients of all parameters, from the logits' gradient. Once for each forward pass: it overwrites the activations that it reads. */
  async backward(): Promise<void> {
    const segment = (await this.#plan('train')).segment('backward');
    this.#check();
    if (!this.#activations) {
      const fix = "Run forward('train') and loss(…, 'train') before each backward().";
      throw fail('state', `backward of model "${this.graph.name}"`, 'activations of a forward pass in training', 'none, or used ones', fix);
    }
    this.#activations = false;
    await this.#run('backward', segment);
  }

  /**
   * Applies the gradients; with loss scaling, only if all are finite. Says whether it did. The optimizer of the first call is the
   * model's from then on.
   */
  async update(optimizer: Optimizer, lr: number): Promise<boolean> {
    this.#check();
    const { plan } = await this.#updatePlan(optimizer);
    const step = this.updates - (this.lossScale?.skipped ?? 0);
    const finite = await this.#gradientsFinite();
    if (finite) {
      this.#writeHyper(plan, { lr, step, corrections: optimizer.corrections?.(step) });
      await this.#run('update', plan.segment('update'));
    }
    this.lossScale?.record(finite);
    this.updates++;
    return finite;
  }

  async #gradientsFinite(): Promise<boolean> {
    if (!this.lossScale) return true;
    this.#gradientCheck ??= GradientCheck.plan(this.#memory, { device: this.device, ...this.#lowering });
    return (await this.#gradientCheck).finite();
  }

  async #updatePlan(optimizer: Optimizer): Promise<UpdatePlan> {
    if (this.#update && this.#update.optimizer !== optimizer) {
      throw fail(
        'state',
        'optimize',
        `the optimizer that this model was first updated with (${this.#update.optimizer.name})`,
        `another one (${optimizer.name})`,
        'Use one optimizer object for all pipelines of a model, or compile the model again.',
      );
    }
    this.#update ??= {
      optimizer,
      plan: this.#plan('train').then(async () => {
        const made = await planUpdate(this.#memory, optimizer, { device: this.device, ...this.#lowering }).catch(async error => {
          throw await explainShortage(error, this.graph, this.#options, this.#lowering, optimizer.state);
        });
        if (this.#optimizerState) this.#writeOptimizerState(made, this.#optimizerState);
        return made;
      }),
    };
    return this.#update.plan;
  }

  #writeHyper(plan: Plan, values: Omit<HyperValues, 'seed'>): void {
    const buffer = plan.buffers.get(hyperName);
    if (!buffer) return;
    fillHyper(this.#hyper, { ...values, lossScale: this.lossScale?.scale, seed: this.seed });
    this.device.write(buffer, this.#hyper);
  }

  /** What a training step runs, in order: for measuring it launch by launch. By default with the loss and optimizer of the last one. */
  async stepSegments(loss = this.#loss, optimizer = this.#update?.optimizer ?? this.#stepped): Promise<readonly StepSegment[]> {
    if (!loss || !optimizer)
      throw fail('state', 'stepSegments', 'a loss and an optimizer', 'a model that has made no step yet', 'Make one.');
    const [main, own, update] = [await this.#ownPlan('train'), await this.#lossPlan(loss, 'train'), await this.#updatePlan(optimizer)];
    return [
      { part: 'forward', plan: main, segment: 'forward' },
      { part: 'loss', plan: own.plan, segment: 'forward' },
      { part: 'loss', plan: own.plan, segment: 'backward' },
      { part: 'backward', plan: main, segment: 'backward' },
      { part: 'update', plan: update.plan, segment: 'update' },
    ];
  }

  /** The same graph for another batch size, to measure a step of it: it has a memory of its own, untrained weights, and is the caller's. */
  withBatch(batch: number): CompiledModel {
    this.#check();
    const other = new CompiledModel(this.graph, { ...this.#options, batch });
    other.#loss = this.#loss;
    other.#stepped = this.#update?.optimizer;
    return other;
  }

  /** What the last `loss` left. Resolves when the device has come to it, be it ever so far ahead. */
  async readLoss(): Promise<LossResult> {
    this.#check();
    if (!this.#result) throw fail('state', 'readLoss', 'a pass with a loss', 'none yet', 'Call loss first.');
    const [loss, top1, top5, samples] = await this.#result;
    return { loss: loss!, top1: top1!, top5: top5!, samples: samples! };
  }

  /** [count, classes] of the last forward pass. */
  async readLogits(count = this.batch): Promise<Float32Array> {
    this.#check();
    return this.#read(this.#bufferOf(this.#plans.logits), count * this.classes * 4);
  }

  /** Gradients of the last backward pass by parameter name, in PyTorch's layouts: for tests and histograms. */
  async gradients(): Promise<Map<string, TensorData>> {
    const { program } = await this.#plan('train');
    const trained = this.parameters.filter(({ name }) => program.gradients[name] !== undefined);
    const gradients = await readWeights(this.device, trained, name => this.#bufferOf(program.gradients[name]!));
    // as the optimizer sees them
    const factor = this.lossScale ? this.#hyper[hyperSlot.inverseLossScale]! : 1;
    if (factor !== 1) for (const { data } of gradients.values()) for (let i = 0; i < data.length; i++) data[i]! *= factor;
    return gradients;
  }

  /** Where the numbers of the last pass stopped being finite, in words. Runs the pass again, launch by launch. */
  async diagnose(loss: Loss): Promise<string> {
    const plans = [await this.#ownPlan('train'), (await this.#lossPlan(loss, 'train')).plan];
    return firstNotFinite(this.device, this.parameters, this.#bufferOf, plans);
  }

  // ---- weights in and out

  /** Parameters and running statistics under torchvision's names, in PyTorch's layouts. */
  async state(): Promise<Map<string, TensorData>> {
    this.#check();
    return readWeights(this.device, this.parameters, this.#bufferOf);
  }

  /** Strict: every tensor must be there with its shape, and none besides (PyTorch's `num_batches_tracked` is ignored). */
  async load(tensors: ReadonlyMap<string, TensorData>): Promise<void> {
    this.#check();
    checkWeights(`weights of model "${this.graph.name}"`, this.parameters, tensors);
    writeWeights(this.device, this.parameters, tensors, this.#bufferOf);
  }

  /** The optimizer's tensors as `conv1.weight:momentum` in PyTorch's layouts, and `step`. Before the first update: what was loaded, or nothing. */
  async optimizerState(): Promise<Map<string, TensorData>> {
    this.#check();
    if (!this.#update) return new Map(this.#optimizerState);
    const state = await readWeights(this.device, (await this.#update.plan).tensors, this.#bufferOf);
    if (this.lossScale) state.set('lossScale', { shape: [3], data: this.lossScale.state });
    return state.set('step', { shape: [1], data: Float32Array.of(this.updates) });
  }

  /** Takes effect with the first update: call it before. */
  loadOptimizerState(tensors: ReadonlyMap<string, TensorData>): void {
    if (this.#update)
      throw fail('state', 'loadOptimizerState', 'a model that has not been updated yet', 'one that has', 'Load before the first step.');
    this.#optimizerState = tensors;
    this.updates = tensors.get('step')?.data[0] ?? 0;
    const scale = tensors.get('lossScale');
    if (scale && this.lossScale) this.lossScale.state = scale.data;
  }

  #writeOptimizerState({ tensors }: UpdatePlan, state: ReadonlyMap<string, TensorData>): void {
    checkOptimizerState(tensors, state);
    writeWeights(this.device, tensors, state, this.#bufferOf);
  }

  /** Frees the model's buffers; the device stays open. */
  async destroy(): Promise<void> {
    if (this.#destroyed) return;
    const free = await this.lock.acquire();
    this.#destroyed = true;
    await this.#plans.settled();
    await Promise.allSettled([...this.#losses.all, ...(this.#update ? [this.#update.plan] : [])]);
    this.#memory.free();
    free();
  }
}

export type { CompileOptions, LossResult, Mode, TensorData };
