/**
 * The part of XML that annotation files use: elements, text, attributes (read over), comments, CDATA and the five named
 * entities. Document types are refused, and with them entities that expand.
 */
import { DataError } from '@unlabel/core';

export interface XmlElement {
  readonly name: string;
  /** Text between the children, joined and trimmed. */
  readonly text: string;
  readonly children: readonly XmlElement[];
}

const maxDepth = 100;
const token =
  /<!--[\s\S]*?-->|<!\[CDATA\[([\s\S]*?)\]\]>|<\?[\s\S]*?\?>|<(\/?)([A-Za-z_][\w.:-]*)((?:\s+[A-Za-z_][\w.:-]*\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>|([^<]+)/y;

const named: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

interface OpenElement {
  readonly name: string;
  text: string;
  readonly children: XmlElement[];
}

/** @throws DataError naming the file and line where it stops being this XML */
export function parseXml(xml: string, file: string): XmlElement {
  const fault = (at: number, what: string): DataError =>
    new DataError(`${file}: line ${xml.slice(0, at).split('\n').length}: ${what}`);
  const document: OpenElement = { name: '', text: '', children: [] };
  const open: OpenElement[] = [document];
  token.lastIndex = xml.startsWith('\ufeff') ? 1 : 0;
  while (token.lastIndex < xml.length) {
    const at = token.lastIndex;
    const match = token.exec(xml);
    if (!match) {
      const found = JSON.stringify(xml.slice(at, at + 20));
      throw fault(
        at,
        xml.startsWith('<!DOCTYPE', at) ? 'document types are not read' : `expected a tag, found ${found}`,
      );
    }
    const [, cdata, closing, name, , empty, text] = match;
    const current = open.at(-1)!;
    if (cdata !== undefined) current.text += cdata;
    else if (text !== undefined) {
      if (open.length === 1 && text.trim() !== '') throw fault(at, 'text outside of the root element');
      current.text += decodeEntities(text, (what) => fault(at, what));
    } else if (name !== undefined && closing === '/') {
      if (open.length === 1 || current.name !== name)
        throw fault(at, `</${name}> closes ${open.length === 1 ? 'nothing' : `<${current.name}>`}`);
      open.pop();
      open.at(-1)!.children.push({ name, text: current.text.trim(), children: current.children });
    } else if (name !== undefined) {
      if (open.length === 1 && document.children.length > 0) throw fault(at, 'a second root element');
      if (open.length > maxDepth) throw fault(at, `elements are nested more than ${maxDepth} deep`);
      if (empty === '/') current.children.push({ name, text: '', children: [] });
      else open.push({ name, text: '', children: [] });
    }
  }
  if (open.length > 1) throw fault(xml.length, `<${open.at(-1)!.name}> is not closed; the file may be cut off`);
  const [root] = document.children;
  if (!root) throw fault(0, 'expected an element');
  return root;
}

const decodeEntities = (text: string, fault: (what: string) => DataError): string =>
  text.replaceAll(/&(#x[\da-f]{1,6}|#\d{1,7}|\w+)?;?/gi, (whole, entity: string | undefined) => {
    const code = entity?.startsWith('#x') ? parseInt(entity.slice(2), 16) : Number(entity?.slice(1));
    const value =
      entity === undefined || !whole.endsWith(';')
        ? undefined
        : entity.startsWith('#')
          ? characterOf(code)
          : named[entity];
    if (value === undefined) throw fault(`${whole} is no character`);
    return value;
  });

const characterOf = (code: number): string | undefined =>
  code > 0 && code < 0x110000 ? String.fromCodePoint(code) : undefined;

/** Children of a name. */
export const childrenOf = (element: XmlElement, name: string): readonly XmlElement[] =>
  element.children.filter((child) => child.name === name);

/** Text of the only child of a name; undefined when there is none. */
export const textOf = (element: XmlElement, name: string): string | undefined => childrenOf(element, name)[0]?.text;
