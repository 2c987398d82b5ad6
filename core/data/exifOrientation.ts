const ORIENTATION = 0x0112;
const SHORT = 3;

/**
 * How EXIF says that a picture is stored: 1 upright, also where it does not say; 2 to 8 mirrored or turned; undefined where the block
 * cannot be made sense of. `block` begins behind "Exif\0\0". Source: Exif 2.3 (CIPA DC-008), sections 4.5.2 and 4.6.4.
 */
export function exifOrientation(block: Uint8Array): number | undefined {
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength);
  if (block.length < 14) return undefined;
  const order = view.getUint16(0);
  if (order !== 0x4949 && order !== 0x4d4d) return undefined;
  const little = order === 0x4949;
  const directory = view.getUint32(4, little);
  if (view.getUint16(2, little) !== 42 || directory + 2 > block.length) return undefined;
  const entries = view.getUint16(directory, little);
  if (directory + 2 + 12 * entries > block.length) return undefined;
  for (let at = directory + 2; at < directory + 2 + 12 * entries; at += 12) {
    if (view.getUint16(at, little) !== ORIENTATION) continue;
    if (view.getUint16(at + 2, little) !== SHORT || view.getUint32(at + 4, little) !== 1) return undefined;
    const value = view.getUint16(at + 8, little);
    return value >= 1 && value <= 8 ? value : undefined;
  }
  return 1;
}
