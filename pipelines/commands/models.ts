import Table from 'cli-table3';
import { fail, macs, parameters, summary } from '../../core/index.ts';
import { models as registry } from '../../models/index.ts';
import { chooseModel } from '../run/chooseModel.ts';
import type { Output } from '../terminal/output.ts';
import { type PlanOptions, showPlan } from './modelPlan.ts';

const number = (value: number): string => value.toLocaleString('en-US');
const plain = { style: { head: [], border: [], compact: true } };

export interface ModelsOptions extends PlanOptions {
  readonly classes?: number;
  readonly size?: number;
  readonly channels?: number;
  readonly plan?: 'train' | 'evaluate';
}

/** The registry, the layers of one model (a name or a file), or its plan. */
export async function models(name: string | undefined, options: ModelsOptions, output: Output): Promise<number> {
  if (name !== undefined) return show(name, options, output);
  if (options.plan === undefined) return list(output);
  throw fail('usage', '--plan', 'a model to plan', 'none', 'Name it: millrace models resnet18 --plan.');
}

function list(output: Output): number {
  const table = new Table({
    head: ['model', 'input', 'parameters', 'multiply-accumulates', 'layers'],
    colAligns: ['left', 'left', 'right', 'right', 'right'],
    ...plain,
  });
  const all = Object.entries(registry).map(([name, build]) => {
    const graph = build();
    const row = { name, input: graph.input, parameters: parameters(graph), macs: macs(graph), layers: graph.nodes.length };
    table.push([name, graph.input.join('×'), number(row.parameters), number(row.macs), row.layers]);
    output.event('model', row);
    return row;
  });
  output.line(table.toString());
  output.summary({ models: all });
  return 0;
}

async function show(name: string, { plan, classes, size, channels, ...options }: ModelsOptions, output: Output): Promise<number> {
  const choice = await chooseModel(name);
  const sizes = { ...(classes && { classes }), ...(size && { size }), ...(channels && { channels }) };
  const graph = choice.kind === 'graph' ? choice.graph : choice.build(sizes);
  if (plan !== undefined) return showPlan(graph, plan, options, output);
  const rows = summary(graph);
  const table = new Table({
    head: ['layer', 'op', 'output', 'parameters', 'multiply-accumulates'],
    colAligns: ['left', 'left', 'left', 'right', 'right'],
    ...plain,
  });
  for (const { name: layer, op, output: shape, parameters: count, macs: work } of rows) {
    table.push([layer, op, shape.join('×'), count ? number(count) : '', work ? number(work) : '']);
  }
  output.line(`${graph.name}, images of ${graph.input.join('×')}`);
  output.line(table.toString());
  output.line(`${number(parameters(graph))} parameters, ${number(macs(graph))} multiply-accumulates an image`);
  output.summary({ name: graph.name, input: graph.input, parameters: parameters(graph), macs: macs(graph), layers: rows });
  return 0;
}
