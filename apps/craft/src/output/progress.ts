import type { Step } from '../lifecycle/state.js';

/** What came of a step: it ran, ran again because of something, had nothing to do, or its result came from a cache. */
export type StepAction = 'run' | 'rerun' | 'skip' | 'cached';

/** Traffic of a session so far. */
export interface Traffic {
  readonly requests: number;
  readonly downloads: number;
  readonly bytes: number;
  readonly refusals: number;
}

/** Where a command tells what it does while it does it. Nothing of this is the command's result. */
export interface Progress {
  /** A step of a part begins, or is found done. */
  step(part: string, step: Step, action: StepAction, reason?: string): void;
  /** Something else begins: packing, closing the session. */
  task(text: string): void;
  /** A line of output of a build command. */
  output(line: string): void;
  /** Bytes of a source that is being downloaded. */
  download(received: number, total: number | undefined): void;
  traffic(traffic: Traffic): void;
  /** Stays on the screen. */
  note(text: string): void;
  warn(text: string): void;
  /** Only with `--verbosity debug`. */
  debug(text: string): void;
  /** Clears the line that updates itself. */
  end(): void;
}

/** Tells nobody anything. */
export const silentProgress: Progress = {
  step() {},
  task() {},
  output() {},
  download() {},
  traffic() {},
  note() {},
  warn() {},
  debug() {},
  end() {},
};
