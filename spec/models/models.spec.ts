import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Graph } from '../../core/graph/graph.ts';
import { type GraphParameter, infer } from '../../core/graph/infer.ts';
import { macs, parameters, summary } from '../../core/graph/summary.ts';
import { verify } from '../../core/graph/verify.ts';
import {
  alexnet,
  alexnet2012,
  model,
  models,
  registerModel,
  resnet8,
  resnet18,
  resnet20,
  resnet34,
  resnet50,
  resnet101,
  resnet152,
  tiny,
} from '../../models/index.ts';

const torchvision: { state: Record<string, Record<string, number[]>>; sha256: Record<string, string> } = JSON.parse(
  readFileSync(new URL('./torchvision.json', import.meta.url), 'utf8'),
);

/** Our layouts are HWIO and [in,out]; PyTorch's OIHW and [out,in]. */
function pytorchShape({ layout, shape }: GraphParameter): number[] {
  if (layout === 'filter') return [shape[3], shape[2], shape[0], shape[1]];
  return layout === 'matrix' ? shape.toReversed() : [...shape];
}
const state = (graph: Graph) => infer(graph).parameters.map(parameter => [parameter.name, pytorchShape(parameter)] as const);
const shapeOf = (graph: Graph, name: string) => summary(graph).find(row => row.name === name)?.output;
const initOf = (graph: Graph, name: string) => infer(graph).parameters.find(parameter => parameter.name === name)?.init;

describe('models', () => {
  // parameters and multiply-accumulates of one image; torchvision's as its documentation gives them
  const counts: [string, Graph, number, number][] = [
    ['alexnet', alexnet(), 61_100_840, 714_188_480],
    ['alexnet2012', alexnet2012(), 60_965_224, 724_406_816],
    ['resnet18', resnet18(), 11_689_512, 1_814_073_344],
    ['resnet34', resnet34(), 21_797_672, 3_663_761_408],
    ['resnet50', resnet50(), 25_557_032, 4_089_184_256],
    ['resnet101', resnet101(), 44_549_160, 7_801_405_440],
    ['resnet152', resnet152(), 60_192_808, 11_513_626_624],
    ["resnet50 strides: 'v1'", resnet50({ strides: 'v1' }), 25_557_032, 3_857_973_248],
    ["resnet101 strides: 'v1'", resnet101({ strides: 'v1' }), 44_549_160, 7_570_194_432],
    ["resnet152 strides: 'v1'", resnet152({ strides: 'v1' }), 60_192_808, 11_282_415_616],
    ['resnet8', model('resnet8'), 75_002, 9_145_216],
    ['resnet20', model('resnet20'), 269_722, 40_551_040],
    ['resnet32', model('resnet32'), 464_154, 68_862_592],
    ['resnet44', model('resnet44'), 658_586, 97_174_144],
    ['resnet56', model('resnet56'), 853_018, 125_485_696],
    ["resnet20 shortcut: 'B'", resnet20({ shortcut: 'B' }), 272_474, 40_813_184],
  ];
  for (const [name, graph, count, multiplications] of counts) {
    it(`should give ${name} ${count} parameters and ${multiplications} multiply-accumulates${name === 'resnet18' ? ' @smoke' : ''}`, () => {
      assert.equal(parameters(graph), count);
      assert.equal(macs(graph), multiplications);
    });
  }

  it('should save the projections of shortcut A', () => {
    assert.equal(parameters(resnet18({ shortcut: 'A' })), 11_515_688);
    assert.equal(parameters(resnet34({ shortcut: 'A' })), 21_623_848);
    assert.ok(parameters(resnet50({ shortcut: 'A' })) < parameters(resnet50()));
  });

  it("should have torchvision's names and shapes, in torchvision's order", () => {
    for (const [name, expected] of Object.entries(torchvision.state)) assert.deepEqual(state(model(name)), Object.entries(expected), name);
    for (const [name, expected] of Object.entries(torchvision.sha256)) {
      const lines = state(model(name)).map(([key, shape]) => `${key} ${shape.join(',')}`);
      assert.equal(createHash('sha256').update(lines.join('\n')).digest('hex'), expected, name);
    }
  });

  it('should give [classes] for any classes, size and channels', () => {
    for (const [name, build] of Object.entries(models)) {
      const graph = build({ classes: 7, size: [96, 64], channels: 1 });
      assert.deepEqual(graph.input, [96, 64, 1], name);
      assert.deepEqual(verify(graph, { classes: 7 }).output, [1, 7]);
    }
  });

  it('should build each model anew, so that no two share anything', () => {
    assert.deepEqual(tiny(), tiny());
    assert.notEqual(tiny(), tiny());
  });
});

describe('alexnet', () => {
  it('should work down to 63 pixels, and say so below', () => {
    for (const build of [alexnet, alexnet2012]) {
      assert.deepEqual(verify(build({ size: 63, classes: 10 })).output, [1, 10]);
      assert.throws(() => build({ size: 62 }), {
        message: `model "${build.name}": expected images of at least 63 × 63 pixels, got 62. Set the size to 63 or more, or take a model for small images, for instance resnet20.`,
      });
    }
    assert.throws(() => alexnet({ size: [224, 32] }), /at least 63 × 63 pixels, got \[224,32\]/);
  });

  it('should bring every image size to 6 × 6 × 256', () => {
    for (const size of [64, 224, 300]) assert.deepEqual(shapeOf(alexnet({ size }), 'avgpool'), [6, 6, 256]);
  });

  it('should take the probability of dropout', () => {
    const probabilities = (graph: Graph) => graph.nodes.filter(node => node.op === 'dropout').map(node => node.attributes?.probability);
    assert.deepEqual(probabilities(alexnet()), [0.5, 0.5]);
    assert.deepEqual(probabilities(alexnet({ dropout: 0 })), [0, 0]);
  });
});

