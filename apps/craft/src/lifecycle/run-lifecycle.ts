import { existsSync, lstatSync } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CraftError } from '../errors.js';
import type { StepAction } from '../output/progress.js';
import { type CachedBuild, type LifecycleContext, type PartContext, partContext } from './context.js';
import { orderParts } from './part-order.js';
import { removeOwned } from './path-owners.js';
import { type Step, type StepState, steps, unfinishedKey } from './state.js';
import { inputDigest } from './step-inputs.js';
import { openStepLog } from './step-log.js';
import { build } from './steps/build.js';
import { prime } from './steps/prime.js';
import { pull } from './steps/pull.js';
import { stage } from './steps/stage.js';
import { nothing, type StepResult, type StepWork } from './steps/step-work.js';

const work: Readonly<Record<Step, StepWork>> = { pull, build, stage, prime };

/**
 * Brings parts to a step: all steps up to it, each only when it was not done before with the same inputs. A part that others
 * come after is staged before they are built.
 * @param names parts to bring there; all when empty
 * @throws CraftError
 */
export async function runLifecycle(
  context: LifecycleContext,
  target: Step,
  names: readonly string[] = [],
): Promise<void> {
  const { parts } = context.project;
  const unknown = names.find((name) => !Object.hasOwn(parts, name));
  if (unknown !== undefined) throw unknownPart(unknown, Object.keys(parts));
  await forgetRemovedParts(context);
  const done = new Map<string, Promise<StepState>>();
  const ensure = (name: string, step: Step): Promise<StepState> => {
    const key = `${name}/${step}`;
    const running = done.get(key) ?? bring(partContext(context, name), step, ensure);
    done.set(key, running);
    return running;
  };
  const wanted = orderParts(parts).filter((name) => names.length === 0 || names.includes(name));
  if (target !== 'pull') await lookAhead(context, wanted);
  for (const step of steps.slice(0, steps.indexOf(target) + 1)) {
    for (const name of wanted) await ensure(name, step);
  }
}

type Ensure = (name: string, step: Step) => Promise<StepState>;

async function bring(context: PartContext, step: Step, ensure: Ensure): Promise<StepState> {
  const upstream = await upstreamIds(context, step, ensure);
  context.signal.throwIfAborted();
  const key = await inputDigest(context, step);
  const state = await context.states.read(context.name, step);
  const reason = state && whyAgain(context, step, state, key, upstream);
  if (state && reason === undefined) {
    context.progress.step(context.name, step, 'skip');
    for (const [name, value] of Object.entries(state.variables)) context.variables.set(name as 'version', value);
    if (step === 'pull' && !isFromCache(state)) context.cache?.pulled(context, state);
    return state;
  }
  const run: StepRun = { key, upstream, action: state ? 'rerun' : 'run', reason };
  if (step === 'pull') return bringSource(context, run);
  return step === 'build' ? bringBuild(context, run) : runStep(context, step, run);
}

/** Starts the look-ups of what will be built anyway: they go on while the first parts build. */
async function lookAhead(context: LifecycleContext, names: readonly string[]): Promise<void> {
  if (!context.cache) return;
  for (const name of names) {
    if (await context.states.read(name, 'build')) continue;
    // What goes wrong here goes wrong again when the part's turn comes, and is told then.
    void context.cache.find(partContext(context, name)).catch(() => {});
  }
}

async function bringSource(context: PartContext, run: StepRun): Promise<StepState> {
  const cached = await context.cache?.find(context);
  if (cached) return runStep(context, 'pull', fromCache(run, cached), () => leaveOut(context, cached));
  const state = await runStep(context, 'pull', run);
  context.cache?.pulled(context, state);
  return state;
}

async function bringBuild(context: PartContext, run: StepRun): Promise<StepState> {
  const cached = await context.cache?.find(context);
  if (cached) {
    let whole = false;
    const state = await runStep(context, 'build', fromCache(run, cached), async () => {
      whole = await takeOver(context, cached);
      return nothing;
    });
    if (whole) return state;
    await context.states.remove(context.name, 'build');
  }
  const before = await context.states.read(context.name, 'pull');
  if (!before || !isFromCache(before)) return buildReally(context, run);
  const key = await inputDigest(context, 'pull');
  const reason = 'its build is no longer in the cache';
  const pulled = await runStep(context, 'pull', { key, upstream: {}, action: 'rerun', reason });
  context.cache?.pulled(context, pulled);
  return buildReally(context, { ...run, upstream: { ...run.upstream, [`${context.name}/pull`]: pulled.id } });
}

async function buildReally(context: PartContext, run: StepRun): Promise<StepState> {
  const state = await runStep(context, 'build', run);
  await context.cache?.built(context);
  return state;
}

/** A pull whose build came from a cache has no source; it is made up for when the build has to run after all. */
function isFromCache(state: StepState): boolean {
  return state.outcome[cacheKey] !== undefined;
}

