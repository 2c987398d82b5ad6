import decode, { type DecodeInput, type DecodeOutput } from '../../../../core/tasks/decodeImage.ts';

/** The real one, but a picture whose bytes say `die` ends the thread. */
export default async function decodeImage(input: DecodeInput): Promise<DecodeOutput> {
  const { picture } = input;
  if (picture.kind === 'encoded' && new TextDecoder().decode(picture.bytes.slice(0, 3)) === 'die') process.exit(3);
  return decode(input);
}
