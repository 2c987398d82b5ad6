import { existsSync, readdirSync } from 'node:fs';
import { fail } from '../../errors.ts';
import type { SubgroupMatrix, VariantLimits } from '../../kernels/variant.ts';

/**
 * How a WebGPU adapter comes to be: in Node through Dawn (the `webgpu` package), elsewhere from `navigator.gpu`.
 * `webgpu` means a hardware adapter; one that computes on the CPU goes by the name `webgpu:software` alone.
 */
export interface WebgpuOptions {
  /** An adapter that computes on the CPU: right numbers at a CPU's speed, for tests. */
  readonly software: boolean;
  /** Bytes to bind at once at most, where it is less than the adapter's limit: specs see small tensors split like huge ones. */
  readonly largestBinding?: number;
  /** Bytes in buffers at most; unless given, what the adapter gives, and of a software one nine tenths of the memory that is free. */
  readonly mostBytes?: number;
}
export interface WebgpuAccess {
  readonly device: GPUDevice;
  readonly description: string;
  readonly limits: VariantLimits;
  /** Dawn's instance: it must stay referenced as long as the device lives. */
  readonly instance: GPU;
}
/** One kind of adapter, as the `devices` command shows it. */
export interface WebgpuReport {
  readonly available: boolean;
  readonly description: string;
  /** Why there is none, and what would help. */
  readonly reason?: string;
}

interface Attempt {
  readonly name: string;
  readonly flags: readonly string[];
  readonly options: GPURequestAdapterOptions & { featureLevel?: string };
  /** Environment variables that the driver must see; those already set are left alone. */
  readonly environment: Readonly<Record<string, string>>;
  /** Why it cannot work here, known without trying: a Vulkan loader without a GPU complains on stderr. */
  readonly needs?: string;
}
interface Found {
  readonly adapter: GPUAdapter;
  readonly instance: GPU;
  readonly description: string;
  readonly software: boolean;
}
interface Search {
  readonly found: readonly Found[];
  /** One line an attempt that found nothing. */
  readonly misses: readonly string[];
}

const SOFTWARE = /swiftshader|llvmpipe|lavapipe|softpipe|softrast|basic render|\bwarp\b/i;
const LIMITS = [
  'maxStorageBufferBindingSize',
  'maxBufferSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupSizeY',
  'maxComputeWorkgroupSizeZ',
  'maxComputeWorkgroupStorageSize',
  'maxComputeWorkgroupsPerDimension',
] as const;
/** Asked for where the adapter has them, never required. */
const FEATURES = ['timestamp-query', 'shader-f16', 'subgroups', 'subgroup-size-control', 'chromium-experimental-subgroup-matrix'];
/** Experimental features, f16 on NVIDIA (off for failures in corners of its conformance tests), and timestamps to the nanosecond. */
const ALWAYS = { enable: ['allow_unsafe_apis', 'vulkan_enable_f16_on_nvidia'], disable: ['timestamp_quantization'] };
/**
 * Dawn's checks and clamps cost time on every launch. Our launches are fixed when a plan is compiled, and specs run them with
 * every check on, so a hardware adapter goes without; MILLRACE_WEBGPU_SAFE=1 keeps the checks.
 */
const FAST = {
  enable: ['disable_robustness', 'disable_workgroup_init', 'skip_validation', 'disable_polyfills_on_integer_div_and_mod'],
  disable: ['enable_spirv_validation'],
};
const MESA_EGL = '/usr/share/glvnd/egl_vendor.d/50_mesa.json';
const FIX = {
  hardware: "Install the GPU's Vulkan driver (Linux), or use --device webgpu:software or --device wasm.",
  software: "Install Mesa's software renderer (Debian: libegl1 libgl1-mesa-dri), or use --device wasm.",
};

/** Opens the best adapter of that kind with all the limits it has. Throws a MillraceError of kind 'device' that says what was found instead. */
export async function requestWebgpu({ software }: WebgpuOptions): Promise<WebgpuAccess> {
  const where = `device "${software ? 'webgpu:software' : 'webgpu'}"`;
  const expected = software ? 'an adapter that computes on the CPU' : 'a hardware adapter';
  const { found, misses } = await search(software);
  const chosen = found.find(candidate => candidate.software === software);
  if (!chosen) {
    const other = found[0];
    if (!other) throw fail('device', where, expected, `none (${misses.join('; ')})`, software ? FIX.software : FIX.hardware);
    const fix = software ? 'Use --device webgpu to run on it.' : `Use --device webgpu:software to run on it. ${FIX.hardware}`;
    throw fail('device', where, expected, `${other.description}${other.software ? ', a software renderer' : ''}`, fix);
  }
  try {
    return await openAdapter(chosen);
  } catch (error) {
    const fix = 'Close other programs that use the GPU, or update its driver.';
    throw fail('device', where, `${chosen.description} to open`, (error as Error).message, fix, error);
  }
}

