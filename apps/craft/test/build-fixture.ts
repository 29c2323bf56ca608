import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { systemClock } from '@waybill/contracts';
import type { BuildEnvironment } from '../src/environments/environment.js';
import { walkTree } from '../src/files/walk-tree.js';
import { findHelpers } from '../src/helpers.js';
import type { LifecycleContext } from '../src/lifecycle/context.js';
import { createStateStore } from '../src/lifecycle/state.js';
import { createTimeline } from '../src/lifecycle/timeline.js';
import { silentProgress } from '../src/output/progress.js';
import { parseProject } from '../src/project/load-project.js';
import { workLayout } from '../src/project/work-layout.js';
import { plainEnvironment } from './plain-environment.js';

/** A project directory to build in, thrown away afterwards. */
export interface Fixture {
  readonly dir: string;
  /** Writes files of the project; a name that ends in `*` becomes executable. */
  files(files: Record<string, string>): Promise<void>;
  read(path: string): Promise<string>;
  /** Files and links below a directory. */
  tree(path: string): Promise<string[]>;
  /** A fresh context for the text of a craft.yaml, as a new run of craft has it; `steps` collects what ran. */
  context(yaml: string, overrides?: Partial<LifecycleContext>): LifecycleContext & { steps: string[] };
  remove(): Promise<void>;
}

/** Makes a project directory. */
export async function createFixture(environment: BuildEnvironment = plainEnvironment()): Promise<Fixture> {
  const dir = await mkdtemp(join(tmpdir(), 'craft-build-'));
  return {
    dir,
    async files(files) {
      for (const [name, text] of Object.entries(files)) {
        const path = join(dir, name.replace(/\*$/, ''));
        await mkdir(dirname(path), { recursive: true });
        await writeFile(path, text);
        if (name.endsWith('*')) await chmod(path, 0o755);
      }
    },
    read: (path) => readFile(join(dir, path), 'utf8'),
    tree: async (path) =>
      (await walkTree(join(dir, path))).filter((entry) => entry.kind !== 'directory').map((entry) => entry.path),
    context(yaml, overrides = {}) {
      const project = parseProject(`name: sample\nversion: "1.0"\nplatforms: {amd64: }\n${yaml}`);
      const layout = workLayout(dir, 'amd64', { several: false });
      const steps: string[] = [];
      return {
        project,
        item: { platform: 'amd64', buildOn: 'amd64', buildFor: 'amd64' },
        layout,
        states: createStateStore(layout),
        environment,
        baseEnv: { PATH: process.env.PATH ?? '', HOME: dir, LC_ALL: 'C' },
        network: 'none',
        inSession: false,
        jobs: 2,
        timeline: createTimeline(systemClock),
        signal: new AbortController().signal,
        variables: new Map(project.version === undefined ? [] : [['version', project.version]]),
        helpers: findHelpers(),
        ...overrides,
        progress: {
          ...silentProgress,
          ...overrides.progress,
          step: (part, step, action) => steps.push(`${action} ${step} ${part}`),
        },
        steps,
      };
    },
    remove: () => rm(dir, { recursive: true, force: true }),
  };
}
