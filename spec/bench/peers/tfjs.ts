/** TensorFlow.js's side: the same steps on one of its backends. tfjs.ts JOB.json PACKAGES cpu|wasm|webgpu */
import type { JobNode } from './job.ts';
import { folderOf, load, provideWebgpu } from './packages.ts';
import { serve } from './serve.ts';

/** As much of TensorFlow.js as is used. */
interface Tensor {
  readonly shape: number[];
  add(other: Tensor): Tensor;
  sub(other: Tensor): Tensor;
  mul(other: Tensor | number): Tensor;
  square(): Tensor;
  reshape(shape: readonly number[]): Tensor;
  dispose(): void;
  data(): Promise<Float32Array>;
}
interface Variable extends Tensor {
  assign(value: Tensor): void;
}
interface Tf {
  readonly version: { readonly 'tfjs-core': string };
  setBackend(name: string): Promise<boolean>;
  ready(): Promise<void>;
  variable(value: Tensor, trainable: boolean): Variable;
  randomNormal(shape: readonly number[], mean: number, deviation: number): Tensor;
  fill(shape: readonly number[], value: number): Tensor;
  tidy<T>(body: () => T): T;
  conv2d(x: Tensor, filter: Tensor, stride: number, padding: number): Tensor;
  moments(x: Tensor, axes: readonly number[]): { mean: Tensor; variance: Tensor };
  batchNorm(x: Tensor, mean: Tensor, variance: Tensor, offset: Tensor, scale: Tensor, eps: number): Tensor;
  relu(x: Tensor): Tensor;
  maxPool(x: Tensor, kernel: number, stride: number, padding: number): Tensor;
  avgPool(x: Tensor, kernel: number, stride: number, padding: number): Tensor;
  mean(x: Tensor, axes?: readonly number[], keepDims?: boolean): Tensor;
  pad(x: Tensor, paddings: [number, number][]): Tensor;
  matMul(a: Tensor, b: Tensor): Tensor;
  dropout(x: Tensor, rate: number): Tensor;
  concat(parts: Tensor[], axis: number): Tensor;
  localResponseNormalization(x: Tensor, radius: number, bias: number, alpha: number, beta: number): Tensor;
  oneHot(labels: Tensor, depth: number): Tensor;
  tensor1d(values: number[], dtype: string): Tensor;
  readonly losses: { softmaxCrossEntropy(labels: Tensor, logits: Tensor): Tensor };
  readonly train: { sgd(lr: number): Optimizer; momentum(lr: number, momentum: number): Optimizer };
}
interface Optimizer {
  minimize(body: () => Tensor, returnCost: boolean, variables: Variable[]): Tensor | null;
}

