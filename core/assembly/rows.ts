/** Sums over rows of channels: what averages, bias gradients and batch norm are made of. */

/**
 * sums[c] += Σ x over `rows` rows. Rows in order, four in a sweep: memory is read as it lies and the sums, which stay in the
 * first-level cache, are touched once in four. Works in whole vectors: reads up to 12 bytes past the last row's end, and up to
 * three sums past `bytes` become something unspecified.
 *
 * @param stride bytes from a row to the next
 * @param bytes of a row that count
 */
export function addRows(x: usize, rows: i32, stride: usize, bytes: usize, sums: usize): void {
  for (; rows >= 4; rows -= 4, x += stride << 2) {
    const x1 = x + stride;
    const x2 = x1 + stride;
    const x3 = x2 + stride;
    for (let c: usize = 0; c < bytes; c += 16) {
      const left = f32x4.add(v128.load(x + c), v128.load(x1 + c));
      const right = f32x4.add(v128.load(x2 + c), v128.load(x3 + c));
      v128.store(sums + c, f32x4.add(v128.load(sums + c), f32x4.add(left, right)));
    }
  }
  for (; rows > 0; rows--, x += stride) {
    for (let c: usize = 0; c < bytes; c += 16) v128.store(sums + c, f32x4.add(v128.load(sums + c), v128.load(x + c)));
  }
}
