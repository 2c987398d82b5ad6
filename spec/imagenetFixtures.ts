/** Files like ImageNet's, small. */

/** A `meta.mat` of five synsets (three leaves, dog and carnivore above them) as SciPy 1.10 saves it, compressed; and three more variables. */
export const devkitMeta = Buffer.from(
  [
    'TUFUTEFCIDUuMCBNQVQtZmlsZSBQbGF0Zm9ybTogcG9zaXgsIENyZWF0ZWQgb246IFN1biBOb3YgMjIgMTE6MjA6MTEgMjAyNgAAAAAAAAAAAAAAAAAAAAAA',
    'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABSU0PAAAAEgIAAHic7VbBahsxEJUdN3EImORW6EUf4MCu29T2qYa0kEApIabp0VG8410RrbaV',
    'tEl9y7G3XvqTvfUTOrLXibKYblgZemhnGbQz8N6sNM9jdQghd3uEbOPaRm+SpT0rYrs2Ct9B13OpwWjMt8hBkf+Gfvp+fHF+3AvC3uT0rSX49GG53tttpiLt',
    'JmKR6UcJmaeTacJFpEAuEo+CFYcEM0mAx4kpIEYxLic8ZTFo0sHkgDzsZ7u0n4bj1naL/NJ+vbH4kYNvrcHvOvj9IpZBLwyH/cGwyFuekwqe5yUeG19zQ2fZ',
    '1y69yMVn0DRlU5UZri3fZQVft8RnY50yIWisYG5paTajOstNcgvagJL0o+QGIjo2zIBefXf981vigz/gV+biN1W3Nv7sx8iz/shHN0HQf3nk7KOKp1PisfE7',
    'GQuuE4o/Tmzs03j2SzzWmaQrqisFEP3XQ536bS89hEE48NXDmF+B4tjNJNfX86fNo4MSj40XIliMDYFrlMWbOF/yj+ri5LuPLoLBq6AfOvuo00/sYBfbmOL8',
    '59NSP88q+F6U+GzMaAopSs1KxCRAY5C5psdMcu1/3sVcdXWytwbfdPAtfJpkayN1/57O/HTSP+oNXzvfUYdnypTkN5kCh+eygmfd/YNR/DtSqDYcRoJmirIv',
    'ObPSmwnQySHgu4zxlpPiPcX73Grq5edWw7Nu21svvwGHMqB6DwAAACkAAAB4nONjYGAwAGI2IOYAYhYGCGCF8pmgmBEoU5JaUSIApBOTk1IAKUADyg8AAAA4',
    'AAAAeJzjY2BgSABiNiDmgNIgwArlMwExMxAzAsmkzHQGTiDbgAEdcDhA6A/2EFoAymeA0iIOALsmBF8PAAAARQAAAHic42NgYFgBxGxAzAHEjAwQwIrEZ4LS',
    'ILHk1JycYiDNB8QWSPrYsOhjRDKPEyoOAT/sQfoNkPSzENAvAGRVAGkAI5oFig==',
  ].join(''),
  'base64',
);

/** A line of WordNet's `data.noun`: words with blanks, hypernyms (`@`; `@i` with an `i` before the id) by id, as wndb(5WN) has it. */
export function nounLine(id: string, words: readonly string[], parents: readonly string[], gloss: string): string {
  const listed = words.map(word => `${word.replaceAll(' ', '_')} 0`).join(' ');
  const up = parents.map(parent => (parent.startsWith('i') ? `@i ${parent.slice(2)}` : `@ ${parent.slice(1)}`));
  // every synset has pointers that are no hypernyms too
  const pointers = ['~ 00000001', ...up, '%p 00000002'].map(pointer => `${pointer} n 0000`);
  const count = words.length.toString(16).padStart(2, '0');
  return `${id.slice(1)} 05 n ${count} ${listed} ${String(pointers.length).padStart(3, '0')} ${pointers.join(' ')} | ${gloss}  `;
}

/** The head of `data.noun`. */
export const nounLicence = [
  '  1 This software and database is being provided to you, the LICENSEE, by  ',
  '  2 WordNet 3.0 Copyright 2006 by Princeton University.  All rights reserved.  ',
].join('\n');

/**
 * A small WordNet with the ids of the real one, where mammal and vehicle stand above classes; a dog is a canine and a domestic
 * animal; and a crane is a bird or a machine.
 */
export const nouns = [
  nounLicence,
  nounLine('n00001740', ['entity'], [], 'that which is perceived'),
  nounLine('n00015388', ['animal', 'beast'], ['n00001740'], 'a living organism'),
  nounLine('n01317541', ['domestic animal'], ['n00015388'], 'an animal that has been tamed'),
  nounLine('n01861778', ['mammal', 'mammalian'], ['n00015388'], 'any warm-blooded vertebrate'),
  nounLine('n02083346', ['canine', 'canid'], ['n01861778'], 'a fissiped mammal'),
  nounLine('n02084071', ['dog', 'domestic dog', 'Canis familiaris'], ['n02083346', 'n01317541'], 'a member of the genus Canis'),
  nounLine('n02100735', ['English setter'], ['n02084071'], 'an English breed'),
  nounLine('n02110185', ['Siberian husky'], ['n02084071'], 'a breed of sled dog'),
  nounLine('n02119789', ['kit fox', 'Vulpes macrotis'], ['n02083346'], 'small grey fox'),
  nounLine('n02012849', ['crane'], ['n00015388'], 'large long-necked wading bird'),
  nounLine('n04524313', ['vehicle'], ['n00001740'], 'a conveyance'),
  nounLine('n02930766', ['cab', 'taxi'], ['n04524313'], 'a car driven for money'),
  nounLine('n04335435', ['streetcar', 'tram'], ['n04524313'], 'a wheeled vehicle on rails'),
  nounLine('n03126707', ['crane'], ['n00001740'], 'lifts and moves heavy objects'),
  nounLine('n09000001', ['Laika'], ['in02084071'], 'the first dog in space'),
  nounLine('n09999999', ['unused'], ['n00001740'], 'below which there is no class'),
  '',
].join('\n');
/** The classes of a data set below them. */
export const nounClasses = ['n02012849', 'n02100735', 'n02110185', 'n02119789', 'n02930766', 'n03126707', 'n04335435'];
