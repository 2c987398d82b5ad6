/**
 * The matrix-product core of convolutions and linear layers (`../conv2d/correlate.ts`) in WebAssembly, opcode by opcode.
 *
 * A block of 4 pixels × 8 filters stays in eight vector registers, so that a vector of weights serves four pixels and a value
 * of x eight filters; gpu.js's own kernels hold 4 × 4. As there, products are summed in blocks before they join the whole
 * sum, which lies in the output. Filters that eight does not divide go one by one.
 *
 * Measured by `npx tsx spec/bench/variants.ts` against the op's own gpu.js kernels, in the same run.
 */
import { WasmModuleBuilder } from '../../kernels/gpujsWasm.ts';
import type { Kernel } from '../../kernels/kernel.ts';
import type { Variant, WasmRoutine } from '../../kernels/variant.ts';
import { isCorrelation } from '../conv2d/correlate.ts';
import type { Primitive } from '../op.ts';
import { bodyVariant } from './bodyVariant.ts';

const PIXELS = 4;
const VECTORS = 2;
const FILTERS = 4 * VECTORS;

/** The primitive's own launches, with this body for the products among them that it can take. */
export function blockVariant<A>(name: string, lower: Primitive<A>['lower']): Variant<A> {
  return bodyVariant(name, lower, fits, blockRoutine);
}

/** With fewer pixels or filters than a block most of it would be idle; the groups of a grouped convolution lie elsewhere. */
function fits(kernel: Kernel): boolean {
  if (!isCorrelation(kernel)) return false;
  const { M, filters } = kernel.integers as { M: number; filters: number };
  return M >= PIXELS && filters >= FILTERS && groupsOf(kernel) === 1;
}

/** z counts groups, times the lines of one where rows are the pixels of a line. */
const groupsOf = ({ rows, threads, integers }: Kernel): number => ((threads[2] ?? 1) * rows!) / integers!.M!;

