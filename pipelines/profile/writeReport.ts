import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fail, type Trace, writeAtomically } from '../../core/index.ts';
import { chromeTrace } from './chromeTrace.ts';
import type { ProfileReport } from './profileReport.ts';

export const reportFiles = { report: 'report.html', trace: 'trace.json', profile: 'profile.json' } as const;

/** Writes the three files of a profile, all or none. */
export async function writeReport(dir: string, report: ProfileReport, trace: Trace, other: ProfileReport | undefined): Promise<void> {
  const { pipeline, model, device } = report.facts;
  const files: [string, string][] = [
    [join(dir, reportFiles.profile), `${json(report)}\n`],
    [join(dir, reportFiles.report), page({ report, other: other ?? null })],
  ];
  const trail = chromeTrace(trace, report.profile ?? undefined, { pipeline, model, device });
  await writeAtomically([...files, [join(dir, reportFiles.trace), json(trail)]]);
}

/** One file that needs nothing else: script, style and data are in it. */
export function page(data: { readonly report: ProfileReport; readonly other: ProfileReport | null }): string {
  // what would end the script element, or open a comment in it
  const inScript = (text: string) => text.replace(/<(?=[/!])/g, '\\u003c');
  return built('report.html')
    .replace('/* page.css */', () => built('report.css'))
    .replace('"the data"', () => inScript(json(data)))
    .replace('/* page.js */', () => built('report.js').replace(/<\/script/g, '<\\/script'));
}

function built(name: string): string {
  try {
    return readFileSync(new URL(`./build/${name}`, import.meta.url), 'utf8');
  } catch (error) {
    throw fail('state', 'profile', `the report's ${name}`, 'none', 'Build it: npm run page.', error);
  }
}

/** JSON has no NaN and no infinity. */
const json = (value: unknown): string =>
  JSON.stringify(value, (_, each) => (typeof each === 'number' && !Number.isFinite(each) ? null : each));

/** A profile that was written before: its folder, or its profile.json. */
export async function readReport(path: string): Promise<ProfileReport> {
  const file = path.endsWith('.json') ? path : join(path, reportFiles.profile);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    const fix = 'Give the folder that `millrace profile` wrote.';
    throw fail('usage', '--compare', `a profile with its ${reportFiles.profile}`, `${path}: ${(error as Error).message}`, fix, error);
  }
  let report: ProfileReport | undefined;
  try {
    report = JSON.parse(text) as ProfileReport;
  } catch {
    // told below
  }
  if (report?.format !== 'millrace-profile/1' || !report.facts) {
    const got = report?.format === 'millrace-profile/1' ? 'a part of one' : (report?.format ?? 'something else');
    throw fail('data', file, 'a profile (millrace-profile/1)', got, 'Profile that pipeline again.');
  }
  return report;
}
