import sharp from 'sharp';

export interface Sheet {
  /** PNG as a data URL. */
  readonly sheet: string;
  readonly tile: number;
  readonly columns: number;
}
export interface Picture {
  /** uint8 [H,W,C], 1 or 3 channels. */
  readonly data: Uint8Array;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

/**
 * Pictures of one size side by side, each in a square of at most `tile` pixels: large ones are thinned, small ones stay as they are,
 * since the page enlarges them for nothing. Copies what it needs at once; only the compression happens later.
 */
export function pictureSheet(
  pictures: readonly Picture[],
  { columns, tile: most }: { columns: number; tile: number },
): () => Promise<Sheet> {
  const side = Math.max(1, ...pictures.map(({ height, width }) => Math.max(height, width)));
  const tile = Math.min(side, most);
  const rows = Math.max(1, Math.ceil(pictures.length / columns));
  const [width, height] = [columns * tile, rows * tile];
  const pixels = new Uint8Array(width * height * 3);
  for (const [i, picture] of pictures.entries()) {
    const scale = tile / side;
    const shown = { height: Math.max(1, Math.floor(picture.height * scale)), width: Math.max(1, Math.floor(picture.width * scale)) };
    const left = (i % columns) * tile + ((tile - shown.width) >> 1);
    const top = Math.floor(i / columns) * tile + ((tile - shown.height) >> 1);
    for (let y = 0; y < shown.height; y++) {
      const row = Math.floor((y * picture.height) / shown.height) * picture.width;
      for (let x = 0; x < shown.width; x++) {
        const from = (row + Math.floor((x * picture.width) / shown.width)) * picture.channels;
        const to = ((top + y) * width + left + x) * 3;
        for (let c = 0; c < 3; c++) pixels[to + c] = picture.data[from + (picture.channels === 1 ? 0 : c)]!;
      }
    }
  }
  return async () => {
    const png = await sharp(pixels, { raw: { width, height, channels: 3 } })
      .png({ compressionLevel: 6 })
      .toBuffer();
    return { sheet: `data:image/png;base64,${png.toString('base64')}`, tile, columns };
  };
}
