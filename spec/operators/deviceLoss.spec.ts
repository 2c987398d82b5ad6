import assert from 'node:assert/strict';
import { tap } from 'rxjs';
import { deviceOn } from '../../core/devices/webgpu/index.ts';
import { requestWebgpu, type WebgpuAccess } from '../../core/devices/webgpu/provider.ts';
import { crossEntropy } from '../../core/losses/index.ts';
import { sgd } from '../../core/optimizers/index.ts';
import { compile } from '../../core/training/compiledModel.ts';
import { tiny } from '../../models/tiny.ts';
import { backward } from '../../operators/backward.ts';
import { forward } from '../../operators/forward.ts';
import { optimize } from '../../operators/optimize.ts';
import { record, TrainingRig } from './trainingRig.ts';

/** As when the driver resets the GPU: the device is lost behind our back. */
describe('a training stream whose GPU is lost', () => {
  let access: WebgpuAccess;
  beforeEach(async function () {
    try {
      access = await requestWebgpu({ software: true });
    } catch (reason) {
      console.log(`      skipped: ${this.currentTest?.fullTitle()}: ${(reason as Error).message}`);
      this.skip();
    }
  });

  const message =
    /^MillraceError: webgpu:software: expected a device that stays \(.+\), got it was lost: .+\. Start again from the last checkpoint; a smaller batch takes less memory\.$/;

  it('should end with one error that says so, hang nowhere, and give everything back', async function () {
    this.timeout(30_000);
    const device = deviceOn(access, { software: true });
    const rig = new TrainingRig(compile(tiny(), { device, batch: 8, seed: 1 }), 0);
    const { values, end, error, errors } = await record(
      rig.batches(1000).pipe(
        forward(rig.model),
        backward(crossEntropy()),
        optimize(sgd({ lr: 0.05, momentum: 0.9 })),
        tap(({ step }) => {
          if (step === 3) access.device.destroy();
        }),
      ),
    );
    assert.deepEqual([end, errors], ['error', 1]);
    assert.ok(values.length >= 3 && values.length <= 4, `${values.length} steps`);
    assert.match(String(error), message);
    await assert.rejects(device.lost, message);
    await assert.rejects(rig.model.state(), message);
    await rig.close();
    await device.destroy();
  });

  it('should fail a read that is under way', async () => {
    const device = deviceOn(access, { software: true });
    const buffer = device.allocate(1 << 20, 'x');
    const read = device.read(buffer, 1 << 20);
    access.device.destroy();
    await assert.rejects(read, message);
    await device.destroy();
  });
});
