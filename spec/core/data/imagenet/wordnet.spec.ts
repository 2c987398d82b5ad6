import assert from 'node:assert/strict';
import { findWordNet, readWordNet, usualWordNetFolders } from '../../../../core/data/imagenet/wordnet.ts';
import { useTemporaryFolder, writeFiles } from '../../../dataFixtures.ts';
import { nounLine, nouns } from '../../../imagenetFixtures.ts';

describe('readWordNet', () => {
  const folder = useTemporaryFolder();
  const read = async (text: string, name = 'data.noun') => {
    await writeFiles(folder.path(), { [name]: text });
    return readWordNet(folder.path());
  };
  const failure = (text: string, id?: string) =>
    read(text)
      .then(find => id && find(id))
      .then(
        () => assert.fail('nothing failed'),
        error => error.message.replaceAll(folder.path(), 'DIR'),
      );

  it('should read words, gloss and hypernyms of kinds and instances, leaving other pointers out @smoke', async () => {
    const find = await read(nouns);
    assert.deepEqual(find('n02084071'), {
      id: 'n02084071',
      words: ['dog', 'domestic dog', 'Canis familiaris'],
      gloss: 'a member of the genus Canis',
      parents: ['n02083346', 'n01317541'],
    });
    assert.deepEqual(find('n09000001')?.parents, ['n02084071']);
    assert.equal(find('n00000001'), undefined);
    // sixteen words and more are counted in hexadecimal
    const many = Array.from({ length: 17 }, (_, i) => `word ${i}`);
    assert.deepEqual((await read(nounLine('n00000007', many, [], 'x | y')))('n00000007'), {
      id: 'n00000007',
      words: many,
      gloss: 'x | y',
      parents: [],
    });
  });

  it('should be found in a folder, in dict below it, and where its own programs look', async () => {
    assert.equal((await read(nouns, 'dict/data.noun'))('n01861778')?.words[0], 'mammal');
    assert.deepEqual(usualWordNetFolders({ WNSEARCHDIR: '/a', WNHOME: '/b' }), ['/a', '/b/dict', '/usr/share/wordnet']);
    assert.equal(await findWordNet(['/nowhere', folder.path('dict')]), folder.path('dict'));
    assert.equal(await findWordNet(['/nowhere']), undefined);
  });

  it('should refuse what is not there, another version, and broken lines', async () => {
    await assert.rejects(
      readWordNet(folder.path('none')),
      /none\/data\.noun: expected WordNet's nouns\. Install Debian's package wordnet-base/,
    );
    assert.equal(
      await failure(nouns.replace('WordNet 3.0', 'WordNet 3.1')),
      "DIR/data.noun: expected WordNet 3.0, got version 3.1, which numbers synsets otherwise. Install Debian's package wordnet-base, or unpack WordNet 3.0 and give its folder dict.",
    );
    assert.match(await failure('hello\n'), /^DIR\/data\.noun: expected lines that begin with eight digits, got none\./);
    assert.match(
      await failure('00000007 05 n 01 dog 0 005 @ 0\n', 'n00000007'),
      /synset 00000007: expected words and pointers, as many as it counts, got "00000007 05 n 01 dog/,
    );
  });
});
