import { relative, resolve } from 'node:path';
import { cacheExplain } from '../commands/cache-explain.js';
import { cacheList, cacheRemove } from '../commands/cache-list.js';
import { cacheShow } from '../commands/cache-show.js';
import { cachePull, cachePush } from '../commands/cache-transfer.js';
import { clean } from '../commands/clean.js';
import type { CommandContext } from '../commands/command-context.js';
import { doctor } from '../commands/doctor.js';
import { pack } from '../commands/pack.js';
import { runSteps } from '../commands/run-steps.js';
import { showReport } from '../commands/show-report.js';
import { CraftError } from '../errors.js';
import { describeError, errorLines } from '../output/describe-error.js';
import type { Progress } from '../output/progress.js';
import { renderExplained, renderKeys, renderList, renderTransfers } from '../output/render-cache.js';
import { doctorMarkdown, renderDoctor } from '../output/render-doctor.js';
import { packToJson, renderPack, summaryToJson } from '../output/render-pack.js';
import { renderReport } from '../output/render-report.js';
import { createTextProgress } from '../output/text-progress.js';
import { wrapLine } from '../output/wrap-line.js';
import { loadProject } from '../project/load-project.js';
import { exitCodeOf, exitCodes } from './exit-code.js';
import { type Invocation, parseCommandLine } from './program.js';

/** What a run is given instead of the process's own. */
export interface Terminal {
  readonly env: Readonly<NodeJS.ProcessEnv>;
  readonly cwd: string;
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  readonly isTerminal: boolean;
  readonly columns: () => number;
  /** Whether the result is read on a terminal, where its lines are made to fit. */
  readonly outIsTerminal?: boolean;
  readonly signal: AbortSignal;
}

/** What a command gives back: lines for people, a value for programs, and what went wrong. */
interface Outcome {
  readonly lines: readonly string[];
  readonly value: unknown;
  readonly errors: readonly unknown[];
}

/**
 * Runs `craft`. The result goes to standard output, everything else to standard error.
 * @returns the exit code
 */
export async function runCraft(argv: readonly string[], terminal: Terminal): Promise<number> {
  const parsed = await parseCommandLine(argv, terminal.env, terminal);
  if ('exitCode' in parsed) return parsed.exitCode;
  const { invocation } = parsed;
  const progress = createTextProgress({
    write: terminal.err,
    isTerminal: terminal.isTerminal,
    columns: terminal.columns,
    colour: terminal.isTerminal && !terminal.env.NO_COLOR && terminal.env.TERM !== 'dumb',
    verbosity: invocation.verbosity,
  });
  let outcome: Outcome;
  try {
    outcome = await perform(invocation, terminal, progress);
  } catch (error) {
    outcome = { lines: [], value: undefined, errors: [reasonOf(error, terminal.signal)] };
  }
  progress.end();
  const errors = outcome.errors.map((error) => reasonOf(error, terminal.signal));
  const fit = (lines: readonly string[], isTerminal = false) =>
    `${lines.flatMap((line) => (isTerminal ? wrapLine(line, terminal.columns()) : line)).join('\n')}\n`;
  const tell = (error: unknown) => terminal.err(fit(errorLines(error), terminal.isTerminal));
  // The error that decides comes last, below the result: it is what is read first when the run is over.
  errors.slice(1).forEach(tell);
  if (invocation.format === 'json')
    terminal.out(`${JSON.stringify(toJson(invocation, outcome.value, errors), undefined, 2)}\n`);
  else if (outcome.lines.length > 0) terminal.out(fit(outcome.lines, terminal.outIsTerminal));
  errors.slice(0, 1).forEach(tell);
  return errors.length > 0 ? exitCodeOf(errors[0]) : exitCodes.done;
}

/** A cancelled operation ends with whatever its library throws; the reason is that somebody interrupted us. */
function reasonOf(error: unknown, signal: AbortSignal): unknown {
  if (!signal.aborted || error instanceof CraftError) return error;
  return signal.reason instanceof CraftError ? signal.reason : error;
}

