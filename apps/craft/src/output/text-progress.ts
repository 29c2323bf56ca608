import { stripControl } from '@waybill/contracts';
import { count, formatBytes } from './format-values.js';
import type { Progress, StepAction, Traffic } from './progress.js';
import { wrapLine } from './wrap-line.js';

/** How much is told. */
export const verbosities = ['quiet', 'brief', 'verbose', 'debug', 'trace'] as const;
/** One of {@link verbosities}. */
export type Verbosity = (typeof verbosities)[number];

/** Where progress goes. */
export interface TextProgressOptions {
  readonly write: (text: string) => void;
  /** Whether a line may be written over; `columns` is then its width. */
  readonly isTerminal: boolean;
  readonly columns?: () => number;
  readonly colour: boolean;
  readonly verbosity: Verbosity;
}

const words: Readonly<Record<StepAction, string>> = { run: '', rerun: ' again', skip: ' skip', cached: ' from cache' };
const repaintMs = 80;
const clear = '\r\u001b[2K';

/**
 * Progress as text. On a terminal one line at the bottom updates itself with the step, its downloads and bytes, and what is
 * done stands above it; elsewhere every step is a plain line.
 */
export function createTextProgress(options: TextProgressOptions): Progress {
  const level = verbosities.indexOf(options.verbosity);
  const [brief, verbose, debug] = [level >= 1, level >= 2, level >= 3];
  const paint = (code: string, text: string) => (options.colour ? `\u001b[${code}m${text}\u001b[0m` : text);
  const width = () => Math.max(20, (options.columns?.() ?? 80) - 1);
  let status = '';
  let traffic = '';
  /** Line of the running step, until something has to stand below it. */
  let heading: string | undefined;
  let painted = 0;
  let shown = false;
  let isPlanned = false;

  const statusLine = () => {
    if (!options.isTerminal || !brief || status === '') return '';
    const text = [status, traffic].filter(Boolean).join(' · ');
    return text.length > width() ? `${text.slice(0, width() - 1)}…` : text;
  };
  /** One write for everything: between two the terminal could show half of it. */
  const write = (lines: readonly string[], last: string) => {
    const text = `${shown ? clear : ''}${lines.map((line) => `${line}\n`).join('')}${last}`;
    shown = last !== '';
    if (text !== '') options.write(text);
  };
  const takeHeading = () => {
    const taken = heading === undefined ? [] : [heading];
    heading = undefined;
    return taken;
  };
  const repaint = () => {
    const wait = painted + repaintMs - Date.now();
    if (wait > 0) {
      // The last change of a burst must be seen too: nothing may follow it for long.
      if (isPlanned) return;
      isPlanned = true;
      setTimeout(() => {
        isPlanned = false;
        repaint();
      }, wait).unref();
      return;
    }
    const last = statusLine();
    if (last === '') return;
    painted = Date.now();
    write([], last);
  };
  const lines = (...texts: string[]) => write([...takeHeading(), ...texts], statusLine());
  const wrapped = (text: string) => (options.isTerminal ? wrapLine(text, width()) : [text]);

  return {
    step(part, step, action, reason) {
      if (!brief) return;
      const name = `${step.padEnd(5)} ${part}`;
      const before = takeHeading();
      if (action === 'skip') {
        status = '';
        write([...before, paint('2', `${name}${words.skip} (done before)`)], '');
        return;
      }
      status = `${name}${words[action]}${reason ? ` (${reason})` : ''}`;
      if (options.isTerminal && !verbose) heading = status;
      write([...before, ...(heading === undefined ? [status] : [])], statusLine());
    },
    task(text) {
      if (!brief) return;
      status = text;
      if (options.isTerminal) write(takeHeading(), statusLine());
      else lines(text);
    },
    output(text) {
      if (verbose) lines(paint('2', `  ${stripControl(text)}`));
    },
    download(received, total) {
      traffic = `${formatBytes(received)}${total === undefined ? '' : ` of ${formatBytes(total)}`}`;
      repaint();
    },
    traffic(seen: Traffic) {
      const parts = [
        seen.downloads > 0 ? count(seen.downloads, 'download') : count(seen.requests, 'request'),
        formatBytes(seen.bytes),
        seen.refusals > 0 ? `${seen.refusals} refused` : '',
      ];
      traffic = parts.filter(Boolean).join(' · ');
      repaint();
    },
    note(text) {
      if (brief) lines(...wrapped(stripControl(text)));
    },
    warn(text) {
      const [first = '', ...more] = wrapped(`warning: ${stripControl(text)}`);
      lines(first.replace('warning:', paint('33', 'warning:')), ...more);
    },
    debug(text) {
      if (debug) lines(paint('2', stripControl(text)));
    },
    end() {
      status = '';
      write(takeHeading(), '');
    },
  };
}
