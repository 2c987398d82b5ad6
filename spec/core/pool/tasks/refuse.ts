export default function refuse(): never {
  throw new Error('no, thanks');
}
