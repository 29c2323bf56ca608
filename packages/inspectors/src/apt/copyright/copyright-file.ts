import { type Paragraph, parseDeb822 } from '../deb822.js';
import { FormatProblem } from '../format-problem.js';
import { spdxOfShortName } from './license-names.js';
import { recogniseLicenses } from './license-text.js';

/** What a package's `copyright` file says. Fields are empty when it does not say. */
export interface CopyrightFacts {
  /** An SPDX expression; names that SPDX does not know are `LicenseRef-…`. */
  readonly license: string;
  readonly copyright: string;
  readonly author: string;
  readonly authorEmail: string;
  /** How it was read: DEP-5 fields, or phrases of free text. */
  readonly form: 'machine-readable' | 'free text';
}

const maxCopyrightText = 2_000;
const maxLicenses = 40;
/** Of a copyright file; the longest known ones have 300 KiB. */
const maxText = 512 * 1024;

/**
 * Reads a Debian copyright file: its fields when it is machine-readable, else what well-known license texts and phrases show.
 * @see "Machine-readable debian/copyright file", version 1.0 (DEP-5)
 */
export function readCopyright(file: string): CopyrightFacts {
  const text = file.slice(0, maxText);
  if (/^Format(-Specification)?:.*(copyright-format|dep-?5)/im.test(text.slice(0, 4096))) {
    try {
      const facts = readFields(parseDeb822(text));
      if (facts.license) return facts;
    } catch (error) {
      // Many files that claim the format break it; their text still says what it says.
      if (!(error instanceof FormatProblem)) throw error;
    }
  }
  return readFreeText(text);
}

function readFields(paragraphs: readonly Paragraph[]): CopyrightFacts {
  const [header] = paragraphs;
  const files = paragraphs.filter((paragraph) => paragraph.has('files'));
  const contact = firstLine(header?.get('upstream-contact') ?? header?.get('upstream-maintainer') ?? '');
  return {
    // The paragraph for `*` speaks for most of the package, so it comes first whatever its place.
    license: combine([
      ...files.filter((paragraph) => paragraph.get('files')?.trim() === '*').map(licenseOf),
      ...files.map(licenseOf),
      ...(files.length === 0 && header ? [licenseOf(header)] : []),
    ]),
    copyright: joinLines(files.flatMap((paragraph) => linesOf(paragraph.get('copyright') ?? ''))),
    ...splitContact(contact),
    form: 'machine-readable',
  };
}

function licenseOf(paragraph: Paragraph): string {
  return spdxOfShortName(firstLine(paragraph.get('license') ?? ''));
}

function readFreeText(text: string): CopyrightFacts {
  const author =
    /^[ \t]*(?:upstream )?authors?(?:\(s\))?[ \t]*:[ \t]*(.*(?:\n[ \t]+\S.*)?)/im.exec(text)?.[1] ??
    /^[ \t]*(?:upstream )?maintainers?[ \t]*:[ \t]*(.*)/im.exec(text)?.[1] ??
    '';
  const lines = text
    .split('\n')
    .filter((line) => /^\W{0,6}(copyright\s+(\(c\)|©|\d{4})|\(c\)\s+\d{4}|©)/i.test(line.trim()));
  return {
    license: combine(recogniseLicenses(text)),
    copyright: joinLines(lines.map((line) => line.replace(/^\W+(?=copyright)/i, '').trim())),
    ...splitContact(firstLine(author)),
    form: 'free text',
  };
}

/** Distinct expressions joined by AND, each in parentheses where it has an OR. */
function combine(expressions: readonly string[]): string {
  const distinct = [...new Set(expressions.filter(Boolean))].slice(0, maxLicenses);
  if (distinct.length === 1) return distinct[0] ?? '';
  const parts = distinct.flatMap((expression) =>
    / OR /.test(expression) ? [`(${expression})`] : expression.split(' AND '),
  );
  return [...new Set(parts)].join(' AND ');
}

function firstLine(value: string): string {
  return (
    value
      .split('\n')
      .map((line) => line.trim())
      .find(Boolean) ?? ''
  );
}

function linesOf(value: string): string[] {
  return value
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && line !== '.');
}

function joinLines(lines: readonly string[]): string {
  const text = [...new Set(lines)].join('\n');
  return text.length > maxCopyrightText ? `${text.slice(0, maxCopyrightText)}…` : text;
}

function splitContact(value: string): { author: string; authorEmail: string } {
  const contact = value.slice(0, 300);
  const match = /^(.*?)[\s,]*<([^<>\s]+@[^<>\s]+)>/.exec(contact);
  if (match) return { author: match[1]?.trim() ?? '', authorEmail: match[2] ?? '' };
  if (/^[^<>\s]+@[^<>\s]+$/.test(contact)) return { author: '', authorEmail: contact };
  return { author: contact, authorEmail: '' };
}
