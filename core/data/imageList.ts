import { createReadStream } from 'node:fs';
import { dirname, isAbsolute, relative } from 'node:path';
import { type CsvError, type InfoRecord, parse } from 'csv-parse';
import { fail, type MillraceError, show } from '../errors.ts';
import { unreadable } from '../formats/unreadable.ts';
import { extensionOf, isImageExtension } from './imageFiles.ts';
import type { Split } from './layout.ts';

/** Images with their labels as a list has them, in its order. */
export interface ImageList {
  readonly path: string;
  /** Relative to the list's folder. */
  readonly files: readonly string[];
  /** As written; `lines[i]` is where. */
  readonly labels: readonly string[];
  readonly lines: Uint32Array;
  /** Undefined if the list has no such column. */
  readonly splits: readonly Split[] | undefined;
}

/** Names of columns, in lower case. */
const columnNames = {
  file: ['path', 'file', 'filename', 'file_name', 'filepath', 'image', 'image_path', 'img'],
  label: ['label', 'class', 'class_name', 'category', 'target', 'wnid', 'synset'],
  split: ['split', 'set', 'subset', 'partition'],
} as const;
const splitNames: Readonly<Record<string, Split>> = {
  train: 'train',
  training: 'train',
  test: 'test',
  val: 'test',
  valid: 'test',
  validation: 'test',
  eval: 'test',
};

interface Columns {
  readonly file: number;
  readonly label: number;
  /** −1 without one. */
  readonly split: number;
  readonly header: boolean;
}

/** What the first line says the columns are; undefined if it is of no list of images. */
export function columnsOf(first: readonly string[]): Columns | undefined {
  const names = first.map(name => name.trim().toLowerCase());
  const find = (known: readonly string[]) => names.findIndex(name => known.includes(name));
  const [file, label] = [find(columnNames.file), find(columnNames.label)];
  if (file >= 0 && label >= 0) return { file, label, split: find(columnNames.split), header: true };
  const bare = (first.length === 2 || first.length === 3) && isImageExtension(extensionOf(first[0].trim()));
  return bare ? { file: 0, label: 1, split: first.length === 3 ? 2 : -1, header: false } : undefined;
}

/** The first line's columns, or undefined: for recognising a list. Errors are left to `readImageList`. */
export async function peekColumns(path: string): Promise<Columns | undefined> {
  try {
    for await (const { record } of rowsOf(path, { to: 1 })) return columnsOf(record);
  } catch {
    return undefined;
  }
  return undefined;
}

/**
 * Reads a list of images: CSV as RFC 4180 has it (tabs in a .tsv), `path,label[,split]`, with a header that names the columns, in
 * any order and among others, or without. Paths are relative to the list, or absolute.
 * Errors name the line: broken quotes, missing columns, an empty path or label, a path listed twice, an unknown split.
 */
export async function readImageList(path: string): Promise<ImageList> {
  const files: string[] = [];
  const labels: string[] = [];
  const lines: number[] = [];
  const splits: Split[] = [];
  const seen = new Map<string, number>();
  let columns: Columns | undefined;
  try {
    for await (const { record, info } of rowsOf(path)) {
      const wrong = (expected: string, got: string, fix: string) => fail('data', `${path}, line ${info.lines}`, expected, got, fix);
      if (!columns) {
        columns = columnsOf(record);
        if (!columns) {
          const fix = 'Name the columns in the first line, or begin with an image and its label.';
          throw wrong('path,label or path,label,split', show(record.join(',')).slice(0, 80), fix);
        }
        if (columns.header) continue;
      }
      const needed = Math.max(columns.file, columns.label, columns.split) + 1;
      if (record.length < needed) {
        throw wrong(`${needed} columns`, String(record.length), 'Write a path and a label on each line, and a split on all or none.');
      }
      const [file, label] = [record[columns.file].trim(), record[columns.label].trim()];
      if (file === '') throw wrong('the path of an image', 'nothing', 'Write it, or remove the line.');
      if (label === '') throw wrong(`a label for ${show(file)}`, 'nothing', 'Write it, or remove the line.');
      const place = isAbsolute(file) ? relative(dirname(path), file) : file.replace(/^\.\//, '');
      const before = seen.get(place);
      if (before !== undefined)
        throw wrong('every image once', `${show(file)}, which is on line ${before} too`, 'Remove one of the lines.');
      if (columns.split >= 0) {
        const split = splitNames[record[columns.split].trim().toLowerCase()];
        if (!split) throw wrong('train, val or test as the split', show(record[columns.split]), 'Correct it.');
        splits.push(split);
      }
      seen.set(place, info.lines);
      files.push(place);
      labels.push(label);
      lines.push(info.lines);
    }
  } catch (error) {
    throw explained(path, error);
  }
  if (files.length === 0) throw fail('data', path, 'images with labels', 'none', 'Write an image and its label on each line.');
  return { path, files, labels, lines: Uint32Array.from(lines), splits: columns && columns.split >= 0 ? splits : undefined };
}

interface Row {
  readonly record: readonly string[];
  readonly info: InfoRecord;
}

async function* rowsOf(path: string, { to }: { readonly to?: number } = {}): AsyncGenerator<Row> {
  const delimiter = path.toLowerCase().endsWith('.tsv') ? '\t' : ',';
  const parser = parse({ bom: true, info: true, relax_column_count: true, skip_empty_lines: true, delimiter, ...(to && { to }) });
  const file = createReadStream(path);
  file.on('error', error => parser.destroy(error));
  try {
    for await (const row of file.pipe(parser)) yield row as Row;
  } finally {
    file.destroy();
    parser.destroy();
  }
}

function explained(path: string, error: unknown): MillraceError | unknown {
  const { code, lines, message } = error as CsvError & { readonly lines?: number };
  if (typeof code !== 'string') return error;
  if (!code.startsWith('CSV_') && !code.startsWith('INVALID_')) return unreadable(path, 'a list of images', error);
  const where = typeof lines === 'number' ? `${path}, line ${lines}` : path;
  const fix = 'Fields with commas or quotes stand in quotes, and quotes in them are doubled (RFC 4180).';
  return fail('data', where, 'CSV', message.slice(0, 120), fix, error);
}