export function blockRoutine({ integers }: Kernel): WasmRoutine {
  const { M, P, Q, R, taps, block, blocks, rowStep, tapStep, image, down, right, filters } = integers as Record<string, number> & {
    M: number;
    filters: number;
  };
  return {
    language: 'wasm',
    units: Math.ceil(M / PIXELS),
    build({ inputs, output, initialPages, maximumPages, shared }) {
      const [x, weight] = inputs as [number, number];
      const module = new WasmModuleBuilder();
      module.addMemoryImport(initialPages, maximumPages, shared);
      const em = module.addFunction('run', { params: ['i32', 'i32'] });
      const int = () => em.addLocal('i32');
      const [unit, end] = [0, 1];
      const [first, m, line, n, column] = [int(), int(), int(), int(), int()];
      const [r, t, k, i, at, w] = [int(), int(), int(), int(), int(), int()];
      const pixels = Array.from({ length: PIXELS }, () => ({ x: int(), y: int() }));
      const value = em.addLocal('v128');
      const weights = Array.from({ length: VECTORS }, () => em.addLocal('v128'));
      const sums = pixels.map(() => Array.from({ length: VECTORS }, () => em.addLocal('v128')));
      const scalars = pixels.map(() => em.addLocal('f32'));

      /** Counts a local from 0 to below `count`. */
      const each = (local: number, count: number, body: () => void) => {
        em.i32Const(0).localSet(local).loop();
        body();
        em.localGet(local).i32Const(1).i32Add().localTee(local).i32Const(count).i32LtS().brIf(0).end();
      };
      /** `for (; at least `width` filters are left; column += width) body` */
      const eachColumns = (width: number, body: () => void) => {
        const last = filters - width + 1;
        em.block().loop().localGet(column).i32Const(last).i32GeS().brIf(1);
        body();
        em.localGet(column).i32Const(width).i32Add().localSet(column).br(0).end().end();
      };
      /** Bytes from a pixel's output row to the column. */
      const place = (pixel: { y: number }) => em.localGet(pixel.y).localGet(column).i32Const(2).i32Shl().i32Add();
      /** What is done for pixels that exist: the last quad may have fewer than four. */
      const eachPixel = (body: (pixel: (typeof pixels)[number], p: number) => void) => {
        for (const [p, pixel] of pixels.entries()) {
          const guarded = M % PIXELS !== 0 && p >= M % PIXELS;
          if (guarded) em.localGet(first).i32Const(p).i32Add().i32Const(M).i32LtS().if_();
          body(pixel, p);
          if (guarded) em.end();
        }
      };
      /** Runs over all windows' products in blocks; `w` walks down the weights' column without a jump. */
      const eachBlock = (start: () => void, product: () => void, join: () => void) => {
        em.localGet(column).i32Const(2).i32Shl().localSet(w);
        each(r, R!, () => {
          each(t, taps!, () => {
            em.localGet(r)
              .i32Const(4 * rowStep!)
              .i32Mul();
            em.localGet(t)
              .i32Const(4 * tapStep!)
              .i32Mul()
              .i32Add()
              .localSet(at);
            each(k, blocks!, () => {
              start();
              each(i, block!, () => {
                product();
                em.localGet(at).i32Const(4).i32Add().localSet(at);
                em.localGet(w)
                  .i32Const(4 * filters)
                  .i32Add()
                  .localSet(w);
              });
              join();
            });
          });
        });
      };

      em.block().loop().localGet(unit).localGet(end).i32GeS().brIf(1);
      em.localGet(unit).i32Const(PIXELS).i32Mul().localSet(first);
      for (const [p, pixel] of pixels.entries()) {
        // pixels past the last repeat it; they are not stored
        em.localGet(first)
          .i32Const(p)
          .i32Add()
          .localTee(m)
          .i32Const(M - 1);
        em.localGet(m)
          .i32Const(M - 1)
          .i32LtS()
          .select()
          .localTee(m);
        em.i32Const(Q!).i32DivU().localTee(line).i32Const(P!).i32DivU().localSet(n);
        // n·image + p·down + q·right, with the products of the divisions gathered
        em.localGet(n)
          .i32Const(4 * (image! - P! * down!))
          .i32Mul();
        em.localGet(line)
          .i32Const(4 * (down! - Q! * right!))
          .i32Mul()
          .i32Add();
        em.localGet(m)
          .i32Const(4 * right!)
          .i32Mul()
          .i32Add()
          .localSet(pixel.x);
        em.localGet(m)
          .i32Const(4 * filters)
          .i32Mul()
          .localSet(pixel.y);
      }
      em.i32Const(0).localSet(column);

      eachColumns(FILTERS, () => {
        em.v128ConstI32x4(0, 0, 0, 0).localSet(value);
        eachPixel(pixel => {
          for (let v = 0; v < VECTORS; v++)
            place(pixel)
              .localGet(value)
              .v128Store(output + 16 * v, 2);
        });
        eachBlock(
          () => {
            for (const sum of sums.flat()) em.v128ConstI32x4(0, 0, 0, 0).localSet(sum);
          },
          () => {
            for (const [v, local] of weights.entries())
              em.localGet(w)
                .v128Load(weight + 16 * v, 2)
                .localSet(local);
            for (const [p, pixel] of pixels.entries()) {
              em.localGet(pixel.x).localGet(at).i32Add().f32Load(x).f32x4Splat().localSet(value);
              for (const [v, local] of weights.entries()) {
                const sum = sums[p]![v]!;
                em.localGet(sum).localGet(value).localGet(local).f32x4Mul().f32x4Add().localSet(sum);
              }
            }
          },
          () =>
            eachPixel((pixel, p) => {
              for (let v = 0; v < VECTORS; v++) {
                place(pixel);
                place(pixel)
                  .v128Load(output + 16 * v, 2)
                  .localGet(sums[p]![v]!)
                  .f32x4Add()
                  .v128Store(output + 16 * v, 2);
              }
            }),
        );
      });
      eachColumns(1, () => {
        eachPixel(pixel => place(pixel).f32Const(0).f32Store(output));
        eachBlock(
          () => {
            for (const scalar of scalars) em.f32Const(0).localSet(scalar);
          },
          () => {
            for (const [p, pixel] of pixels.entries()) {
              em.localGet(scalars[p]!)
                .localGet(pixel.x)
                .localGet(at)
                .i32Add()
                .f32Load(x)
                .localGet(w)
                .f32Load(weight)
                .f32Mul()
                .f32Add()
                .localSet(scalars[p]!);
            }
          },
          () =>
            eachPixel((pixel, p) => {
              place(pixel);
              place(pixel).f32Load(output).localGet(scalars[p]!).f32Add().f32Store(output);
            }),
        );
      });
      em.localGet(unit).i32Const(1).i32Add().localSet(unit).br(0).end().end();
      module.exportFunction('run');
      return module.toBytes();
    },
  };
}
