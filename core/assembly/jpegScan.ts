/** A baseline scan to planes of samples, at full size or reduced: only what a crop needs is transformed, though every code up to its end must be read. */
import { beginBits, decodeBlock, skipBlock, usedBits } from './jpegBits';
import { inverseTransformToFour, inverseTransformToTwo } from './jpegReduced';
import { inverseTransform, inverseTransformOfMean } from './jpegTransform';

/** More zero bytes than this follow no interval: a stream that goes on behind them is damaged. */
const PAST: i64 = 64;
/** Samples of 8 bits have a first coefficient of 1024 at most. Far beyond it the integers of libjpeg's transform overflow. */
const MOST_MEAN: i32 = 4096;
/** Bytes of a component's description, i32 each: blocks across and down in a unit (MCU), tables DC, AC, quantization, plane, its stride, predictor, samples of a block's side. */
const COMPONENT: usize = 36;

/**
 * Units are MCUs. Of the rows from `firstRow` to `endRow` the columns from `firstColumn` to `endColumn` are written to the components'
 * planes, which begin there, at the size that the components' blocks are to have. `intervals`: begin and end of each restart interval
 * of `every` units (0: the only one). `block`: 128 zero bytes. `whole`: `endRow` is the image's last. 1, or 0 if the stream is damaged.
 */
export function jpegScan(
  intervals: usize,
  every: i32,
  columns: i32,
  firstRow: i32,
  endRow: i32,
  firstColumn: i32,
  endColumn: i32,
  components: usize,
  count: i32,
  block: usize,
  whole: i32,
): i32 {
  const pastComponents = components + <usize>count * COMPONENT;
  let begin = <usize>load<u32>(intervals);
  let length = (<i64>load<u32>(intervals, 4) - <i64>begin) << 3;
  let left = every;
  beginBits(begin);
  resetPredictors(components, pastComponents);
  for (let row = 0; row < endRow; row++) {
    for (let column = 0; column < columns; column++) {
      if (every && left-- === 0) {
        if (!usedUp(begin, length)) return 0;
        intervals += 8;
        begin = <usize>load<u32>(intervals);
        length = (<i64>load<u32>(intervals, 4) - <i64>begin) << 3;
        left = every - 1;
        beginBits(begin);
        resetPredictors(components, pastComponents);
      }
      const wanted = row >= firstRow && column >= firstColumn && column < endColumn;
      for (let component = components; component < pastComponents; component += COMPONENT) {
        const across = load<i32>(component);
        const down = load<i32>(component, 4);
        const dc = <usize>load<u32>(component, 8);
        const ac = <usize>load<u32>(component, 12);
        if (!wanted) {
          for (let i = across * down; i > 0; i--) if (!skipBlock(dc, ac, component + 28)) return 0;
          continue;
        }
        const quantization = <usize>load<u32>(component, 16);
        const stride = load<i32>(component, 24);
        const size = load<i32>(component, 32);
        const corner =
          <usize>load<u32>(component, 20) + <usize>(size * ((row - firstRow) * down * stride + (column - firstColumn) * across));
        for (let v = 0; v < down; v++) {
          for (let h = 0; h < across; h++) {
            const last = size === 1 ? <i32>skipBlock(dc, ac, component + 28) : decodeBlock(block, dc, ac, component + 28);
            const mean = load<i32>(component, 28) * <i32>load<i16>(quantization);
            if (!last || abs(mean) > MOST_MEAN) return 0;
            const to = corner + <usize>(size * (v * stride + h));
            if (last === 1) inverseTransformOfMean(mean, to, stride, size);
            else if (size === 8) inverseTransform(block, quantization, to, stride);
            else if (size === 4) inverseTransformToFour(block, quantization, to, stride);
            else inverseTransformToTwo(block, quantization, to, stride);
          }
        }
      }
      // what follows the stream in memory is somebody else's
      if (usedBits(begin) > length + PAST) return 0;
    }
  }
  return whole ? <i32>usedUp(begin, length) : <i32>(usedBits(begin) <= length);
}

/** All bytes of an interval belong to codes, and no code goes on behind them. */
function usedUp(begin: usize, length: i64): bool {
  const used = usedBits(begin);
  return used <= length && length - used < 8;
}

function resetPredictors(components: usize, past: usize): void {
  for (let component = components; component < past; component += COMPONENT) store<i32>(component, 0, 28);
}
