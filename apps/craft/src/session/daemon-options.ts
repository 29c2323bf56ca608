import type { Progress } from '../output/progress.js';
import type { WaybillDirectories } from './directories.js';

/** What finding or starting a daemon needs. */
export interface DaemonOptions {
  readonly directories: WaybillDirectories;
  readonly env: Readonly<NodeJS.ProcessEnv>;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}