const cacheKey = 'from-cache';

function fromCache(run: StepRun, { origin }: CachedBuild): StepRun {
  return { ...run, action: 'cached', reason: origin };
}

async function leaveOut(context: PartContext, cached: CachedBuild): Promise<StepResult> {
  const { paths } = context;
  await rm(paths.dir, { recursive: true, force: true });
  for (const directory of [paths.src, paths.build, paths.install, paths.run])
    await mkdir(directory, { recursive: true });
  setAll(context, cached.variables.pull);
  return { paths: [], outcome: { ...cached.outcome, [cacheKey]: cached.key } };
}

async function takeOver(context: PartContext, cached: CachedBuild): Promise<boolean> {
  const { paths } = context;
  for (const directory of [paths.build, paths.install]) await rm(directory, { recursive: true, force: true });
  if (!(await cached.restore(paths.install))) return false;
  for (const directory of [paths.build, paths.install]) await mkdir(directory, { recursive: true });
  setAll(context, cached.variables.build);
  return true;
}

function setAll(context: PartContext, variables: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(variables)) context.variables.set(name as 'version', value);
}

async function upstreamIds(context: PartContext, step: Step, ensure: Ensure): Promise<Record<string, string>> {
  const ids: Record<string, string> = {};
  const before = steps[steps.indexOf(step) - 1];
  if (before) ids[`${context.name}/${before}`] = (await ensure(context.name, before)).id;
  if (step === 'build') {
    for (const other of context.part.after) ids[`${other}/stage`] = (await ensure(other, 'stage')).id;
  }
  return ids;
}

function whyAgain(
  context: PartContext,
  step: Step,
  state: StepState,
  key: string,
  upstream: Readonly<Record<string, string>>,
): string | undefined {
  if (state.key === unfinishedKey) return 'its last run was cut off';
  if (state.key !== key)
    return step === 'pull' && context.part.source !== undefined ? 'source or settings changed' : 'settings changed';
  const changed = Object.entries(upstream).find(([name, id]) => state.upstream[name] !== id);
  if (changed) return `${changed[0].split('/').reverse().join(' of ')} ran again`;
  return isThere(context, step, state) ? undefined : 'its result was removed';
}

function isThere(context: PartContext, step: Step, state: StepState): boolean {
  const { layout, paths } = context;
  if (step === 'pull' || step === 'build') return existsSync(step === 'pull' ? paths.src : paths.install);
  const [first] = state.paths;
  return first === undefined || lstatSync(join(layout[step], first), { throwIfNoEntry: false }) !== undefined;
}

interface StepRun {
  readonly key: string;
  readonly upstream: Readonly<Record<string, string>>;
  readonly action: StepAction;
  readonly reason: string | undefined;
}

async function runStep(
  context: PartContext,
  step: Step,
  run: StepRun,
  does: StepWork = work[step],
): Promise<StepState> {
  context.progress.step(context.name, step, run.action, run.reason);
  await invalidate(context, context.name, step);
  const before = new Map(context.variables);
  const log = await openStepLog(context.layout, context.name, step, context.progress);
  try {
    const result = await context.timeline.measure(context.name, step, () => does(context, log));
    const set = [...context.variables].filter(([name, value]) => before.get(name) !== value);
    return await context.states.write(context.name, step, {
      key: run.key,
      upstream: { ...run.upstream },
      paths: [...result.paths],
      outcome: { ...result.outcome },
      variables: Object.fromEntries(set),
    });
  } finally {
    await log.close();
  }
}

/** Forgets a step of a part and all later ones, and takes what they shared back. */
export async function invalidate(
  context: Pick<LifecycleContext, 'project' | 'states' | 'layout'>,
  part: string,
  from: Step,
): Promise<void> {
  for (const step of steps.slice(steps.indexOf(from)).reverse()) {
    if (step === 'stage' || step === 'prime') await removeOwned(context, part, step);
    await context.states.remove(part, step);
  }
}

/** What a part that is no longer in the project left in the shared directories would be packed for ever. */
async function forgetRemovedParts(context: LifecycleContext): Promise<void> {
  const known = await readdir(context.layout.state, { withFileTypes: true }).catch(() => []);
  for (const { name } of known.filter((entry) => entry.isDirectory())) {
    if (Object.hasOwn(context.project.parts, name)) continue;
    await invalidate(context, name, 'pull');
    await rm(context.layout.part(name).dir, { recursive: true, force: true });
    await rm(join(context.layout.state, name), { recursive: true, force: true });
  }
}

function unknownPart(name: string, parts: readonly string[]): CraftError {
  return new CraftError('CRAFT_PART_UNKNOWN', `the project has no part \`${name}\``, {
    hint: `its parts are: ${parts.join(', ')}`,
  });
}
