/** An error that no promise catches, as from a native callback. */
export default function throwLater(): Promise<never> {
  setTimeout(() => {
    throw new Error('out of nowhere');
  });
  return new Promise(() => {});
}
