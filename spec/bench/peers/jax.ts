/** jax-js's side: the same steps, compiled by its jit. jax.ts JOB.json PACKAGES wasm|webgpu */
import { readFileSync } from 'node:fs';
import { provideWorkers } from './browserWorker.ts';
import type { JobNode } from './job.ts';
import { folderOf, load, provideWebgpu } from './packages.ts';
import { serve } from './serve.ts';

/** As much of jax-js as is used. A function consumes its arguments: `x.ref` is x for one use more. */
interface Arr {
  readonly ref: Arr;
  readonly shape: number[];
  add(other: Arr | number): Arr;
  sub(other: Arr | number): Arr;
  mul(other: Arr | number): Arr;
  div(other: Arr | number): Arr;
  reshape(shape: readonly number[]): Arr;
  dispose(): void;
  data(): Promise<Float32Array>;
}
interface Jax {
  init(...devices: string[]): Promise<string[]>;
  defaultDevice(device: string): string;
  readonly numpy: {
    array(values: Float32Array): Arr;
    zeros(shape: readonly number[]): Arr;
    mean(x: Arr, axis: readonly number[], options?: { keepdims: boolean }): Arr;
    square(x: Arr): Arr;
    sqrt(x: Arr): Arr;
    sum(x: Arr): Arr;
    max(x: Arr): Arr;
    pad(x: Arr, widths: readonly (readonly [number, number])[]): Arr;
    matmul(a: Arr, b: Arr): Arr;
    concatenate(parts: Arr[], axis: number): Arr;
  };
  readonly nn: { relu(x: Arr): Arr; logSoftmax(x: Arr, axis: number): Arr };
  readonly lax: {
    convGeneralDilated(
      x: Arr,
      filter: Arr,
      strides: number[],
      padding: [number, number][],
      options: { rhsDilation: number[]; featureGroupCount: number },
    ): Arr;
    reduceWindow(x: Arr, reduce: (x: Arr) => Arr, window: number[], strides: number[]): Arr;
  };
  readonly random: { key(seed: number): Arr; bernoulli(key: Arr, probability: number, shape: readonly number[]): Arr };
  jit<A extends unknown[], R>(body: (...args: A) => R): (...args: A) => R;
  valueAndGrad<A extends unknown[]>(body: (...args: A) => Arr): (...args: A) => [Arr, A[0]];
  blockUntilReady(tree: unknown): Promise<unknown>;
}