/** Its device with all the limits that computing needs, and every feature that we have a use for. */
export async function openAdapter({ adapter, instance, description }: Omit<Found, 'software'>): Promise<WebgpuAccess> {
  const device = await adapter.requestDevice({
    label: 'millrace',
    requiredLimits: Object.fromEntries(LIMITS.map(name => [name, adapter.limits[name]])),
    requiredFeatures: FEATURES.filter(name => adapter.features.has(name)) as GPUFeatureName[],
  });
  return { device, description, instance, limits: limitsOf(adapter, device) };
}

function limitsOf({ info }: GPUAdapter, { limits, features }: GPUDevice): VariantLimits {
  const { subgroupMinSize: min = 4, subgroupMaxSize: max = 128 } = info;
  const configs = (info as { subgroupMatrixConfigs?: Iterable<SubgroupMatrix> }).subgroupMatrixConfigs ?? [];
  const matrices = features.has('chromium-experimental-subgroup-matrix' as GPUFeatureName) ? [...configs] : [];
  return {
    workgroupBytes: limits.maxComputeWorkgroupStorageSize,
    invocations: limits.maxComputeInvocationsPerWorkgroup,
    storageBuffers: limits.maxStorageBuffersPerShaderStage,
    groups: limits.maxComputeWorkgroupsPerDimension,
    ...(features.has('subgroups') && { subgroup: { min, max } }),
    subgroupMatrices: matrices.map(({ componentType, resultComponentType, M, N, K }) => ({ componentType, resultComponentType, M, N, K })),
  };
}

/** Which adapters this machine has, and why the others are missing. Never throws. */
export async function describeWebgpu(): Promise<{ hardware: WebgpuReport; software: WebgpuReport }> {
  return { hardware: await report(false), software: await report(true) };
}

/** The part of it that `auto` needs: a software renderer is never started for it. */
export function describeHardware(): Promise<WebgpuReport> {
  return report(false);
}

async function report(software: boolean): Promise<WebgpuReport> {
  const { found, misses } = await search(software);
  const chosen = found.find(candidate => candidate.software === software);
  if (chosen) return { available: true, description: chosen.description };
  const others = found.map(other => `only ${other.description}${other.software ? ', a software renderer' : ''}`);
  const reason = `${[...others, ...misses].join('; ')}. ${software ? FIX.software : FIX.hardware}`;
  return { available: false, description: software ? 'WebGPU on the CPU' : 'WebGPU on a GPU', reason };
}

/** Tries the back ends in order until one has an adapter of the kind wanted. */
async function search(software: boolean): Promise<Search> {
  const found: Found[] = [];
  const misses: string[] = [];
  for (const attempt of attempts(software)) {
    try {
      if (attempt.needs) throw new Error(attempt.needs);
      const candidate = await withEnvironment(attempt.environment, () => probe(attempt));
      if (candidate) found.push(candidate);
      else misses.push(`${attempt.name}: no adapter`);
      if (candidate?.software === software) break;
    } catch (error) {
      misses.push(`${attempt.name}: ${(error as Error).message.split('\n')[0]}`);
    }
  }
  return { found, misses };
}

