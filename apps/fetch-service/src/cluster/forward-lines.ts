import type { Readable } from 'node:stream';

/** A line that does not end is passed on in parts of this many characters. */
const maxLine = 1 << 20;

/** Passes text on in whole lines, so that lines of several processes do not mix. */
export function forwardLines(from: Readable | null, write: (line: string) => void): void {
  let rest = '';
  from?.setEncoding('utf8').on('data', (text: string) => {
    rest += text;
    const end = rest.lastIndexOf('\n') + 1;
    if (end === 0 && rest.length < maxLine) return;
    const cut = end || rest.length;
    write(rest.slice(0, cut));
    rest = rest.slice(cut);
  });
  from?.once('end', () => {
    if (rest) write(`${rest}\n`);
    rest = '';
  });
}
