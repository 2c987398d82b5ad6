/** Every model by name. Models are graphs: data without weights or a device. */
import { didYouMean } from '../core/closest.ts';
import { fail, show } from '../core/errors.ts';
import type { Graph } from '../core/graph/graph.ts';
import { alexnet } from './alexnet.ts';
import { alexnet2012 } from './alexnet2012.ts';
import type { ModelOptions } from './options.ts';
import { resnet18, resnet34, resnet50, resnet101, resnet152 } from './resnet.ts';
import { resnet8, resnet20, resnet32, resnet44, resnet56 } from './resnetCifar.ts';
import { tiny } from './tiny.ts';

export { alexnet } from './alexnet.ts';
export { alexnet2012 } from './alexnet2012.ts';
export type { ModelOptions } from './options.ts';
export { type ResNetOptions, resnet18, resnet34, resnet50, resnet101, resnet152 } from './resnet.ts';
export { resnet8, resnet20, resnet32, resnet44, resnet56, type SmallResNetOptions } from './resnetCifar.ts';
export { tiny } from './tiny.ts';

/** Writes a model's graph. Options that a model does not have are ignored. */
export type Model = (options?: ModelOptions) => Graph;

const registry: Record<string, Model> = {
  alexnet,
  alexnet2012,
  resnet18,
  resnet34,
  resnet50,
  resnet101,
  resnet152,
  resnet8,
  resnet20,
  resnet32,
  resnet44,
  resnet56,
  tiny,
};

/** The registry; `registerModel` adds to it. */
export const models: Readonly<Record<string, Model>> = registry;

/** Makes a model known to `model` and the command line. Throws a MillraceError of kind 'usage' if the name is taken. */
export function registerModel(name: string, build: Model): void {
  if (Object.hasOwn(models, name)) {
    throw fail('usage', `model "${name}"`, 'a name that no other model has', 'a second registration', 'Choose another name.');
  }
  registry[name] = build;
}

/** The graph of a registered model. Throws a MillraceError of kind 'usage' for a name that is not registered. */
export function model(name: string, options: ModelOptions = {}): Graph {
  if (Object.hasOwn(models, name)) return models[name](options);
  const names = Object.keys(models);
  throw fail(
    'usage',
    'model',
    `one of ${names.join(', ')}`,
    show(name),
    `${didYouMean(name, names)}A graph of your own is a file: mine.json.`,
  );
}
