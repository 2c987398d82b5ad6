/**
 * Steps of the optimizers, each parameter, gradient and state read and written once: they run at the speed of memory. Formulas
 * as in `core/optimizers/sgd.ts` and `adam.ts`. Units are blocks of 4096 elements. `hyper` holds the step's numbers in the order
 * of `core/program/hyper.ts`.
 */
import { madd, storeFirst } from './vector';

const BLOCK: i32 = 4096;

/** Bytes from an array's start to the first element of a unit, or to its end. */
function offset(unit: i32, length: i32): usize {
  return (<usize>min(unit * BLOCK, length)) << 2;
}

function learningRate(hyper: usize): f32 {
  return load<f32>(hyper, 0);
}
function isFirstStep(hyper: usize): bool {
  return load<f32>(hyper, 4) < 0.5;
}
function inverseLossScale(hyper: usize): f32 {
  return load<f32>(hyper, 12);
}
function stepSize(hyper: usize): f32 {
  return load<f32>(hyper, 24);
}
function momentFactor(hyper: usize): f32 {
  return load<f32>(hyper, 28);
}

/** p = p - lr · (gradient + weightDecay · p). */
export function sgd(start: i32, end: i32, _scratch: usize, p: usize, gradient: usize, hyper: usize, length: i32, weightDecay: f32): void {
  const scale = f32x4.splat(inverseLossScale(hyper));
  const decay = f32x4.splat(weightDecay);
  const down = f32x4.splat(-learningRate(hyper));
  const past = offset(end, length);
  for (let at = offset(start, length); at < past; at += 16) {
    const value = v128.load(p + at);
    const g = madd(v128.load(gradient + at), scale, f32x4.mul(decay, value));
    storeFirst(p + at, madd(down, g, value), past - at);
  }
}

/**
 * b = momentum · b + share · (gradient + weightDecay · p), at the first step without factors; p = p - lr · b, with Nesterov's
 * momentum p - lr · (g + momentum · b).
 */
export function sgdMomentum(
  start: i32,
  end: i32,
  _scratch: usize,
  p: usize,
  b: usize,
  gradient: usize,
  hyper: usize,
  length: i32,
  momentum: f32,
  share: f32,
  weightDecay: f32,
  nesterov: i32,
): void {
  const first = isFirstStep(hyper);
  const scale = f32x4.splat(inverseLossScale(hyper));
  const decay = f32x4.splat(weightDecay);
  const down = f32x4.splat(-learningRate(hyper));
  const kept = f32x4.splat(momentum);
  const added = f32x4.splat(first ? 1 : share);
  // what stands in b before the first step does not count, whatever it is
  const known = i32x4.splat(first ? 0 : -1);
  const past = offset(end, length);
  for (let at = offset(start, length); at < past; at += 16) {
    const value = v128.load(p + at);
    const g = madd(v128.load(gradient + at), scale, f32x4.mul(decay, value));
    const next = madd(kept, v128.and(v128.load(b + at), known), f32x4.mul(added, g));
    storeFirst(b + at, next, past - at);
    storeFirst(p + at, madd(down, nesterov ? madd(kept, next, g) : next, value), past - at);
  }
}

/**
 * m = beta1 · m + share1 · g, v = beta2 · v + share2 · g², p = p - lr · parameterDecay · p - stepSize · m / (√v · momentFactor + eps).
 * Scratch: 224 bytes.
 */
export function adam(
  start: i32,
  end: i32,
  scratch: usize,
  p: usize,
  m: usize,
  v: usize,
  gradient: usize,
  hyper: usize,
  length: i32,
  beta1: f32,
  share1: f32,
  beta2: f32,
  share2: f32,
  eps: f32,
  gradientDecay: f32,
  parameterDecay: f32,
): void {
  v128.store(scratch, f32x4.splat(inverseLossScale(hyper)));
  v128.store(scratch, f32x4.splat(gradientDecay), 16);
  v128.store(scratch, f32x4.splat(-learningRate(hyper) * parameterDecay), 32);
  v128.store(scratch, f32x4.splat(stepSize(hyper)), 48);
  v128.store(scratch, f32x4.splat(momentFactor(hyper)), 64);
  v128.store(scratch, f32x4.splat(eps), 80);
  v128.store(scratch, f32x4.splat(beta1), 96);
  v128.store(scratch, f32x4.splat(share1), 112);
  v128.store(scratch, f32x4.splat(beta2), 128);
  v128.store(scratch, f32x4.splat(share2), 144);
  const first = offset(start, length);
  const bytes = offset(end, length) - first;
  const whole = bytes & ~15;
  adamVectors(p + first, m + first, v + first, gradient + first, scratch, whole);
  if (whole === bytes) return;
  // the last elements beside what follows them in memory, which has to stay: by way of scratch
  const at = first + whole;
  const rest = scratch + 160;
  v128.store(rest, v128.load(p + at));
  v128.store(rest, v128.load(m + at), 16);
  v128.store(rest, v128.load(v + at), 32);
  v128.store(rest, v128.load(gradient + at), 48);
  adamVectors(rest, rest + 16, rest + 32, rest + 48, scratch, 16);
  storeFirst(p + at, v128.load(rest), bytes - whole);
  storeFirst(m + at, v128.load(rest, 16), bytes - whole);
  storeFirst(v + at, v128.load(rest, 32), bytes - whole);
}

/**
 * Whole vectors of the above. Its ten factors come from memory once: as constants V8 would make each anew in every round, and
 * these with what else is alive just fit into the registers.
 */
export function adamVectors(p: usize, m: usize, v: usize, gradient: usize, factors: usize, bytes: usize): void {
  const scale = v128.load(factors);
  const gradientDecay = v128.load(factors, 16);
  const shrink = v128.load(factors, 32);
  const step = v128.load(factors, 48);
  const momentFactor = v128.load(factors, 64);
  const eps = v128.load(factors, 80);
  const beta1 = v128.load(factors, 96);
  const share1 = v128.load(factors, 112);
  const beta2 = v128.load(factors, 128);
  const share2 = v128.load(factors, 144);
  for (let at: usize = 0; at < bytes; at += 16) {
    const value = v128.load(p + at);
    const g = madd(v128.load(gradient + at), scale, f32x4.mul(gradientDecay, value));
    const second = madd(v128.load(v + at), beta2, f32x4.mul(f32x4.mul(share2, g), g));
    const first = madd(v128.load(m + at), beta1, f32x4.mul(share1, g));
    v128.store(v + at, second);
    v128.store(m + at, first);
    const deviation = madd(f32x4.sqrt(second), momentFactor, eps);
    v128.store(p + at, f32x4.sub(madd(value, shrink, value), f32x4.div(f32x4.mul(step, first), deviation)));
  }
}
