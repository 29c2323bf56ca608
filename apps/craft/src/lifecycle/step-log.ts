import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { redactText } from '@waybill/contracts';
import type { Progress } from '../output/progress.js';
import type { WorkLayout } from '../project/work-layout.js';
import type { Step } from './state.js';

const tailLines = 40;
const maxLine = 16_384;

/** Output of a step's commands: kept in a file, shown when asked for, its end remembered for an error. */
export interface StepLog {
  readonly file: string;
  write(chunk: Buffer): void;
  /** The last lines. */
  tail(): readonly string[];
  close(): Promise<void>;
}

/** Opens the log of a step, replacing that of its last run. Credentials in URLs and control characters are removed. */
export async function openStepLog(layout: WorkLayout, part: string, step: Step, progress: Progress): Promise<StepLog> {
  const file = join(layout.logs, `${part}.${step}.log`);
  await mkdir(dirname(file), { recursive: true });
  const stream = createWriteStream(file, { mode: 0o600 });
  // A log that cannot be written must not fail the build; its lines are still shown.
  stream.on('error', () => {});
  const tail: string[] = [];
  let rest = '';
  const line = (raw: string) => {
    const text = redactText(raw.replace(/\r$/, ''));
    stream.write(`${text}\n`);
    tail.push(text);
    if (tail.length > tailLines) tail.shift();
    progress.output(text);
  };
  return {
    file,
    write(chunk) {
      const lines = (rest + chunk.toString('utf8')).split('\n');
      rest = lines.pop() ?? '';
      lines.forEach(line);
      if (rest.length > maxLine) {
        line(rest);
        rest = '';
      }
    },
    tail: () => (rest === '' ? tail : [...tail, redactText(rest)]),
    close() {
      if (rest !== '') line(rest);
      rest = '';
      return new Promise((resolve) => {
        stream.on('close', () => resolve());
        if (stream.closed) resolve();
        stream.end();
      });
    },
  };
}
