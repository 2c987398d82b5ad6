import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fail } from '../../errors.ts';
import { unreadable } from '../../formats/unreadable.ts';
import type { FindSynset, Synset } from './hierarchy.ts';

const fileName = 'data.noun';
/** The version whose offsets ImageNet's ids are. */
const version = '3.0';
const newline = 10;
const fix = `Install Debian's package wordnet-base, or unpack WordNet ${version} and give its folder dict.`;

/** Where WordNet is looked for when nobody says where it is: as its own programs do, and where Debian puts it. */
export function usualWordNetFolders(env: Readonly<Record<string, string | undefined>> = process.env): string[] {
  const { WNSEARCHDIR, WNHOME } = env;
  return [...(WNSEARCHDIR ? [WNSEARCHDIR] : []), ...(WNHOME ? [join(WNHOME, 'dict')] : []), '/usr/share/wordnet'];
}

/** The first of these folders that has WordNet's nouns. */
export async function findWordNet(folders: readonly string[] = usualWordNetFolders()): Promise<string | undefined> {
  for (const folder of folders) if (await isFile(join(folder, fileName))) return folder;
  return undefined;
}

const isFile = async (path: string): Promise<boolean> => (await stat(path).catch(() => undefined))?.isFile() ?? false;

/**
 * WordNet's nouns (format: its manual page wndb(5WN)), a line each, parsed when asked for. A synset's id is `n` and the eight
 * digits that its line begins with; the line's place in the file is not trusted, since distributions correct glosses.
 * Errors: no `data.noun` in the folder or in `dict` below it; another version, whose offsets name other synsets; a broken line.
 */
export async function readWordNet(dir: string): Promise<FindSynset> {
  const path = (await findWordNet([dir, join(dir, 'dict')])) ?? dir;
  const file = join(path, fileName);
  const bytes = await readFile(file).catch(error => {
    throw unreadable(file, `WordNet's nouns. ${fix}`, error);
  });
  const [, found = version] = /WordNet (\d+\.\d+) Copyright/.exec(bytes.toString('latin1', 0, 2048)) ?? [];
  if (found !== version) throw fail('data', file, `WordNet ${version}`, `version ${found}, which numbers synsets otherwise`, fix);
  const starts = new Map<string, number>();
  for (let start = 0, end = 0; start < bytes.length; start = end + 1) {
    end = bytes.indexOf(newline, start);
    if (end < 0) end = bytes.length;
    const offset = bytes.toString('latin1', start, start + 8);
    // the licence above begins its lines with blanks
    if (/^\d{8}$/.test(offset)) starts.set(`n${offset}`, start);
  }
  if (starts.size === 0) throw fail('data', file, 'lines that begin with eight digits', 'none', fix);
  return id => {
    const start = starts.get(id);
    if (start === undefined) return undefined;
    const end = bytes.indexOf(newline, start);
    return parse(file, bytes.toString('utf8', start, end < 0 ? bytes.length : end));
  };
}

/** `offset lex_filenum ss_type w_cnt (word lex_id)… p_cnt (symbol offset pos source/target)… | gloss`; w_cnt is hexadecimal. */
function parse(file: string, line: string): Synset {
  const bar = line.indexOf(' | ');
  const fields = (bar < 0 ? line : line.slice(0, bar)).trim().split(' ');
  const wordCount = Number.parseInt(fields[3], 16);
  const pointersAt = 4 + 2 * wordCount;
  const pointerCount = Number.parseInt(fields[pointersAt], 10);
  if (!(wordCount > 0 && pointerCount >= 0 && fields.length >= pointersAt + 1 + 4 * pointerCount)) {
    const got = JSON.stringify(line.slice(0, 60));
    throw fail('data', `${file}, synset ${fields[0]}`, 'words and pointers, as many as it counts', got, fix);
  }
  const words = Array.from({ length: wordCount }, (_, i) => fields[4 + 2 * i].replaceAll('_', ' '));
  const parents: string[] = [];
  for (let at = pointersAt + 1; at < pointersAt + 1 + 4 * pointerCount; at += 4) {
    // hypernyms: of kinds, and of instances (Mars is an instance of planet)
    if (fields[at] === '@' || fields[at] === '@i') parents.push(`n${fields[at + 1]}`);
  }
  return { id: `n${fields[0]}`, words, gloss: bar < 0 ? '' : line.slice(bar + 3).trim(), parents };
}