function attempts(software: boolean): Attempt[] {
  const quiet: Record<string, string> = inNode() && process.platform === 'linux' ? { XDG_RUNTIME_DIR: '/tmp' } : {};
  if (!inNode()) {
    const options: GPURequestAdapterOptions = { powerPreference: 'high-performance', forceFallbackAdapter: software };
    return [{ name: 'navigator.gpu', flags: [], options, environment: {} }];
  }
  if (!software) {
    const flags = process.env.MILLRACE_WEBGPU_SAFE === '1' ? dawnFlags(ALWAYS) : dawnFlags(ALWAYS, FAST);
    // Dawn cannot use Mesa's lavapipe and says so on stderr at every start: the Vulkan loader had better not offer it
    const environment = { ...quiet, VK_LOADER_DRIVERS_DISABLE: '*lvp*' };
    const hopeless = process.platform === 'linux' && gpuFiles().length === 0 && vulkanDrivers() === '';
    const needs = hopeless ? 'no GPU in this machine or container (no /dev/dri, no /dev/nvidia0)' : undefined;
    return [{ name: nativeBackend(), flags, options: { powerPreference: 'high-performance' }, environment, needs }];
  }
  const attempts: Attempt[] = [];
  const flags = dawnFlags(ALWAYS);
  if (/swiftshader/i.test(vulkanDrivers())) {
    attempts.push({ name: 'Vulkan SwiftShader', flags: ['backend=vulkan', ...flags], options: {}, environment: quiet });
  }
  if (process.platform === 'linux') {
    const environment: Record<string, string> = { ...quiet, EGL_PLATFORM: 'surfaceless', LIBGL_ALWAYS_SOFTWARE: '1' };
    // without a GPU's own EGL in front of it
    if (existsSync(MESA_EGL)) environment.__EGL_VENDOR_LIBRARY_FILENAMES = MESA_EGL;
    const options = { featureLevel: 'compatibility' };
    attempts.push({ name: 'OpenGL ES by EGL', flags: ['backend=opengles', ...flags], options, environment });
  } else {
    attempts.push({ name: nativeBackend(), flags, options: { forceFallbackAdapter: true }, environment: {} });
  }
  return attempts;
}

async function probe({ flags, options }: Attempt): Promise<Found | undefined> {
  const instance = await createInstance(flags);
  const adapter = await instance.requestAdapter(options as GPURequestAdapterOptions);
  if (!adapter) return undefined;
  const { vendor, architecture, device, description } = adapter.info;
  const all = [device, description, vendor, architecture];
  const software = adapter.info.isFallbackAdapter === true || SOFTWARE.test(all.join(' '));
  const name = (device || vendor || 'unnamed adapter').replace(/-+$/, '');
  return { adapter, instance, software, description: description ? `${name} (${description})` : name };
}

async function createInstance(flags: readonly string[]): Promise<GPU> {
  if (!inNode()) {
    const { gpu } = (globalThis as { navigator?: { gpu?: GPU } }).navigator ?? {};
    if (!gpu) throw new Error('there is no navigator.gpu');
    return gpu;
  }
  let dawn: typeof import('webgpu');
  try {
    dawn = await import('webgpu');
  } catch (error) {
    throw new Error(`the webgpu package has no Dawn for ${process.platform}-${process.arch}: ${(error as Error).message}`);
  }
  return dawn.create([...flags]);
}

/** Dawn takes one list of each: a second would replace the first. */
function dawnFlags(...sets: readonly (typeof ALWAYS)[]): string[] {
  const list = (key: 'enable' | 'disable') => sets.flatMap(set => set[key]).join();
  return [`enable-dawn-features=${list('enable')}`, `disable-dawn-features=${list('disable')}`];
}

/** Drivers read these when they start; other programs that we start should not. */
async function withEnvironment<T>(environment: Readonly<Record<string, string>>, run: () => Promise<T>): Promise<T> {
  const added = Object.keys(environment).filter(name => process.env[name] === undefined);
  for (const name of added) process.env[name] = environment[name];
  try {
    return await run();
  } finally {
    for (const name of added) delete process.env[name];
  }
}

/** The drivers that the user wants the Vulkan loader to take. */
const vulkanDrivers = (): string => process.env.VK_DRIVER_FILES ?? process.env.VK_ICD_FILENAMES ?? '';
const inNode = (): boolean => typeof process !== 'undefined' && process.versions?.node !== undefined;
const nativeBackend = (): string => ({ darwin: 'Metal', win32: 'Direct3D 12' })[process.platform as string] ?? 'Vulkan';

/** The files under /dev that stand for GPUs on Linux (nvidia0, dri/renderD128, WSL's dxg, ARM's mali0). */
function gpuFiles(): string[] {
  const names = list('/dev').filter(name => /^(nvidia\d|nvhost|dxg$|mali|kgsl)/.test(name));
  return [...names.map(name => `/dev/${name}`), ...list('/dev/dri').map(name => `/dev/dri/${name}`)];
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