async function perform(invocation: Invocation, terminal: Terminal, progress: Progress): Promise<Outcome> {
  if (invocation.command === 'report') return report(invocation.files, terminal);
  if (invocation.command === 'doctor') return examine(invocation, terminal, progress);
  const projectDirectory = resolve(terminal.cwd, invocation.projectDir);
  const project = await loadProject(projectDirectory);
  const command = { project, projectDirectory, env: terminal.env, progress, signal: terminal.signal };
  if (invocation.command === 'pack') {
    const result = await pack(command, { ...invocation, output: resolve(terminal.cwd, invocation.output) });
    return {
      lines: renderPack(result, terminal.cwd),
      value: packToJson(result),
      errors: result.items.flatMap((item) => item.errors),
    };
  }
  if (invocation.command === 'clean') {
    const result = await clean(command, invocation);
    const removed = result.removed.map((path) => relative(terminal.cwd, path) || '.');
    return {
      lines: [invocation.parts.length > 0 ? `Cleaned ${result.removed.join(', ')}` : 'Cleaned'],
      value: { removed: invocation.parts.length > 0 ? result.removed : removed },
      errors: [],
    };
  }
  if (invocation.command === 'cache') return cache(command, invocation);
  const result = await runSteps(command, { ...invocation, step: invocation.command });
  return { lines: [], value: result, errors: [] };
}

async function cache(command: CommandContext, invocation: Extract<Invocation, { command: 'cache' }>): Promise<Outcome> {
  const { action } = invocation;
  if (action === 'pull' || action === 'push') {
    const { parts, errors } = await (action === 'pull' ? cachePull : cachePush)(command, invocation);
    return { lines: renderTransfers(parts), value: { action, parts }, errors };
  }
  if (action === 'list' || action === 'rm') {
    const artifacts = await (action === 'list' ? cacheList : cacheRemove)(command, invocation);
    const none = action === 'list' ? 'The local cache has nothing of this project' : 'There was nothing to remove';
    return { lines: renderList(artifacts, none), value: { action, artifacts }, errors: [] };
  }
  if (action === 'explain') {
    const parts = await cacheExplain(command, invocation);
    return { lines: renderExplained(parts), value: { action, parts }, errors: [] };
  }
  const parts = await cacheShow(command, invocation);
  return { lines: renderKeys(parts), value: { action, parts }, errors: [] };
}

async function examine(
  invocation: Extract<Invocation, { command: 'doctor' }>,
  { cwd, env, signal }: Terminal,
  progress: Progress,
): Promise<Outcome> {
  const { session, ca, clients, format } = invocation;
  const result = await doctor({ env, progress, signal }, { session, ca: ca && resolve(cwd, ca), clients });
  const failing = result.findings.filter(({ verdict }) => verdict === 'fails').map(({ client }) => client);
  return {
    lines: format === 'markdown' ? doctorMarkdown(result) : renderDoctor(result),
    value: result,
    errors:
      failing.length === 0
        ? []
        : [
            new CraftError('CRAFT_CLIENT_FAILED', `in a session these clients do not work: ${failing.join(', ')}`, {
              hint: 'what each needs stands in docs/clients.md; is something of the client set up to undo it?',
            }),
          ],
  };
}

async function report(files: readonly string[], terminal: Terminal): Promise<Outcome> {
  const shown = [];
  for (const file of files) shown.push(await showReport(resolve(terminal.cwd, file)));
  const lines = shown.flatMap((item, index) => [
    ...(index > 0 ? [''] : []),
    ...(shown.length > 1 ? [`${files[index]}:`] : []),
    ...renderReport(item),
  ]);
  return {
    lines,
    value: {
      reports: shown.map((item) => ({ file: item.file, build: item.build, session: summaryToJson(item.summary) })),
    },
    errors: [],
  };
}

function toJson(invocation: Invocation, value: unknown, errors: readonly unknown[]): unknown {
  return {
    command: invocation.command,
    ok: errors.length === 0,
    ...(value as object | undefined),
    errors: errors.map(describeError),
  };
}