await serve(async job => {
  const backend = process.argv[4];
  let where = backend;
  if (backend === 'webgpu') where += `, ${await provideWebgpu(job.device === 'webgpu:software')}`;
  const tf = await load<Tf>('@tensorflow/tfjs');
  if (backend === 'wasm') {
    const { setWasmPaths } = await load<{ setWasmPaths(folder: string): void }>('@tensorflow/tfjs-backend-wasm');
    setWasmPaths(`${folderOf('@tensorflow/tfjs-backend-wasm')}/dist/`);
  }
  if (backend === 'webgpu') await load('@tensorflow/tfjs-backend-webgpu');
  if (!(await tf.setBackend(backend))) throw new Error(`the backend ${backend} does not start`);
  await tf.ready();

  const parameters = new Map<string, Variable>();
  for (const { name, parameters: own } of job.nodes) {
    for (const { local, role, shape, layout } of own) {
      const fan = shape.slice(0, -1).reduce((product, size) => product * size, 1);
      const constant = local === 'weight' || local === 'running_var' ? 1 : 0;
      const value = layout === 'plain' ? tf.fill(shape, constant) : tf.randomNormal(shape, 0, Math.sqrt(2 / fan));
      parameters.set(`${name}.${local}`, tf.variable(value, role === 'parameter'));
    }
  }

  const layer = ({ name, op, attributes, inputShapes: [shape], output }: JobNode, [x, other, ...more]: Tensor[]): Tensor => {
    const a = attributes as Record<string, number>;
    const own = (local: string) => parameters.get(`${name}.${local}`)!;
    const biased = (y: Tensor) => (parameters.has(`${name}.bias`) ? y.add(own('bias')) : y);
    switch (op) {
      case 'conv2d':
        if (a.groups !== 1 || a.dilation !== 1) throw new Error('its convolutions have no groups, and no dilation with explicit padding');
        return biased(tf.conv2d(x, own('weight'), a.stride, a.padding));
      case 'batchNorm2d': {
        const axes = shape.slice(0, -1).map((_, axis) => axis);
        const { mean, variance } = tf.moments(x, axes);
        for (const [local, value] of Object.entries({ running_mean: mean, running_var: variance })) {
          own(local).assign(
            tf.tidy(() =>
              own(local)
                .mul(1 - a.momentum)
                .add(value.mul(a.momentum)),
            ),
          );
        }
        return tf.batchNorm(x, mean, variance, own('bias'), own('weight'), a.eps);
      }
      case 'relu':
        return tf.relu(x);
      case 'add':
        return x.add(other);
      case 'maxPool2d':
        if (attributes.ceilMode) throw new Error('its pools do not round up');
        return tf.maxPool(x, a.kernel, a.stride ?? a.kernel, a.padding);
      case 'avgPool2d':
        return tf.avgPool(x, a.kernel, a.stride ?? a.kernel, a.padding);
      case 'adaptiveAvgPool2d': {
        if (a.output === 1) return tf.mean(x, [1, 2], true);
        const window = shape[1] / a.output;
        if (!Number.isInteger(window) || shape[1] !== shape[2]) throw new Error(`it has no adaptive pool from ${shape[1]} to ${a.output}`);
        return window === 1 ? x : tf.avgPool(x, window, window, 0);
      }
      case 'padChannels': {
        // its strided slice has no gradient; a pool of one pixel is the same
        const kept = a.stride === 1 ? x : tf.avgPool(x, 1, a.stride, 0);
        return tf.pad(kept, [
          [0, 0],
          [0, 0],
          [0, 0],
          [0, output[3] - shape[3]],
        ]);
      }
      case 'flatten':
        return x.reshape(output);
      case 'linear':
        return biased(tf.matMul(x, own('weight')));
      case 'dropout':
        return tf.dropout(x, a.probability);
      case 'localResponseNorm':
        return tf.localResponseNormalization(x, (a.size - 1) / 2, a.k, a.alpha / a.size, a.beta);
      case 'concat':
        return tf.concat([x, other, ...more], 3);
      default:
        throw new Error(`there is no ${op} in tfjs.ts`);
    }
  };

  const images = tf.randomNormal(job.input, 0, 1);
  const labels = tf.oneHot(
    tf.tensor1d(
      Array.from({ length: job.batch }, (_, n) => n % job.classes),
      'int32',
    ),
    job.classes,
  );
  const trained = job.nodes.flatMap(({ name, parameters: own }) =>
    own.filter(({ role }) => role === 'parameter').map(({ local }) => parameters.get(`${name}.${local}`)!),
  );
  // without weight decay, which it has not
  const optimizer = tf.train.momentum(job.lr, job.momentum);
  const loss = () => {
    const values = new Map<string, Tensor>([['input', images]]);
    for (const node of job.nodes) {
      values.set(
        node.name,
        layer(
          node,
          node.inputs.map(name => values.get(name)!),
        ),
      );
    }
    return tf.losses.softmaxCrossEntropy(labels, values.get(job.output)!);
  };
  return {
    about: `TensorFlow.js ${tf.version['tfjs-core']}, ${where}, no weight decay`,
    async run(steps) {
      let cost: Tensor | null = null;
      for (let step = 0; step < steps; step++) {
        cost?.dispose();
        cost = optimizer.minimize(loss, true, trained);
      }
      const [value] = await cost!.data();
      cost!.dispose();
      return value;
    },
  };
});
