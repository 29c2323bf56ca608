import { Parser } from 'htmlparser2';

/** The document is not the XML that is expected. */
export class XmlError extends Error {}

/** Texts of elements by their path (`project/licenses/license/name`), in order; namespaces and attributes are left out. */
export type XmlValues = ReadonlyMap<string, readonly string[]>;

const mostValues = 50_000;
const mostDepth = 64;
const valueLength = 4096;

/**
 * Reads the texts of an XML document. No document type and so no entities but the five of XML itself: nothing expands.
 * @param root name that the outermost element must have
 * @throws XmlError
 */
export function readXmlValues(bytes: Uint8Array, root: string): XmlValues {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    // Old poms say encoding="ISO-8859-1"; names and versions in them are ASCII.
    text = Buffer.from(bytes).toString('latin1');
  }
  if (/<!(DOCTYPE|ENTITY)/i.test(text)) throw new XmlError('has a document type');
  const values = new Map<string, string[]>();
  const path: string[] = [];
  const texts: string[] = [];
  let count = 0;
  let isClosed = false;
  const parser = new Parser(
    {
      onopentag(name) {
        const plain = name.replace(/^[^:]*:/, '');
        if (path.length === 0 && (plain !== root || isClosed)) throw new XmlError(`is no <${root}>`);
        if (path.length >= mostDepth) throw new XmlError(`is nested deeper than ${mostDepth}`);
        path.push(plain);
        texts.push('');
      },
      ontext(part) {
        const last = texts.length - 1;
        if (last >= 0 && (texts[last] as string).length < valueLength) texts[last] += part.slice(0, valueLength);
      },
      onclosetag() {
        const value = (texts.pop() ?? '').trim();
        const key = path.join('/');
        path.pop();
        if (path.length === 0) isClosed = true;
        if (value === '') return;
        count += 1;
        if (count > mostValues) throw new XmlError(`has more than ${mostValues} values`);
        const known = values.get(key);
        if (known) known.push(value);
        else values.set(key, [value]);
      },
    },
    { xmlMode: true },
  );
  parser.end(text);
  if (!isClosed || !new RegExp(`</(?:[\\w.-]+:)?${root}\\s*>\\s*(?:<!--[\\s\\S]*?-->\\s*)*$`).test(text.slice(-5000))) {
    throw new XmlError(`is no complete <${root}>`);
  }
  return values;
}