describe('alexnet2012', () => {
  it("should have the paper's shapes", () => {
    const graph = alexnet2012();
    const shapes = ['conv1', 'pool1', 'conv2', 'pool2', 'conv3', 'conv4', 'conv5', 'pool5', 'fc6', 'fc7', 'fc8'].map(name =>
      shapeOf(graph, name),
    );
    assert.deepEqual(shapes, [
      [55, 55, 96],
      [27, 27, 96],
      [27, 27, 256],
      [13, 13, 256],
      [13, 13, 384],
      [13, 13, 384],
      [13, 13, 256],
      [6, 6, 256],
      [4096],
      [4096],
      [1000],
    ]);
    // the filters of the grouped convolutions see one tower only: 5×5×48, 3×3×192, 3×3×192
    const inputChannels = ['conv1', 'conv2', 'conv3', 'conv4', 'conv5'].map(
      name => infer(graph).parameters.find(p => p.name === `${name}.weight`)?.shape[2],
    );
    assert.deepEqual(inputChannels, [3, 48, 256, 192, 192]);
  });

  it('should normalise after the rectifier and before the pool', () => {
    const inputs = new Map(alexnet2012().nodes.map(node => [node.name, node.inputs]));
    assert.deepEqual(
      ['norm1', 'pool1', 'norm2', 'pool2', 'pool5'].map(name => inputs.get(name)),
      [['relu1'], ['norm1'], ['relu2'], ['norm2'], ['relu5']],
    );
  });

  it("should start as the paper's section 5 says", () => {
    const graph = alexnet2012();
    for (const layer of ['conv1', 'conv2', 'conv3', 'conv4', 'conv5', 'fc6', 'fc7', 'fc8']) {
      assert.deepEqual(initOf(graph, `${layer}.weight`), { kind: 'normal', std: 0.01 });
      const one = ['conv2', 'conv4', 'conv5', 'fc6', 'fc7'].includes(layer);
      assert.deepEqual(initOf(graph, `${layer}.bias`), { kind: 'constant', value: one ? 1 : 0 }, layer);
    }
  });
});

describe('resnet', () => {
  it('should halve the image where the variant says', () => {
    const strides = (graph: Graph) =>
      ['conv1', 'conv2'].map(conv => graph.nodes.find(node => node.name === `layer2.0.${conv}`)?.attributes?.stride);
    assert.deepEqual(strides(resnet50()), [1, 2]);
    assert.deepEqual(strides(resnet50({ strides: 'v1' })), [2, 1]);
    assert.deepEqual(shapeOf(resnet50(), 'layer4.2.relu3'), [7, 7, 2048]);
  });

  it("should start convolutions at He's normal distribution over the fan out, and linear layers as PyTorch", () => {
    assert.deepEqual(initOf(resnet18(), 'conv1.weight'), { kind: 'normal', std: Math.sqrt(2 / (64 * 49)) });
    assert.deepEqual(initOf(resnet18(), 'fc.bias'), { kind: 'uniform', bound: 1 / Math.sqrt(512) });
  });

  it('should start blocks as the identity only when asked', () => {
    for (const [build, last] of [
      [resnet18, 'layer3.1.bn2.weight'],
      [resnet50, 'layer3.1.bn3.weight'],
    ] as const) {
      assert.deepEqual(initOf(build(), last), { kind: 'constant', value: 1 });
      assert.deepEqual(initOf(build({ zeroInitResidual: true }), last), { kind: 'constant', value: 0 });
      assert.deepEqual(initOf(build({ zeroInitResidual: true }), 'layer3.1.bn1.weight'), { kind: 'constant', value: 1 });
    }
  });

  it('should have no downsample without a change of shape', () => {
    const downsamples = (graph: Graph) => graph.nodes.filter(node => node.name.includes('downsample')).map(node => node.name);
    assert.deepEqual(downsamples(resnet8()), ['layer2.0.downsample', 'layer3.0.downsample']);
    assert.deepEqual(
      downsamples(resnet8({ shortcut: 'B' })),
      ['layer2', 'layer3'].flatMap(stage => [`${stage}.0.downsample.0`, `${stage}.0.downsample.1`]),
    );
  });

  it('should fit Fashion-MNIST by default at depth 8, and CIFAR above', () => {
    assert.deepEqual(resnet8().input, [28, 28, 1]);
    assert.deepEqual(resnet20().input, [32, 32, 3]);
    assert.deepEqual(shapeOf(resnet20(), 'layer3.2.relu2'), [8, 8, 64]);
  });
});

describe('model', () => {
  it('should find the nearest name', () => {
    assert.throws(
      () => model('resnet81'),
      /^MillraceError: model: expected one of alexnet, .*, tiny.*, got "resnet81"\. Did you mean "resnet\d+"\? /,
    );
    assert.throws(() => model('toString'), /got "toString"\. A graph of your own is a file: mine\.json\.$/);
  });

  it("should take a user's own model, and no second one of its name", () => {
    registerModel('specs.narrow', options => ({ ...tiny(options), name: 'specs.narrow' }));
    assert.equal(model('specs.narrow', { classes: 3 }).name, 'specs.narrow');
    assert.throws(() => registerModel('specs.narrow', tiny), /model "specs\.narrow": expected a name that no other model has/);
  });
});
