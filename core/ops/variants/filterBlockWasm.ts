/**
 * The sums of a convolution's filter gradient (`../conv2d/correlateFilters.ts`) in WebAssembly, opcode by opcode.
 *
 * A block of 4 weights of one (r,s), neighbours in c, × 8 filters stays in eight vector registers while the pixels of a chunk
 * go by. Channels that come in fours and filters in eights; whatever else goes through the op's gpu.js kernel.
 *
 * Measured by `npx tsx spec/bench/variants.ts` against that kernel, in the same run.
 */
import { WasmModuleBuilder } from '../../kernels/gpujsWasm.ts';
import type { Kernel } from '../../kernels/kernel.ts';
import type { Variant, WasmRoutine } from '../../kernels/variant.ts';
import { isFilterCorrelation } from '../conv2d/correlateFilters.ts';
import type { Primitive } from '../op.ts';
import { bodyVariant } from './bodyVariant.ts';

const WEIGHTS = 4;
const VECTORS = 2;
const FILTERS = 4 * VECTORS;

/** The primitive's own launches, with this body for the sums among them that it can take. */
export function filterBlockVariant<A>(name: string, lower: Primitive<A>['lower']): Variant<A> {
  return bodyVariant(name, lower, fits, filterBlockRoutine);
}

function fits(kernel: Kernel): boolean {
  if (!isFilterCorrelation(kernel)) return false;
  const { channels, filters, O } = kernel.integers as Record<'channels' | 'filters' | 'O', number>;
  return filters === O && channels % WEIGHTS === 0 && filters % FILTERS === 0;
}

type Sizes = Record<
  | 'K'
  | 'N'
  | 'O'
  | 'P'
  | 'Q'
  | 'S'
  | 'images'
  | 'share'
  | 'pieces'
  | 'chunks'
  | 'channels'
  | 'rowStep'
  | 'tapStep'
  | 'image'
  | 'down'
  | 'right',
  number
>;

export function filterBlockRoutine({ integers }: Kernel): WasmRoutine {
  const { K, N, O, P, Q, S, images, share, pieces, chunks, channels, rowStep, tapStep, image, down, right } = integers as Sizes;
  const quads = K / WEIGHTS;
  return {
    language: 'wasm',
    units: chunks * quads,
    build({ inputs, output, initialPages, maximumPages, shared }) {
      const [x, dy] = inputs as [number, number];
      const module = new WasmModuleBuilder();
      module.addMemoryImport(initialPages, maximumPages, shared);
      const em = module.addFunction('run', { params: ['i32', 'i32'] });
      const int = () => em.addLocal('i32');
      const [unit, end] = [0, 1];
      const [chunk, part, k, tap, r, n, lastImage, p, firstLine, lastLine, q] = Array.from({ length: 11 }, int) as number[] & {
        length: 11;
      };
      const [base, row, column, at, from] = [int(), int(), int(), int(), int()];
      const value = em.addLocal('v128');
      const gradients = Array.from({ length: VECTORS }, () => em.addLocal('v128'));
      const sums = Array.from({ length: WEIGHTS }, () => Array.from({ length: VECTORS }, () => em.addLocal('v128')));
      /** `for (; local < the other local; local++) body` */
      const each = (local: number, limit: () => unknown, body: () => void) => {
        em.block().loop().localGet(local);
        limit();
        em.i32GeS().brIf(1);
        body();
        em.localGet(local).i32Const(1).i32Add().localSet(local).br(0).end().end();
      };
      /** start + count, but at most `most` */
      const endOf = (start: number, count: number, most: number, into: number) => {
        em.localGet(start).i32Const(count).i32Add().localTee(into).i32Const(most);
        em.localGet(into).i32Const(most).i32LtS().select().localSet(into);
      };

      each(
        unit,
        () => em.localGet(end),
        () => {
          em.localGet(unit).i32Const(quads).i32DivU().localTee(chunk).i32Const(pieces).i32DivU().localSet(part);
          em.localGet(unit).localGet(chunk).i32Const(quads).i32Mul().i32Sub().i32Const(WEIGHTS).i32Mul().localTee(k);
          em.i32Const(channels).i32DivU().localTee(tap).i32Const(S).i32DivU().localSet(r);
          // r·rowStep + s·tapStep + c, with the products of the divisions gathered
          em.localGet(r)
            .i32Const(4 * (rowStep - S * tapStep))
            .i32Mul();
          em.localGet(tap)
            .i32Const(4 * (tapStep - channels))
            .i32Mul()
            .i32Add();
          em.localGet(k).i32Const(4).i32Mul().i32Add().localSet(base);
          em.localGet(chunk).localGet(part).i32Const(pieces).i32Mul().i32Sub().i32Const(share).i32Mul().localSet(firstLine);
          endOf(firstLine, share, P, lastLine);
          em.localGet(chunk)
            .i32Const(K)
            .i32Mul()
            .localGet(k)
            .i32Add()
            .i32Const(4 * O)
            .i32Mul()
            .localSet(row);
          em.i32Const(0).localSet(column);
          em.loop();
          for (const sum of sums.flat()) em.v128ConstI32x4(0, 0, 0, 0).localSet(sum);
          em.localGet(part).i32Const(images).i32Mul().localSet(n);
          endOf(n, images, N, lastImage);
          each(
            n,
            () => em.localGet(lastImage),
            () => {
              em.localGet(firstLine).localSet(p);
              each(
                p,
                () => em.localGet(lastLine),
                () => {
                  em.localGet(n)
                    .i32Const(4 * image)
                    .i32Mul()
                    .localGet(p)
                    .i32Const(4 * down)
                    .i32Mul()
                    .i32Add()
                    .localGet(base)
                    .i32Add()
                    .localSet(at);
                  em.localGet(n)
                    .i32Const(P)
                    .i32Mul()
                    .localGet(p)
                    .i32Add()
                    .i32Const(4 * Q * O)
                    .i32Mul()
                    .localGet(column)
                    .i32Add()
                    .localSet(from);
                  em.i32Const(0).localSet(q);
                  each(
                    q,
                    () => em.i32Const(Q),
                    () => {
                      for (const [v, local] of gradients.entries())
                        em.localGet(from)
                          .v128Load(dy + 16 * v, 2)
                          .localSet(local);
                      for (const [w, sum] of sums.entries()) {
                        em.localGet(at)
                          .f32Load(x + 4 * w)
                          .f32x4Splat()
                          .localSet(value);
                        for (const [v, local] of gradients.entries()) {
                          em.localGet(sum[v]!).localGet(value).localGet(local).f32x4Mul().f32x4Add().localSet(sum[v]!);
                        }
                      }
                      em.localGet(at)
                        .i32Const(4 * right)
                        .i32Add()
                        .localSet(at);
                      em.localGet(from)
                        .i32Const(4 * O)
                        .i32Add()
                        .localSet(from);
                    },
                  );
                },
              );
            },
          );
          for (const [w, sum] of sums.entries()) {
            for (let v = 0; v < VECTORS; v++) {
              em.localGet(row)
                .localGet(column)
                .i32Add()
                .localGet(sum[v]!)
                .v128Store(output + 4 * O * w + 16 * v, 2);
            }
          }
          em.localGet(column)
            .i32Const(4 * FILTERS)
            .i32Add()
            .localTee(column)
            .i32Const(4 * O)
            .i32LtS()
            .brIf(0)
            .end();
        },
      );
      module.exportFunction('run');
      return module.toBytes();
    },
  };
}
