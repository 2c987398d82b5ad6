import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

/** A package that is installed elsewhere: the second argument of the process is the folder with its node_modules. */
export async function load<T>(name: string): Promise<T> {
  const folder = resolve(process.argv[3]);
  const require = createRequire(join(folder, 'package.json'));
  try {
    require.resolve(name);
  } catch {
    throw new Error(`${name} is not installed in ${folder}`);
  }
  const module = (await import(pathToFileURL(require.resolve(name)).href)) as { default?: object };
  // a CommonJS module's names may sit in its default
  return { ...module.default, ...module } as T;
}
export const folderOf = (name: string): string => join(resolve(process.argv[3]), 'node_modules', name);

interface Dawn {
  create(flags: string[]): { requestAdapter(options?: object): Promise<{ info: Record<string, string> } | null> };
  readonly globals: object;
}

/** Dawn's switches are those that ours runs with (core/devices/webgpu/provider.ts): nobody pays for checks. */
const fast =
  'allow_unsafe_apis,disable_robustness,disable_workgroup_init,skip_validation,disable_polyfills_on_integer_div_and_mod,vulkan_enable_f16_on_nvidia';
const mesa = '/usr/share/glvnd/egl_vendor.d/50_mesa.json';

/**
 * WebGPU for libraries made for browsers: `navigator.gpu` through Dawn. For the device `webgpu` only a hardware adapter
 * will do, as for ours; returns its description.
 */
export async function provideWebgpu(software: boolean): Promise<string> {
  // ours, so that all compute with one Dawn
  const { create, globals } = (await import('webgpu')) as unknown as Dawn;
  Object.assign(globalThis, globals);
  if (software) {
    Object.assign(process.env, { XDG_RUNTIME_DIR: '/tmp', EGL_PLATFORM: 'surfaceless', LIBGL_ALWAYS_SOFTWARE: '1' });
    if (existsSync(mesa)) process.env.__EGL_VENDOR_LIBRARY_FILENAMES = mesa;
  }
  const backend = software ? ['backend=opengles'] : [];
  const gpu = create([...backend, `enable-dawn-features=${fast}`, 'disable-dawn-features=timestamp_quantization']);
  const options = software ? { featureLevel: 'compatibility' } : { powerPreference: 'high-performance' };
  const first = await gpu.requestAdapter(options);
  if (!first) throw new Error('no WebGPU adapter');
  const { device, description, vendor, architecture } = first.info;
  const text = [description || device || vendor, architecture].filter(Boolean).join(', ');
  if (!software && /swiftshader|llvmpipe|lavapipe|software/i.test(text)) throw new Error(`no hardware adapter, only ${text}`);
  // libraries ask by themselves, with options of their own
  const provided = { ...gpu, requestAdapter: () => gpu.requestAdapter(options), getPreferredCanvasFormat: () => 'rgba8unorm' };
  const { navigator } = globalThis as { navigator?: object };
  if (navigator) Object.defineProperty(navigator, 'gpu', { value: provided, configurable: true });
  else Object.defineProperty(globalThis, 'navigator', { value: { gpu: provided, userAgent: 'node' }, configurable: true });
  return text;
}
