/** Build tools as their users run them: in directories and homes of their own. */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ProgramResult, runProgram } from '@waybill/testkit';

const kept = fileURLToPath(new URL('../../../.waybill/cache-clients/', import.meta.url));

const places = {
  moon: [join(kept, 'npm/node_modules/.bin/moon')],
  bazel: [join(kept, 'npm/node_modules/@bazel/bazel-linux_x64/bazel-2.1.0-linux-x86_64')],
  bst1: ['/usr/bin/bst'],
  bst2: [join(kept, 'python/bin/bst')],
} as const;

/**
 * Where a client is; undefined when this machine has none, which is a failure where the project's own lanes run: they install it
 * (tooling/ci/packages.sh, tooling/ci/cache-clients.sh).
 */
export function findClient(name: keyof typeof places): string | undefined {
  const found = places[name].find((path) => existsSync(path));
  if (!found && process.env.WAYBILL_CI) throw new Error(`${name} is not at ${places[name].join(' or ')}`);
  return found;
}

/** For tests that start programs many times over: the machine may be busy with other lanes. */
export const patience = { timeout: 900_000 };

/** A project and the homes of the people who build it. */
export interface ClientPlace extends AsyncDisposable {
  at(...names: string[]): string;
  write(files: Readonly<Record<string, string | Uint8Array>>): Promise<void>;
  read(...names: string[]): Promise<string>;
  /** Runs a program as somebody whose home has this name. Both outputs are in `output`. */
  run(
    program: string,
    args: readonly string[],
    options: { readonly home: string; readonly cwd?: string; readonly env?: NodeJS.ProcessEnv },
  ): Promise<ProgramResult & { readonly output: string }>;
}

export async function createClientPlace(): Promise<ClientPlace> {
  const root = await mkdtemp(join(tmpdir(), 'waybill-clients-'));
  const at = (...names: string[]) => join(root, ...names);
  return {
    at,
    async write(files) {
      for (const [name, content] of Object.entries(files)) {
        await mkdir(dirname(at(name)), { recursive: true });
        await writeFile(at(name), content);
      }
    },
    read: (...names) => readFile(at(...names), 'utf8'),
    async run(program, args, { home, cwd, env }) {
      const directory = at('homes', home);
      await mkdir(directory, { recursive: true });
      const result = await runProgram(program, args, {
        cwd: cwd ?? root,
        timeoutMs: 600_000,
        env: {
          PATH: [dirname(program), process.env.PATH].join(delimiter),
          LANG: 'C.UTF-8',
          HOME: directory,
          XDG_CACHE_HOME: join(directory, 'cache'),
          XDG_CONFIG_HOME: join(directory, 'config'),
          XDG_DATA_HOME: join(directory, 'data'),
          NO_COLOR: '1',
          ...env,
        },
      });
      return { ...result, output: `${result.stdout}${result.stderr}` };
    },
    async [Symbol.asyncDispose]() {
      // Clients write-protect what they keep.
      await runProgram('chmod', ['-R', 'u+w', root]);
      await rm(root, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
    },
  };
}