await serve(async job => {
  const backend = process.argv[4];
  let where = backend;
  if (backend === 'webgpu') where += `, ${await provideWebgpu(job.device === 'webgpu:software')}`;
  else {
    provideWorkers(job.threads);
    where += `, ${job.threads} threads`;
  }
  const jax = await load<Jax>('@jax-js/jax');
  const { numpy: np, nn, lax, random } = jax;
  if (!(await jax.init(backend)).includes(backend)) throw new Error(`the backend ${backend} does not start`);
  jax.defaultDevice(backend);
  const { version } = JSON.parse(readFileSync(`${folderOf('@jax-js/jax')}/package.json`, 'utf8')) as { version: string };

  let seed = 1;
  const noise = (shape: readonly number[], deviation: number) => {
    const length = shape.reduce((product, size) => product * size, 1);
    const values = Float32Array.from({ length }, () => {
      seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
      return (seed / 2 ** 31) * deviation * Math.sqrt(3);
    });
    return np.array(values).reshape(shape);
  };
  const index = new Map<string, number>();
  const start: Arr[] = [];
  for (const { name, parameters } of job.nodes) {
    for (const { local, role, shape, layout } of parameters) {
      if (role !== 'parameter') continue;
      index.set(`${name}.${local}`, start.length);
      const fan = shape.slice(0, -1).reduce((product, size) => product * size, 1);
      const [r, s, i, o] = shape;
      if (layout === 'filter') start.push(noise([o, i, r, s], Math.sqrt(2 / fan)));
      else if (layout === 'matrix') start.push(noise(shape, Math.sqrt(2 / fan)));
      else start.push(np.array(new Float32Array(shape[0]).fill(local === 'weight' ? 1 : 0)));
    }
  }

  /** Activations are NCHW here. */
  const layer = ({ name, op, attributes, inputShapes: [shape], output }: JobNode, [x, ...others]: Arr[], parameters: Arr[]): Arr => {
    const a = attributes as Record<string, number>;
    const own = (local: string) => parameters[index.get(`${name}.${local}`)!].ref;
    const channels = (local: string) => own(local).reshape([1, -1, 1, 1]);
    const padded = (y: Arr, by: number) =>
      by === 0
        ? y
        : np.pad(y, [
            [0, 0],
            [0, 0],
            [by, by],
            [by, by],
          ]);
    switch (op) {
      case 'conv2d': {
        const y = lax.convGeneralDilated(
          x,
          own('weight'),
          [a.stride, a.stride],
          [
            [a.padding, a.padding],
            [a.padding, a.padding],
          ],
          { rhsDilation: [a.dilation, a.dilation], featureGroupCount: a.groups },
        );
        return index.has(`${name}.bias`) ? y.add(channels('bias')) : y;
      }
      case 'batchNorm2d': {
        if (shape.length !== 4) throw new Error('batch norm of a matrix is not in jax.ts');
        const centred = x.ref.sub(np.mean(x, [0, 2, 3], { keepdims: true }));
        const variance = np.mean(np.square(centred.ref), [0, 2, 3], { keepdims: true });
        return centred
          .div(np.sqrt(variance.add(a.eps)))
          .mul(channels('weight'))
          .add(channels('bias'));
      }
      case 'relu':
        return nn.relu(x);
      case 'add':
        return x.add(others[0]);
      case 'maxPool2d':
        // its inputs are activations after a relu: zeros around them change no maximum
        if (attributes.ceilMode) throw new Error('pools that round up are not in jax.ts');
        return lax.reduceWindow(padded(x, a.padding), np.max, [a.kernel, a.kernel], [a.stride ?? a.kernel, a.stride ?? a.kernel]);
      case 'adaptiveAvgPool2d': {
        if (a.output === 1) return np.mean(x, [2, 3], { keepdims: true });
        if (a.output === shape[1] && a.output === shape[2]) return x;
        throw new Error(`an adaptive pool from ${shape[1]} to ${a.output} is not in jax.ts`);
      }
      case 'padChannels': {
        const kept = a.stride === 1 ? x : lax.reduceWindow(x, np.max, [1, 1], [a.stride, a.stride]);
        return np.pad(kept, [
          [0, 0],
          [0, output[3] - shape[3]],
          [0, 0],
          [0, 0],
        ]);
      }
      case 'flatten':
        return x.reshape(output);
      case 'linear': {
        const y = np.matmul(x, own('weight'));
        return index.has(`${name}.bias`) ? y.add(own('bias').reshape([1, -1])) : y;
      }
      case 'dropout':
        return x.mul(random.bernoulli(random.key(7), 1 - a.probability, shape)).mul(1 / (1 - a.probability));
      case 'concat':
        return np.concatenate([x, ...others], 1);
      default:
        throw new Error(`${op} is not in jax.ts`);
    }
  };

  const readers = new Map<string, number>();
  for (const { inputs } of job.nodes) for (const name of inputs) readers.set(name, (readers.get(name) ?? 0) + 1);
  const loss = (parameters: Arr[], images: Arr, targets: Arr): Arr => {
    const values = new Map<string, Arr>([['input', images]]);
    const left = new Map(readers);
    // the last reader takes the value itself
    const take = (name: string) => {
      left.set(name, left.get(name)! - 1);
      const value = values.get(name)!;
      return left.get(name) === 0 ? value : value.ref;
    };
    for (const node of job.nodes) values.set(node.name, layer(node, node.inputs.map(take), parameters));
    for (const parameter of parameters) parameter.dispose();
    return np.sum(nn.logSoftmax(values.get(job.output)!, 1).mul(targets)).mul(-1 / job.batch);
  };
  const update = jax.jit((parameters: Arr[], velocities: Arr[], images: Arr, targets: Arr) => {
    const [value, gradients] = jax.valueAndGrad(loss)(
      parameters.map(parameter => parameter.ref),
      images,
      targets,
    );
    const moved = velocities.map((velocity, i) => velocity.mul(job.momentum).add(gradients[i]).add(parameters[i].ref.mul(job.weightDecay)));
    return { value, parameters: parameters.map((parameter, i) => parameter.sub(moved[i].ref.mul(job.lr))), velocities: moved };
  });

  const [n, height, width, depth] = job.input;
  const images = noise([n, depth, height, width], 1);
  const oneHot = new Float32Array(n * job.classes);
  for (let i = 0; i < n; i++) oneHot[i * job.classes + (i % job.classes)] = 1;
  const targets = np.array(oneHot).reshape([n, job.classes]);
  let parameters = start;
  let velocities = start.map(({ shape }) => np.zeros(shape));
  return {
    about: `jax-js ${version}, ${where}, no running statistics`,
    async run(steps) {
      let last = Number.NaN;
      for (let step = 0; step < steps; step++) {
        const next = update(parameters, velocities, images.ref, targets.ref);
        ({ parameters, velocities } = next);
        await jax.blockUntilReady([parameters, velocities]);
        [last] = await next.value.data();
      }
      return last;
    },
  };
});
