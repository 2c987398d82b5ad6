import sharp, { type OverlayOptions } from 'sharp';
import type { Box } from '../../../core/index.ts';

/** A picture on the sheet: uint8 [H,W,C] with a title below and outlines of its boxes. */
export interface Tile {
  readonly data: Uint8Array;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly title: string;
  readonly boxes: readonly (Box & { readonly title: string })[];
}

/** Sides of a picture's place, the line below it, and the gaps, in pixels. */
const place = 224;
const line = 20;
const gap = 8;
/** Characters of the titles' type size that fit into a picture's width. */
const letters = 32;
/** Told apart also by people who see red and green alike (Okabe and Ito 2008). */
const colors = ['#e69f00', '#56b4e9', '#009e73', '#f0e442', '#0072b2', '#d55e00', '#cc79a7'];

/** Pictures in rows as a PNG, about as wide as high. Small ones are enlarged by a whole factor, so that their pixels can be seen. */
export async function contactSheet(
  tiles: readonly Tile[],
): Promise<{ readonly png: Uint8Array; readonly height: number; readonly width: number }> {
  const columns = Math.max(1, Math.ceil(Math.sqrt(tiles.length)));
  const rows = Math.max(1, Math.ceil(tiles.length / columns));
  const width = columns * (place + gap) + gap;
  const height = rows * (place + line + gap) + gap;
  const drawings: string[] = [];
  const pictures: OverlayOptions[] = [];
  for (const [i, tile] of tiles.entries()) {
    const shown = await fitted(tile);
    const left = gap + (i % columns) * (place + gap) + Math.floor((place - shown.width) / 2);
    const top = gap + Math.floor(i / columns) * (place + line + gap) + Math.floor((place - shown.height) / 2);
    pictures.push({ ...shown.picture, left, top });
    drawings.push(...outlines(tile, left, top, shown), title(tile.title, i % columns, Math.floor(i / columns)));
  }
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif">${drawings.join('')}</svg>`;
  const png = await sharp({ create: { width, height, channels: 3, background: '#222' } })
    .composite([...pictures, { input: Buffer.from(svg), left: 0, top: 0 }])
    .removeAlpha()
    .png()
    .toBuffer();
  return { png, height, width };
}

interface Fitted {
  readonly picture: OverlayOptions;
  readonly height: number;
  readonly width: number;
}

async function fitted({ data, height, width, channels }: Tile): Promise<Fitted> {
  const room = place / Math.max(height, width);
  const scale = room >= 1 ? Math.floor(room) : room;
  const shown = { height: Math.max(1, Math.round(height * scale)), width: Math.max(1, Math.round(width * scale)) };
  const { data: input } = await sharp(data, { raw: { height, width, channels: channels === 1 ? 1 : 3 } })
    .toColourspace('srgb')
    .resize({ ...shown, fit: 'fill', kernel: scale >= 1 ? 'nearest' : 'lanczos3' })
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { ...shown, picture: { input, raw: { ...shown, channels: 3 } } };
}

function outlines({ boxes, height, width, title: own }: Tile, left: number, top: number, shown: Fitted): string[] {
  const [across, down] = [shown.width / width, shown.height / height];
  return boxes.map(box => {
    const color = colors[box.label % colors.length];
    const [x, y] = [left + box.left * across, top + box.top * down];
    // the line lies inside, so that the boxes of a picture's edges are seen
    const [w, h] = [Math.max(1, (box.right - box.left) * across - 2), Math.max(1, (box.bottom - box.top) * down - 2)];
    const outline = `<rect x="${x + 1}" y="${y + 1}" width="${w}" height="${h}" fill="none" stroke="${color}" stroke-width="2"/>`;
    if (box.title === own) return outline;
    // an object of another class than the picture's
    const rightHalf = box.left + box.right > width;
    const [at, anchor] = rightHalf ? [x + w - 2, 'end'] : [x + 4, 'start'];
    const dark = 'stroke="#222" stroke-width="2" paint-order="stroke"';
    return `${outline}<text x="${at}" y="${y + 13}" font-size="11" text-anchor="${anchor}" fill="${color}" ${dark}>${escaped(shortened(box.title))}</text>`;
  });
}

function title(text: string, column: number, row: number): string {
  const x = gap + column * (place + gap) + place / 2;
  const y = gap + row * (place + line + gap) + place + 15;
  return `<text x="${x}" y="${y}" font-size="13" text-anchor="middle" fill="#eee">${escaped(shortened(text))}</text>`;
}

const shortened = (text: string): string => (text.length > letters ? `${text.slice(0, letters - 1)}…` : text);

/** Text in SVG; control characters, which XML does not have, are left out. */
function escaped(text: string): string {
  const names: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' };
  return text.replace(/\p{Cc}/gu, '').replace(/[&<>]/g, each => names[each]);
}
