import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';

const inPath = (process.env.PATH ?? '').split(delimiter).flatMap(dir => ['chromium', 'chromium-browser'].map(name => join(dir, name)));
const executablePath = [process.env.MILLRACE_CHROMIUM ?? '', ...inPath].find(each => each !== '' && existsSync(each));

/** Goes into the titles of specs that need a browser; empty where there is one. */
export const noBrowser = executablePath ? '' : ' (skipped: no chromium in PATH; MILLRACE_CHROMIUM can name one)';

let browser: Promise<Browser> | undefined;
after(async () => (await browser)?.close());

export interface View {
  readonly page: Page;
  /** What the page complained about on its console, and what it threw. */
  readonly complaints: readonly string[];
}

/** Pages in a real browser, closed after each test; without a browser the tests are skipped. */
export function useBrowser(): (url: string, look?: { width?: number; dark?: boolean; before?: string }) => Promise<View> {
  const open: Page[] = [];
  before(function () {
    if (!executablePath) this.skip();
  });
  afterEach(async () => {
    for (const page of open.splice(0)) await page.close();
  });
  return async (url, { width = 1280, dark = false, before } = {}) => {
    // other specs raise signals in this process, which the browser would take for its own
    browser ??= chromium.launch({ executablePath: executablePath!, handleSIGINT: false, handleSIGTERM: false, handleSIGHUP: false });
    const page = await (await browser).newPage({ viewport: { width, height: 900 }, colorScheme: dark ? 'dark' : 'light' });
    page.setDefaultTimeout(10_000);
    open.push(page);
    const complaints: string[] = [];
    page.on('console', message => ['error', 'warning'].includes(message.type()) && complaints.push(message.text()));
    page.on('pageerror', error => complaints.push(error.message));
    if (before) await page.addInitScript({ content: before });
    await page.goto(url);
    return { page, complaints };
  };
}

/*
 * What runs inside the page stands here as text: it is compiled for browsers by nobody, and their types are none of Node's.
 */

const patienceMs = 10_000;

/** Resolves when the element of that id says what is expected. (Waiting inside the page is what its content policy forbids.) */
export async function says(page: Page, id: string, text: RegExp): Promise<string> {
  const began = performance.now();
  for (;;) {
    const said = (await page.locator(`#${id}`).textContent()) ?? '';
    if (text.test(said)) return said;
    assert.ok(performance.now() - began < patienceMs, `#${id} says "${said}" instead of ${text}`);
    await page.waitForTimeout(20);
  }
}

/** Resolves when the curves were drawn for the first time. */
export async function curves(page: Page): Promise<void> {
  await page.waitForSelector('#rate[aria-label]');
}

/** Figures by their names, as the page shows them. */
export const figuresOn = (page: Page): Promise<Record<string, string>> =>
  page.evaluate(`Object.fromEntries([...document.querySelectorAll('#figures > div')].map(each =>
    [each.querySelector('dt').textContent, each.querySelector('dd').textContent]))`);

/** Whether something is drawn within a while: a canvas of one colour shows nothing. */
export async function drawn(page: Page, id: string): Promise<boolean> {
  const began = performance.now();
  await page.waitForSelector(`#${id} canvas`);
  while (performance.now() - began < patienceMs) {
    const colors = await page.evaluate<number>(`(() => {
      const canvas = document.querySelector('#${id} canvas');
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      return new Set(new Uint32Array(data.buffer)).size;
    })()`);
    if (colors > 3) return true;
    await page.waitForTimeout(20);
  }
  return false;
}

/** Nothing is wider than the window. */
export async function fits(page: Page): Promise<void> {
  const widths = '[document.documentElement.scrollWidth, document.documentElement.clientWidth]';
  const [wide, window] = await page.evaluate<[number, number]>(widths);
  assert.ok(wide <= window, `the page is ${wide} pixels wide in a window of ${window}`);
}
