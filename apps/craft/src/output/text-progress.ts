import { stripControl } from '@waybill/contracts';
import { count, formatBytes } from './format-values.js';
import type { Progress, StepAction, Traffic } from './progress.js';

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

const words: Readonly<Record<StepAction, string>> = { run: '', rerun: ' again', skip: ' skip' };
const repaintMs = 80;

/**
 * Progress as text. On a terminal one line at the bottom updates itself with the step, its downloads and bytes; elsewhere
 * every step is a plain line.
 */
export function createTextProgress(options: TextProgressOptions): Progress {
  const level = verbosities.indexOf(options.verbosity);
  const [brief, verbose, debug] = [level >= 1, level >= 2, level >= 3];
  const paint = (code: string, text: string) => (options.colour ? `\u001b[${code}m${text}\u001b[0m` : text);
  let status = '';
  let traffic = '';
  let painted = 0;
  let shown = false;

  const clear = () => {
    if (shown) options.write('\r\u001b[2K');
    shown = false;
  };
  const line = (text: string) => {
    clear();
    options.write(`${text}\n`);
    repaint(true);
  };
  const repaint = (now = false) => {
    if (!options.isTerminal || !brief || status === '') return;
    if (!now && Date.now() - painted < repaintMs) return;
    painted = Date.now();
    const width = Math.max(20, (options.columns?.() ?? 80) - 1);
    const text = [status, traffic].filter(Boolean).join(' · ');
    options.write(`\r\u001b[2K${text.length > width ? `${text.slice(0, width - 1)}…` : text}`);
    shown = true;
  };

  return {
    step(part, step, action, reason) {
      if (!brief) return;
      const name = `${step.padEnd(5)} ${part}`;
      if (action === 'skip') {
        line(paint('2', `${name}${words.skip} (done before)`));
        return;
      }
      const text = `${name}${words[action]}${reason ? ` (${reason})` : ''}`;
      status = text;
      line(text);
    },
    task(text) {
      if (!brief) return;
      status = text;
      if (options.isTerminal) repaint(true);
      else line(text);
    },
    output(text) {
      if (verbose) line(paint('2', `  ${stripControl(text)}`));
    },
    download(received, total) {
      traffic = `${formatBytes(received)}${total === undefined ? '' : ` of ${formatBytes(total)}`}`;
      repaint();
    },
    traffic(seen: Traffic) {
      const parts = [
        seen.downloads > 0 ? count(seen.downloads, 'download') : count(seen.requests, 'request'),
        formatBytes(seen.bytes),
        seen.refusals > 0 ? paint('31', `${seen.refusals} refused`) : '',
      ];
      traffic = parts.filter(Boolean).join(' · ');
      repaint();
    },
    note(text) {
      if (brief) line(stripControl(text));
    },
    warn(text) {
      line(`${paint('33', 'warning:')} ${stripControl(text)}`);
    },
    debug(text) {
      if (debug) line(paint('2', stripControl(text)));
    },
    end() {
      status = '';
      clear();
    },
  };
}
