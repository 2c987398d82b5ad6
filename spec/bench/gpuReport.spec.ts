import assert from 'node:assert/strict';
import { gpuReport, partsOf } from './gpuReport.ts';

const lines = (...events: object[]): string => `${events.map(event => JSON.stringify(event)).join('\n')}\n`;
const text = [
  lines({ event: 'begin', part: 'golden' }, { event: 'case' }, { event: 'summary', passed: 56, failed: 0 }),
  lines({ event: 'part', part: 'golden', status: 'done', seconds: 12 }, { event: 'begin', part: 'step-resnet18-64' }),
  lines({
    event: 'summary',
    images_per_s: 2000,
    step_ms: 32,
    gflops: 21_800,
    kernels_ms: 30.4,
    peak_bytes: 2 ** 30,
    lower_bound_bytes: 2 ** 29,
    device: 'a GPU',
  }),
  lines({ event: 'part', part: 'step-resnet18-64', status: 'done', seconds: 9 }, { event: 'begin', part: 'kernels' }),
  '{"event":"kernel","primi\n',
  lines({ event: 'part', part: 'kernels', status: 'stopped after 120 s', seconds: 120 }),
].join('');

describe('the report of gpu.sh', () => {
  it('should cut the results into parts, and stand half a line @smoke', () => {
    const parts = partsOf(`Warning: something\n${text}`);
    assert.deepEqual(
      parts.map(({ name, status, summary }) => [name, status, summary !== undefined]),
      [
        ['golden', 'done', true],
        ['step-resnet18-64', 'done', true],
        ['kernels', 'stopped after 120 s', false],
      ],
    );
  });

  it('should say what each part came to, and how busy the device was', () => {
    const report = gpuReport(text);
    assert.match(report, /^golden +done +12 s +56 passed, 0 failed$/m);
    assert.match(report, /^kernels +stopped after 120 s +120 s$/m);
    assert.match(report, /^resnet18-64 +2,000 +32 +21,800 +95\.0 % +1 GiB +512 MiB$/m);
  });
});
