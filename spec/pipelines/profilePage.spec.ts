import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ProfileReport } from '../../pipelines/profile/profileReport.ts';
import { useTemporaryFolder } from '../dataFixtures.ts';
import { drawn, fits, noBrowser, says, useBrowser } from './dashboard/browser.ts';
import { millrace, toyData } from './toy.ts';

describe(`report.html in a browser${noBrowser}`, () => {
  const look = useBrowser();
  const folder = useTemporaryFolder();

  it('should show from a file what was measured, on a phone and a desktop', async () => {
    const data = await toyData(folder.path('toy'));
    const tiny = ['--model', 'tiny', '--device', 'wasm', '--threads', '1', '--workers', '1', '--batch', '8', '--epochs', '50'];
    const [first, out] = [folder.path('first'), folder.path('second')];
    for (const args of [
      ['--out', first],
      ['--out', out, '--compare', first],
    ]) {
      const { status, stderr } = await millrace('profile', '--data', data, ...tiny, '--steps', '20', ...args);
      assert.equal(status, 0, stderr);
    }
    const { facts, profile, verdict, kernels }: ProfileReport = JSON.parse(readFileSync(join(out, 'profile.json'), 'utf8'));
    for (const [width, dark] of [
      [1280, false],
      [390, true],
    ] as const) {
      const { page, complaints } = await look(pathToFileURL(join(out, 'report.html')).href, { width, dark });
      await says(page, 'title', /images\/s: tiny, batch 8, on wasm/);
      assert.match(await says(page, 'about', /steps/), new RegExp(`${facts.steps} steps in `));
      assert.equal((await says(page, 'headline', /./)).toLowerCase(), verdict!.headline.toLowerCase());
      const stages = await page.locator('#stages tbody th').allTextContents();
      assert.deepEqual(
        stages,
        profile!.settled.stages.map(({ name }) => name),
      );
      assert.equal(await page.locator('#stages tr[data-limits="true"]').count(), stages.includes(verdict!.limits ?? '') ? 1 : 0);
      assert.equal(await page.locator('#kernels tbody tr').count(), kernels!.length);
      await says(page, 'comparison', /batch881\.00 ×/);
      for (const id of ['flow', 'timeline', 'course', 'depth', 'roofline']) {
        assert.ok(await drawn(page, id), id);
        assert.match((await page.locator(`#${id}`).getAttribute('aria-label'))!, /^[A-Z].{20,}/s, `${id} has a description`);
      }
      await fits(page);
      assert.deepEqual(complaints, []);
    }
  });
});
