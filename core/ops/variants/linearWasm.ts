/**
 * linear's forward product in WebAssembly:  y[n,o] = bias[o] + Σ_i x[n,i] · weight[i,o].
 *
 * Written opcode by opcode: a block of 4 rows × 8 columns stays in eight vector registers over the whole sum, so that a
 * vector of weights serves four rows and a value of x eight columns. Columns that eight does not divide go one by one.
 * Rows past the last repeat it and store the same numbers again.
 *
 * Measured by `npx tsx spec/bench/linear.ts` against the op's own gpu.js kernel, in the same run.
 */
import { WasmModuleBuilder } from '../../kernels/gpujsWasm.ts';
import type { Variant, VariantLaunch, WasmRoutine } from '../../kernels/variant.ts';
import { linearKernel } from './linearKernel.ts';

const ROWS = 4;
const VECTORS = 2;
const COLUMNS = 4 * VECTORS;

export const linearWasm: Variant<unknown> = {
  name: 'linear/wasm-4x8',
  device: 'wasm',
  // with a row or two most of the block would repeat them
  applies: (_, [x, weight]) => x![0]! >= ROWS && weight![1]! >= COLUMNS,
  lower({ inputs, output }): VariantLaunch[] {
    const [x, weight, bias] = inputs;
    const [N, I] = x!.shape as [number, number];
    const O = weight!.shape[1]!;
    return [
      {
        kernel: linearKernel('linear.block', N, I, O, bias !== undefined),
        inputs: inputs.map(({ name }) => name),
        output: output.name,
        body: linearRoutine(N, I, O),
      },
    ];
  },
};

export function linearRoutine(N: number, I: number, O: number): WasmRoutine {
  return {
    language: 'wasm',
    units: Math.ceil(N / ROWS),
    build({ inputs: [x, weight, bias], output, initialPages, maximumPages, shared }) {
      const module = new WasmModuleBuilder();
      module.addMemoryImport(initialPages, maximumPages, shared);
      const em = module.addFunction('run', { params: ['i32', 'i32'] });
      const [unit, end] = [0, 1];
      const rows = Array.from({ length: ROWS }, () => ({ x: em.addLocal('i32'), y: em.addLocal('i32') }));
      const [column, k, at, w] = [em.addLocal('i32'), em.addLocal('i32'), em.addLocal('i32'), em.addLocal('i32')];
      const value = em.addLocal('v128');
      const weights = Array.from({ length: VECTORS }, () => em.addLocal('v128'));
      const sums = Array.from({ length: ROWS * VECTORS }, () => em.addLocal('v128'));
      const scalars = Array.from({ length: ROWS }, () => em.addLocal('f32'));

      /** `for (; at least `width` columns are left; column += width) body` */
      const eachColumns = (width: number, body: () => void) => {
        em.block().loop();
        em.localGet(column)
          .i32Const(O - width + 1)
          .i32GeS()
          .brIf(1);
        body();
        em.localGet(column).i32Const(width).i32Add().localSet(column).br(0).end().end();
      };
      /** Sums over i: `at` is 4i, `w` the byte offset of weight[i, column]. */
      const eachInput = (body: () => void) => {
        em.i32Const(0).localSet(k).i32Const(0).localSet(at).localGet(column).i32Const(2).i32Shl().localSet(w).block().loop();
        em.localGet(k).i32Const(I).i32GeS().brIf(1);
        body();
        em.localGet(at).i32Const(4).i32Add().localSet(at);
        em.localGet(w)
          .i32Const(4 * O)
          .i32Add()
          .localSet(w);
        em.localGet(k).i32Const(1).i32Add().localSet(k).br(0).end().end();
      };
      const addressOf = (base: number) => em.localGet(base).localGet(column).i32Const(2).i32Shl().i32Add();

      em.block().loop().localGet(unit).localGet(end).i32GeS().brIf(1);
      rows.forEach((row, r) => {
        // min(4·unit + r, N - 1)
        em.localGet(unit)
          .i32Const(ROWS)
          .i32Mul()
          .i32Const(r)
          .i32Add()
          .localTee(k)
          .i32Const(N - 1);
        em.localGet(k)
          .i32Const(N - 1)
          .i32LtS()
          .select()
          .localSet(k);
        em.localGet(k)
          .i32Const(4 * I)
          .i32Mul()
          .localSet(row.x)
          .localGet(k)
          .i32Const(4 * O)
          .i32Mul()
          .localSet(row.y);
      });
      em.i32Const(0).localSet(column);

      eachColumns(COLUMNS, () => {
        for (let v = 0; v < VECTORS; v++) {
          if (bias === undefined) em.v128ConstI32x4(0, 0, 0, 0).localSet(weights[v]!);
          else {
            em.localGet(column)
              .i32Const(2)
              .i32Shl()
              .v128Load(bias + 16 * v, 2)
              .localSet(weights[v]!);
          }
          for (let r = 0; r < ROWS; r++) em.localGet(weights[v]!).localSet(sums[r * VECTORS + v]!);
        }
        eachInput(() => {
          for (const [v, local] of weights.entries()) {
            em.localGet(w)
              .v128Load(weight! + 16 * v, 2)
              .localSet(local);
          }
          rows.forEach((row, r) => {
            em.localGet(row.x).localGet(at).i32Add().f32Load(x!).f32x4Splat().localSet(value);
            weights.forEach((local, v) => {
              const sum = sums[r * VECTORS + v]!;
              em.localGet(sum).localGet(value).localGet(local).f32x4Mul().f32x4Add().localSet(sum);
            });
          });
        });
        rows.forEach((row, r) => {
          for (let v = 0; v < VECTORS; v++)
            addressOf(row.y)
              .localGet(sums[r * VECTORS + v]!)
              .v128Store(output + 16 * v, 2);
        });
      });
      eachColumns(1, () => {
        for (const scalar of scalars) {
          if (bias === undefined) em.f32Const(0).localSet(scalar);
          else em.localGet(column).i32Const(2).i32Shl().f32Load(bias).localSet(scalar);
        }
        eachInput(() => {
          rows.forEach((row, r) => {
            em.localGet(scalars[r]!).localGet(row.x).localGet(at).i32Add().f32Load(x!);
            em.localGet(w).f32Load(weight!).f32Mul().f32Add().localSet(scalars[r]!);
          });
        });
        for (const [r, row] of rows.entries()) addressOf(row.y).localGet(scalars[r]!).f32Store(output);
      });
      em.localGet(unit).i32Const(1).i32Add().localSet(unit).br(0).end().end();
      module.exportFunction('run');
      return module.toBytes();
    },
  };
}
