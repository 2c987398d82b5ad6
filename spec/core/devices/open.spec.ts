import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { type DeviceName, describeDevices, deviceNames, openDevice } from '../../../core/devices/open.ts';

describe('openDevice', () => {
  it('should open what it is asked for by name, or say why not', async () => {
    for (const name of deviceNames.filter(name => name !== 'auto')) {
      try {
        const device = await openDevice(name, { threads: 1 });
        assert.equal(device.kind, name);
        await device.destroy();
      } catch (error) {
        // never another device in its place
        assert.ok(name.startsWith('webgpu'), `${name}: ${error}`);
        assert.match(String(error), /^MillraceError: device "webgpu(:software)?": expected .+, got .+\. .+\.$/s);
      }
    }
  });

  it('should take the hardware GPU or WebAssembly by itself, as the report says', async () => {
    const chosen = (await describeDevices()).filter(({ chosen }) => chosen);
    assert.equal(chosen.length, 1);
    const device = await openDevice('auto', { threads: 1 });
    assert.equal(device.kind, chosen[0]!.kind);
    assert.ok(device.kind === 'webgpu' || device.kind === 'wasm');
    await device.destroy();
  });

  it('should use every core unless it is told how many', async () => {
    const device = await openDevice('wasm');
    assert.equal(device.threads, availableParallelism());
    await device.destroy();
  });

  it('should refuse names that it does not know, and odd numbers of threads', async () => {
    await assert.rejects(
      openDevice('gpu' as DeviceName),
      /^MillraceError: --device: expected one of auto, webgpu, webgpu:software, wasm, cpu, got "gpu"\. Run `millrace devices` to see/,
    );
    for (const threads of [0, 1.5, -2, 257, Number.NaN]) {
      await assert.rejects(
        openDevice('wasm', { threads }),
        new RegExp(`^MillraceError: --threads: expected a whole number from 1 to 256, got ${threads}\\. This machine has \\d+ cores\\.$`),
      );
    }
  });
});

describe('describeDevices', () => {
  it('should list every kind once, with a reason for what is missing', async () => {
    const reports = await describeDevices({ threads: 3 });
    assert.deepEqual(reports.map(({ kind }) => kind).sort(), deviceNames.filter(name => name !== 'auto').sort());
    for (const { kind, available, description, reason } of reports) {
      assert.ok(description.length > 0);
      if (kind === 'wasm' || kind === 'cpu') assert.ok(available);
      assert.equal(reason === undefined, available, kind);
    }
    assert.match(reports.find(({ kind }) => kind === 'wasm')!.description, /3 threads/);
  });
});
