import { readFile, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { type Clock, type Project, systemClock } from '@waybill/contracts';
import { writeFileAtomic } from '../files/atomic-write.js';
import { findHelpers } from '../helpers.js';
import type { LifecycleContext, ProjectVariable } from '../lifecycle/context.js';
import { createStateStore, digestOf } from '../lifecycle/state.js';
import { createTimeline } from '../lifecycle/timeline.js';
import type { Progress } from '../output/progress.js';
import type { BuildItem } from '../project/plan.js';
import { craftDirectory, type WorkLayout, workLayout } from '../project/work-layout.js';
import type { BuildSession } from '../session/session.js';
import { withLock } from '../session/start-lock.js';
import { localRepository } from '../sources/git.js';
import { openEnvironment } from './open-environment.js';
import { createTrafficCounter } from './traffic-counter.js';

/** One build of one platform. */
export interface BuildOptions {
  readonly project: Project;
  readonly projectDirectory: string;
  readonly item: BuildItem;
  readonly kind: 'bubblewrap' | 'host';
  readonly session: BuildSession | undefined;
  /** Directories that the build must not see, beside those of its session. */
  readonly hide?: readonly string[] | undefined;
  readonly env: Readonly<NodeJS.ProcessEnv>;
  readonly progress: Progress;
  readonly signal: AbortSignal;
  readonly clock?: Clock;
}

/** Directories of a build, depending on its session. */
export function layoutOf(options: Pick<BuildOptions, 'project' | 'projectDirectory' | 'item' | 'session'>): WorkLayout {
  const { session, project } = options;
  const scope = session && (session.kind === 'external' ? 'external' : session.policy);
  const several = Object.keys(project.platforms).length > 1;
  return workLayout(options.projectDirectory, options.item.platform, { scope, several });
}

/**
 * Opens the environment of a build, lets `work` use it and closes it whatever happens. Two craft runs never work in the same
 * directories at once.
 * @throws CraftError CRAFT_WORK_BUSY and what `work` throws
 */
export async function withBuild<T>(options: BuildOptions, work: (context: LifecycleContext) => Promise<T>): Promise<T> {
  const layout = layoutOf(options);
  const lock = join(options.projectDirectory, craftDirectory, `${digestOf(layout.parts).slice(0, 16)}.lock`);
  return withLock(lock, 'builds this project', 0, async () => {
    await startFresh(layout, options.session);
    const traffic = createTrafficCounter(options.progress);
    const { environment, baseEnv } = await openEnvironment({
      ...options,
      layout,
      repositories: repositoriesOf(options),
      onTraffic: traffic.relayed,
    });
    options.session?.follow(traffic.seen);
    try {
      return await work(createContext(options, layout, { environment, baseEnv }));
    } finally {
      await environment.close();
    }
  });
}

function repositoriesOf({ project, projectDirectory }: BuildOptions): string[] {
  return Object.values(project.parts).flatMap((part) => localRepository(part, projectDirectory) ?? []);
}

function createContext(
  options: BuildOptions,
  layout: WorkLayout,
  open: Pick<LifecycleContext, 'environment' | 'baseEnv'>,
): LifecycleContext {
  const { project, session } = options;
  const fields: readonly ProjectVariable[] = ['version', 'summary', 'description'];
  return {
    ...open,
    project,
    item: options.item,
    layout,
    states: createStateStore(layout),
    network: session ? 'session' : 'host',
    inSession: session !== undefined,
    jobs: availableParallelism(),
    progress: options.progress,
    timeline: createTimeline(options.clock ?? systemClock),
    signal: options.signal,
    variables: new Map(fields.flatMap((field) => (project[field] === undefined ? [] : [[field, project[field]]]))),
    helpers: findHelpers(),
  };
}

/**
 * A session has to see everything that its build downloads, so what earlier builds left is removed. Commands of one external
 * session go on where the last one stopped: all of it came through that session.
 */
async function startFresh(layout: WorkLayout, session: BuildSession | undefined): Promise<void> {
  if (!session) return;
  const marker = join(layout.logs, 'session');
  const own = digestOf(session.id);
  if (session.kind === 'external' && (await readFile(marker, 'utf8').catch(() => '')) === own) return;
  for (const directory of layout.all) await rm(directory, { recursive: true, force: true });
  await writeFileAtomic(marker, own);
}
