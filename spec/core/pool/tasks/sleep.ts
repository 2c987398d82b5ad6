/** Counts how often it began, then takes its time. */
export default async function sleep({ ms, began }: { ms: number; began: Int32Array }): Promise<number> {
  Atomics.add(began, 0, 1);
  await new Promise(resolve => setTimeout(resolve, ms));
  return ms;
}
