import { decodeUtf8, parseDeb822 } from './deb822.js';
import { FormatProblem } from './format-problem.js';

/** The largest known ones have 60 KiB. */
export const maxDscBytes = 2 ** 20;

/** What a .dsc says of itself. */
export interface SourceControl {
  readonly source: string;
  readonly version: string;
}

/**
 * Reads a Debian source control file, clearsigned or not.
 * @throws FormatProblem
 * @see dsc(5), RFC 9580 §7 for the clearsigned form
 */
export function readDsc(bytes: Uint8Array): SourceControl {
  const [paragraph, ...more] = parseDeb822(signedText(decodeUtf8(bytes)), { paragraphs: 2, lineBytes: 256 * 1024 });
  if (!paragraph || more.length > 0)
    throw new FormatProblem(`is no .dsc: it has ${1 + more.length} paragraphs, expected one`);
  const source = paragraph.get('source');
  const version = paragraph.get('version');
  if (!source || !version) throw new FormatProblem('is no .dsc: it lacks Source or Version');
  return { source, version };
}

function signedText(text: string): string {
  if (!text.startsWith('-----BEGIN PGP SIGNED MESSAGE-----')) return text;
  const start = text.indexOf('\n\n');
  const end = text.indexOf('\n-----BEGIN PGP SIGNATURE-----');
  if (start === -1 || end < start) throw new FormatProblem('is no .dsc: its clearsigned form is cut off');
  return text
    .slice(start + 2, end + 1)
    .split('\n')
    .map((line) => (line.startsWith('- ') ? line.slice(2) : line))
    .join('\n');
}
