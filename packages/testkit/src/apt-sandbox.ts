import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ProgramResult, runProgram } from './program.js';

export interface AptSandboxOptions {
  /** Directory of its own; made when absent. */
  readonly dir: string;
  /** One-line sources, with `signed-by` added: `deb http://127.0.0.1:1234/debian stable main`. */
  readonly sources: readonly string[];
  /** Armored public keys that the sources are signed by. */
  readonly keyring: string;
  /** `http://<id>:<token>@127.0.0.1:9988`; also for https. */
  readonly proxy?: string;
  /** PEM file of CAs that apt's https trusts. */
  readonly caFile?: string;
  /** Default amd64. */
  readonly architecture?: string;
  /** More of apt.conf, e.g. further index targets. */
  readonly config?: string;
}

/** An apt that neither reads nor changes the system's. */
export interface AptSandbox {
  readonly dir: string;
  /** `APT_CONFIG` and no proxy variables, for other programs that use apt. */
  readonly env: NodeJS.ProcessEnv;
  /** `apt-get <args>`, in a directory where downloads land. */
  aptGet(...args: string[]): Promise<ProgramResult>;
  /** `apt-cache <args>`. */
  aptCache(...args: string[]): Promise<ProgramResult>;
  /** Names of the index files that the last update kept. */
  lists(): Promise<string[]>;
  /** Names of the packages that `install --download-only` (archives) and `download` (downloads) fetched. */
  archives(): Promise<string[]>;
  downloads(): Promise<string[]>;
}

/** Lays out an apt directory: state, cache, lists, sources, keys and configuration, nothing of the machine's. */
export async function createAptSandbox(options: AptSandboxOptions): Promise<AptSandbox> {
  const { dir } = options;
  const downloads = join(dir, 'downloads');
  const folders = [
    'etc/apt.conf.d',
    'etc/preferences.d',
    'etc/sources.list.d',
    'etc/trusted.gpg.d',
    'log',
    'downloads',
  ];
  const state = ['state/lists/partial', 'cache/archives/partial', 'dpkg'];
  for (const folder of [...folders, ...state]) await mkdir(join(dir, folder), { recursive: true });
  await writeFile(join(dir, 'dpkg/status'), '');
  const keyring = join(dir, 'etc/archive.asc');
  await writeFile(keyring, options.keyring);
  const sources = options.sources.map((line) => line.replace(/^(deb(?:-src)?) /, `$1 [signed-by=${keyring}] `));
  await writeFile(join(dir, 'etc/sources.list'), `${sources.join('\n')}\n`);
  const config = join(dir, 'apt.conf');
  await writeFile(config, configuration(options));
  const env = {
    ...withoutProxies(process.env),
    APT_CONFIG: config,
    LC_ALL: 'C.UTF-8',
    DEBIAN_FRONTEND: 'noninteractive',
  };
  const run = (program: string, args: readonly string[]) =>
    runProgram(program, args, { cwd: downloads, env, timeoutMs: 120_000 });
  const filesIn = async (folder: string) =>
    (await readdir(join(dir, folder), { withFileTypes: true }))
      .filter((entry) => entry.isFile() && entry.name !== 'lock')
      .map(({ name }) => name)
      .sort();
  return {
    dir,
    env,
    aptGet: (...args) => run('apt-get', ['-q', '-y', ...args]),
    aptCache: (...args) => run('apt-cache', args),
    lists: () => filesIn('state/lists'),
    archives: () => filesIn('cache/archives'),
    downloads: () => filesIn('downloads'),
  };
}

function configuration({ dir, proxy, caFile, architecture = 'amd64', config = '' }: AptSandboxOptions): string {
  const values: Record<string, string | undefined> = {
    Dir: `${dir}/`,
    'Dir::Etc': 'etc/',
    'Dir::State': 'state/',
    'Dir::State::status': `${dir}/dpkg/status`,
    'Dir::Cache': 'cache/',
    'Dir::Log': 'log/',
    'Dir::Bin::methods': '/usr/lib/apt/methods/',
    'Dir::Bin::dpkg': '/usr/bin/dpkg',
    'APT::Architecture': architecture,
    'APT::Sandbox::User': 'root',
    'APT::Install-Recommends': 'false',
    'Acquire::Retries': '0',
    'Acquire::http::Proxy': proxy ?? 'DIRECT',
    'Acquire::https::Proxy': proxy ?? 'DIRECT',
    'Acquire::https::CAInfo': caFile,
  };
  const lines = Object.entries(values).map(([name, value]) => (value === undefined ? '' : `${name} "${value}";\n`));
  return `${lines.join('')}APT::Architectures { "${architecture}"; };\nAcquire::Languages { "en"; };\n${config}\n`;
}

/** A proxy of the machine must not take the place of the one under test. */
function withoutProxies(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !/_proxy$/i.test(name)));
}
