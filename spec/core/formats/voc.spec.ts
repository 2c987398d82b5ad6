import assert from 'node:assert/strict';
import { parseVoc } from '../../../core/formats/voc.ts';

const object = (name: string, edges: string) => `  <object>
    <name>${name}</name>
    <pose>Unspecified</pose>
    <bndbox>${edges}</bndbox>
  </object>
`;
const file = (...objects: string[]) => `<annotation>
  <folder>n01440764</folder>
  <filename>n01440764_18</filename>
  <size><width>500</width><height>333</height><depth>3</depth></size>
${objects.join('')}</annotation>
`;
const edges = '<xmin>1</xmin><ymin>30</ymin><xmax>500</xmax><ymax>60.5</ymax>';

describe('parseVoc', () => {
  const failure = (text: string) => {
    try {
      parseVoc(text, 'a.xml');
    } catch (error) {
      return (error as Error).message;
    }
    return 'nothing failed';
  };

  it('should read the objects, counting from 0 to behind the last pixel @smoke', () => {
    assert.deepEqual(parseVoc(file(object('n01440764', edges), object(' fish &amp; chips', edges)), 'a.xml'), [
      { name: 'n01440764', top: 29, left: 0, bottom: 60.5, right: 500, line: 6 },
      { name: 'fish & chips', top: 29, left: 0, bottom: 60.5, right: 500, line: 11 },
    ]);
    assert.deepEqual(parseVoc(file(), 'a.xml'), []);
  });

  it("should leave an object's parts alone", () => {
    const part = object(
      'person',
      `${edges}</bndbox><part><name>head</name><bndbox>${edges.replaceAll('>1<', '>9<')}</bndbox></part><bndbox>`,
    );
    const [only, ...rest] = parseVoc(file(part), 'a.xml');
    assert.deepEqual([only.name, only.left, rest], ['person', 0, []]);
  });

  it('should say file and line of what is wrong', () => {
    assert.equal(
      failure(file(object('a', edges)).replace('</bndbox>', '')),
      'a.xml, line 9: expected XML, got unexpected close tag. Fetch the annotations again, or repair or remove this file.',
    );
    assert.match(failure('<annotation>\n<object>\n'), /^a\.xml, line 3: expected XML, got unclosed tag: object\./);
    assert.match(failure(''), /^a\.xml, line 1: expected XML, got document must contain a root element\./);
    assert.match(failure('<html></html>'), /^a\.xml, line 1: expected a PASCAL VOC <annotation>, got <html>\./);
    assert.match(failure(file(object('a', '<xmin>left</xmin>'))), /^a\.xml, line 8: expected a number in <xmin>, got "left"\./);
    assert.match(
      failure(file(object('a', edges.replace(/<ymax>.*/, '')))),
      /^a\.xml, line 5: expected <bndbox> with <ymax> in <object>, got none\./,
    );
    assert.match(failure(file(object('', edges))), /^a\.xml, line 5: expected a <name> in <object>, got none\./);
    assert.match(
      failure('<!DOCTYPE a [<!ENTITY b "c">]><annotation>&b;</annotation>'),
      /^a\.xml, line 1: expected XML, got undefined entity/,
    );
  });
});
