import type { PartConfig, Project } from '@waybill/contracts';
import type { BuildEnvironment, CommandNetwork } from '../environments/environment.js';
import type { Progress } from '../output/progress.js';
import type { BuildItem } from '../project/plan.js';
import type { PartLayout, WorkLayout } from '../project/work-layout.js';
import type { StateStore, Step, StepState } from './state.js';
import type { Timeline } from './timeline.js';

/** Fields of the project that a part's scripts may set. */
export type ProjectVariable = 'version' | 'summary' | 'description';

/** What every step of one build shares. */
export interface LifecycleContext {
  readonly project: Project;
  readonly item: BuildItem;
  readonly layout: WorkLayout;
  readonly states: StateStore;
  readonly environment: BuildEnvironment;
  /** Environment of every command before the step's own variables. */
  readonly baseEnv: Readonly<Record<string, string>>;
  readonly network: CommandNetwork;
  /** Whether a session watches: git sources are then fetched with depth 1 unless they say otherwise. */
  readonly inSession: boolean;
  readonly jobs: number;
  readonly progress: Progress;
  readonly timeline: Timeline;
  readonly signal: AbortSignal;
  /** Current values of what craftctl may set. */
  readonly variables: Map<ProjectVariable, string>;
  readonly helpers: Helpers;
  /** Where results of earlier builds may come from; absent when everything is built. */
  readonly cache?: PartCache | undefined;
}

/** Results of builds that need not be done again. None of its methods fails for what a cache does not have or cannot do. */
export interface PartCache {
  /**
   * What stands for pull and build of a part; `undefined` when nothing does, or when only its pull shows what it is made of.
   * May be called before its turn comes, so that bytes come while others build.
   */
  find(context: PartContext): Promise<CachedBuild | undefined>;
  /** The pull of a part is done, by this run or an earlier one. */
  pulled(context: PartContext, state: StepState): void;
  /** A part was built. */
  built(context: PartContext): Promise<void>;
}

/** The result of a part's build. */
export interface CachedBuild {
  readonly key: string;
  /** Where it comes from, for people. */
  readonly origin: string;
  /** What craftctl set in each step, and what the pull brought. */
  readonly variables: { readonly pull: Variables; readonly build: Variables };
  readonly outcome: Variables;
  /** Writes what the part installed; `false` when that did not work out, and then nothing is there. */
  restore(install: string): Promise<boolean>;
}

type Variables = Readonly<Record<string, string>>;

/** Programs of ours that run inside the build environment. */
export interface Helpers {
  /** Node that runs them, a path that is visible inside. */
  readonly node: string;
  /** Downloads one file. */
  readonly download: string;
}

/** A part with its place, as steps take it. */
export interface PartContext extends LifecycleContext {
  readonly name: string;
  readonly part: PartConfig;
  readonly paths: PartLayout;
}

/** The context of one part. */
export function partContext(context: LifecycleContext, name: string): PartContext {
  const part = context.project.parts[name];
  if (!part) throw new Error(`no part ${name}`);
  return { ...context, name, part, paths: context.layout.part(name) };
}

/** A step of a part, for messages. */
export function stepName(step: Step, part: string): string {
  return `${step} of part ${part}`;
}
