import { expect, test } from 'vitest';
import { childrenOf, parseXml, textOf } from './xml.ts';

test('reads elements, attributes, entities, comments and CDATA', () => {
  const xml =
    '\ufeff<?xml version="1.0"?>\n<!-- <x> --><a b="1" c=\'>\'> <n>A &amp; &#66;&#x43;</n><n/><![CDATA[<&>]]></a>\n';
  const root = parseXml(xml, 'x.xml');
  expect(root).toMatchObject({ name: 'a', text: '<&>' });
  expect(childrenOf(root, 'n').map(({ text }) => text)).toEqual(['A & BC', '']);
  expect(textOf(root, 'm')).toBeUndefined();
});

test.each([
  ['<a>\n<b></a>', 'x.xml: line 2: </a> closes <b>'],
  ['<a></a><b/>', 'a second root element'],
  ['<a>', '<a> is not closed'],
  ['', 'expected an element'],
  ['text', 'text outside of the root'],
  ['<a>&evil;</a>', '&evil; is no character'],
  ['<a>AT&T</a>', 'is no character'],
  ['<!DOCTYPE a [<!ENTITY x "y">]><a/>', 'document types are not read'],
  ['<a b=1/>', 'expected a tag, found "<a b=1/>"'],
  ['</a>', '</a> closes nothing'],
  ['<a>'.repeat(200), 'nested more than 100 deep'],
])('%j is refused', (xml, message) => {
  expect(() => parseXml(xml, 'x.xml')).toThrow(message);
});
