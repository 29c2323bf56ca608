import type { Project } from '@waybill/contracts';
import type { Progress } from '../output/progress.js';

/** What every command that works on a project gets. */
export interface CommandContext {
  readonly project: Project;
  readonly projectDirectory: string;
  readonly env: Readonly<NodeJS.ProcessEnv>;
  readonly progress: Progress;
  /** Aborted by signals, with a CraftError CRAFT_INTERRUPTED as its reason. */
  readonly signal: AbortSignal;
}
