import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { type PipelineSnapshot, verdict } from '../../../core/index.ts';
import { run } from '../../../pipelines/commandLine.ts';
import { Hub } from '../../../pipelines/dashboard/hub.ts';
import { Replay } from '../../../pipelines/dashboard/replay.ts';
import { type Dashboard, serveDashboard } from '../../../pipelines/dashboard/server.ts';
import { until } from '../../dataFixtures.ts';
import { metricsOf, small, temporaryFolder, toyData } from '../toy.ts';
import { curves, drawn, figuresOn, fits, noBrowser, says, useBrowser } from './browser.ts';

const stagesWhere = (limit: string) => `[...document.querySelectorAll('.stage${limit}')].map(box => box.getAttribute('data-stage'))`;
type Line = Record<string, number | string>;

describe(`train --dashboard in a browser${noBrowser}`, () => {
  const look = useBrowser();
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let out = '';
  let url = '';
  let ended: Promise<number>;
  let served: Dashboard | undefined;
  const lines = (event: string): Line[] => metricsOf<Line>(out).filter(line => line.event === event);

  before(async () => {
    folder = await temporaryFolder();
    out = join(folder.path, 'run');
    const data = await toyData(join(folder.path, 'toy'), { train: 200 });
    let written = '';
    const sink = {
      write(text: string) {
        written += text;
        return true;
      },
      on: () => undefined,
    };
    const args = ['train', '--data', data, ...small, '--epochs', '5000', '--out', out, '--dashboard', '8411'];
    ended = run(args, { stdout: sink, stderr: sink });
    await until(() => /#token=\S+/.test(written));
    url = written.match(/http:\S+#token=[\w-]+/)![0];
  });
  after(async () => {
    const [base, token] = url.split('/#token=');
    const stop = { method: 'POST', headers: { Authorization: `Bearer ${token}` }, body: '{"control":"stop"}' };
    // only where a test failed: the run has ended else
    await fetch(`${base}/control`, stop).catch(() => undefined);
    await ended;
    await folder.remove();
  });
  afterEach(async () => {
    await served?.close();
    served = undefined;
  });
  const shownStep = async (page: Page) => Number((await figuresOn(page)).step?.replace(/ of .*|,/g, ''));

  it('should show the run as it goes: stages, verdict, pictures with guesses, mistakes, weights, memory', async () => {
    const { page, complaints } = await look(url);
    await says(page, 'status', /^running$/);
    await says(page, 'confused', /^Epoch \d+: /);
    await page.waitForSelector('#pictures figure');
    // stages are told once a second
    await page.waitForSelector('.stage');
    const stages = await page.evaluate<string[]>(stagesWhere(''));
    for (const name of ['source', 'decode', 'batch', 'forward', 'backward', 'optimize'])
      assert.ok(stages.includes(name), `${name} is not among ${stages}`);
    const limits = await page.evaluate<string[]>(stagesWhere('[data-limits="true"]'));
    const text = await says(page, 'verdict', /limits/);
    assert.ok(limits.length <= 1 && limits.every(name => text.toLowerCase().startsWith(name)), `${limits} marked; ${text}`);
    const captions = (await page.locator('#pictures figcaption').allInnerTexts()).map(each => each.split('\n'));
    assert.equal(captions.length, 8);
    for (const [label, guess] of captions) assert.match(guess!, label === 'dark' ? /^(✓ dark|✗ light) / : /^(✗ dark|✓ light) /);
    await says(page, 'weights-about', /^After step \d+\. Left weights: mean .*right gradients: /);
    await says(page, 'memory', /process \(resident\)/);
    for (const id of ['loss', 'accuracy', 'rate', 'confusion', 'weights']) assert.ok(await drawn(page, id), id);
    await fits(page);
    assert.deepEqual(complaints, []);
  });

  it('should only show on an address without the token', async () => {
    const { page } = await look(url.replace(/#.*/, ''));
    await says(page, 'status', /^running$/);
    assert.equal(await page.locator('#controls').isVisible(), false);
    const status = await page.evaluate(`fetch('/control', { method: 'POST', body: '{"control":"pause"}' }).then(({ status }) => status)`);
    assert.equal(status, 401);
  });

  it('should pause, set the learning rate, go on and stop for whoever has the token, on all pages', async () => {
    const [{ page, complaints }, other] = [await look(url), await look(url, { width: 390, dark: true })];
    await says(page, 'status', /^running$/);
    await page.getByRole('button', { name: 'Pause' }).click();
    for (const each of [page, other.page]) await says(each, 'status', /^paused$/);
    // the last steps come within a second
    await page.waitForTimeout(900);
    const before = await shownStep(page);

    const slider = page.getByRole('slider', { name: /Learning rate/ });
    await slider.focus();
    await page.keyboard.press('ArrowLeft');
    await says(page, 'lr-holds', /^set by hand$/);
    const lr = 10 ** Number(await slider.inputValue());
    assert.equal(await shownStep(page), before, 'no step while it is paused');
    await page.getByRole('button', { name: 'Resume' }).click();
    for (const each of [page, other.page]) await says(each, 'status', /^running$/);
    await until(async () => (await shownStep(page)) > before + 5);
    await page.getByRole('button', { name: 'Follow the schedule' }).click();
    await says(page, 'lr-holds', /^the schedule rules$/);
    // one that is opened late knows it all
    const late = await look(url);
    const log = await says(late.page, 'log', /back to its schedule/);
    assert.match(log, /epoch 1: held-out.*after step \d+: pause.*after step \d+: learning rate 0\.\d+.*after step \d+: resume/);

    page.once('dialog', dialog => void dialog.dismiss());
    await page.getByRole('button', { name: 'Stop' }).click();
    page.once('dialog', dialog => void dialog.accept());
    await page.getByRole('button', { name: 'Stop' }).click();
    await ended;
    const { length } = lines('step');
    for (const step of lines('step').slice(before + 1, before + 5))
      assert.ok(Math.abs(Number(step.lr) / lr - 1) < 0.01, `${step.lr} instead of ${lr}`);
    assert.deepEqual(
      lines('control').map(line => line.control),
      ['pause', 'lr', 'resume', 'lr', 'stop'],
    );
    for (const each of [page, other.page, late.page]) {
      await says(each, 'status', new RegExp(`^interrupted, step ${length}$`));
      assert.equal(await each.locator('#controls').isVisible(), false);
    }
    assert.ok(existsSync(join(out, 'checkpoint.safetensors')));
    await fits(other.page);
    // the server has gone with the run; the page stays
    assert.deepEqual(
      complaints.filter(each => !/ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED/.test(each)),
      [],
    );
  });

  it('should show the same run from its folder, as its metrics have it, also where they are cut off', async () => {
    const show = async () => {
      const hub = new Hub();
      (await Replay.open(out, hub)).close();
      served = await serveDashboard({ hub, port: 0 });
      return look(served.url);
    };
    const { page, complaints } = await show();
    const steps = lines('step');
    await says(page, 'status', new RegExp(`^interrupted, step ${steps.length}$`));
    await curves(page);
    assert.equal(await shownStep(page), steps.length);
    const settled = (lines('profile').at(-1) as unknown as { settled: PipelineSnapshot }).settled;
    assert.equal(await page.locator('#verdict').textContent(), verdict(settled).text);
    // curves tell in words what they were drawn from
    const told = async (id: string) => [
      ...(await page.locator(`#${id}`).getAttribute('aria-label'))!.matchAll(/\d[\d,]*(?:\.\d+)?(?:e-\d+)?/g),
    ];
    const numbers = async (id: string) => (await told(id)).map(([number]) => Number(number.replaceAll(',', '')));
    const near = (a: number | undefined, b: unknown, what: string) =>
      assert.ok(Math.abs(a! / Number(b) - 1) < 0.02, `${what}: ${a} for ${b}`);
    const rate = await numbers('rate');
    near(rate[1], steps.length, 'last step');
    near(rate[2], steps[0]!.lr, 'first rate');
    near(rate[3], steps.at(-1)!.lr, 'last rate');
    near((await numbers('loss'))[4], lines('epoch').at(-1)!.loss, 'held-out loss');
    assert.deepEqual(complaints, []);
    await served!.close();

    const metrics = join(out, 'metrics.jsonl');
    const whole = readFileSync(metrics, 'utf8').split('\n');
    const kept = whole.slice(0, 30);
    writeFileSync(metrics, `${kept.join('\n')}\n{"event":"st\n{"event":"step","ste`);
    const cut = await show();
    await says(cut.page, 'log', /metrics\.jsonl: 1 line that is not JSON left out/);
    await curves(cut.page);
    assert.equal(await shownStep(cut.page), kept.filter(line => line.includes('"event":"step"')).length);
  });
});
