import { SaxesParser } from 'saxes';
import { fail, type MillraceError } from '../errors.ts';

/** An object that somebody outlined. Edges lie between pixels: the whole of a picture is 0, 0, height, width. */
export interface VocObject {
  /** The class as the file calls it: `n01440764`. */
  readonly name: string;
  readonly top: number;
  readonly left: number;
  readonly bottom: number;
  readonly right: number;
  /** Where `name` stands. */
  readonly line: number;
}

const edges = ['xmin', 'ymin', 'xmax', 'ymax'] as const;
type Edge = (typeof edges)[number];
const fix = 'Fetch the annotations again, or repair or remove this file.';

/**
 * The objects of a PASCAL VOC annotation (`annotation/object/{name,bndbox/{xmin,ymin,xmax,ymax}}`), as ImageNet's
 * `Annotations` are. Its pixels count from 1 and a box includes its last ones (Everingham et al. 2010, "The PASCAL Visual Object Classes Challenge",
 * development kit); so 1 is taken from xmin and ymin, and xmax and ymax stay.
 * Errors, with the line: text that is not XML, another root, an object without name or box, an edge that is no number.
 */
export function parseVoc(text: string, path: string): VocObject[] {
  const parser = new SaxesParser();
  const objects: VocObject[] = [];
  const inside: string[] = [];
  let content = '';
  let began = 1;
  let name: { text: string; line: number } | undefined;
  let found: Partial<Record<Edge, number>> = {};
  const wrong = (line: number, expected: string, got: string): MillraceError => fail('data', `${path}, line ${line}`, expected, got, fix);

  parser.on('error', error => {
    throw wrong(parser.line, 'XML', error.message.replace(/^\d+:\d+: /, '').replace(/\.$/, ''));
  });
  parser.on('opentag', tag => {
    inside.push(tag.name);
    content = '';
    const at = inside.join('/');
    if (inside.length === 1 && at !== 'annotation') throw wrong(parser.line, 'a PASCAL VOC <annotation>', `<${at.slice(0, 40)}>`);
    if (at === 'annotation/object') {
      began = parser.line;
      name = undefined;
      found = {};
    }
  });
  parser.on('text', piece => {
    content += piece;
  });
  parser.on('closetag', () => {
    const at = inside.join('/');
    inside.pop();
    if (at === 'annotation/object/name') name = { text: content.trim(), line: parser.line };
    const edge = edges.find(each => at === `annotation/object/bndbox/${each}`);
    if (edge) {
      const value = content.trim() === '' ? Number.NaN : Number(content);
      if (!Number.isFinite(value)) throw wrong(parser.line, `a number in <${edge}>`, JSON.stringify(content.trim().slice(0, 40)));
      found[edge] = value;
    }
    if (at !== 'annotation/object') return;
    if (!name?.text) throw wrong(began, 'a <name> in <object>', 'none');
    const missing = edges.find(each => found[each] === undefined);
    if (missing) throw wrong(began, `<bndbox> with <${missing}> in <object>`, 'none');
    const { xmin, ymin, xmax, ymax } = found as Record<Edge, number>;
    objects.push({ name: name.text, top: ymin - 1, left: xmin - 1, bottom: ymax, right: xmax, line: name.line });
  });
  parser.write(text).close();
  return objects;
}
