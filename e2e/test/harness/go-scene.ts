import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type EcosystemScene, openEcosystemScene } from './ecosystem-scene.js';
import { createGoLog, type GoLog } from './go-log.js';
import type { Closable } from './keep.js';
import type { PreparedClient } from './prepared-client.js';
import { type Ran, run } from './run.js';

/** A module version as the go command itself packed it from its repository. */
export interface BuiltModule {
  readonly path: string;
  readonly info: Buffer;
  readonly mod: Buffer;
  readonly zip: Buffer;
  /** `h1:…` as go computed them. */
  readonly sums: { readonly zip: string; readonly mod: string };
  /** Both lines of go.sum. */
  readonly lines: string;
}

/** Two modules behind a module proxy with its own checksum database: `middle` needs `leaf`. */
export interface GoScene extends EcosystemScene {
  readonly log: GoLog;
  readonly leaf: BuiltModule;
  readonly middle: BuiltModule;
  /** `leaf` of the same version with another content. */
  readonly foreign: BuiltModule;
}

const version = 'v1.0.0';
export const goPaths = {
  zip: `/proxy/vcs.example/leaf.git/@v/${version}.zip`,
  mod: `/proxy/vcs.example/leaf.git/@v/${version}.mod`,
  database: '/proxy/sumdb/sum.registry.example',
  lookup: `/proxy/sumdb/sum.registry.example/lookup/vcs.example/leaf.git@${version}`,
} as const;

export async function openGoScene(keep: <Thing extends Closable>(thing: Thing) => Thing): Promise<GoScene> {
  const log = createGoLog();
  const scene = await openEcosystemScene(keep, {
    // Programs written in Go use no proxy for localhost.
    host: 'modules.registry.example',
    inspectors: (origin) => ({
      go: {
        proxies: { local: { url: `${origin}/proxy/` } },
        'sum-databases': { local: { key: log.key, url: `${origin}${goPaths.database}/` } },
      },
    }),
    user: (origin) => ({ env: { GOPROXY: `${origin}/proxy`, GOSUMDB: log.key, GOTOOLCHAIN: 'local' } }),
  });
  const { dir, upstream } = scene;
  const leaf = await packModule(dir.at('go'), { name: 'leaf', code: source('leaf', 'return "leaf"') });
  const foreign = await packModule(dir.at('go-foreign'), { name: 'leaf', code: source('leaf', 'return "evil"') });
  const middle = await packModule(dir.at('go'), {
    name: 'middle',
    needs: [leaf],
    code: source('middle', 'return leaf.Value()', 'import leaf "vcs.example/leaf.git"'),
  });
  // More records than these, so that proofs have something to prove.
  for (let at = 0; at < 9; at += 1) log.add(`other${at}.example v1.0.0 h1:${'A'.repeat(43)}=\n`);
  for (const module of [leaf, middle]) {
    log.add(module.lines);
    const base = `/proxy/${module.path}/@v`;
    upstream.put(`${base}/list`, `${version}\n`, 'text/plain');
    upstream.put(`${base}/${version}.info`, module.info, 'application/json');
    upstream.put(`${base}/${version}.mod`, module.mod, 'text/plain');
    upstream.put(`${base}/${version}.zip`, module.zip, 'application/zip');
  }
  log.publish(upstream, goPaths.database);
  return { ...scene, log, leaf, foreign, middle };
}

const source = (name: string, body: string, imports = '') =>
  `package ${name}\n\n${imports}\n\nfunc Value() string { ${body} }\n`;

interface ModuleSource {
  readonly name: string;
  readonly code: string;
  readonly needs?: readonly BuiltModule[];
}

/** Lets the go command pack a git repository: its download cache is what a module proxy serves. */
async function packModule(root: string, { name, code, needs = [] }: ModuleSource): Promise<BuiltModule> {
  const path = `vcs.example/${name}.git`;
  const repository = join(root, 'vcs', `${name}.git`);
  const requires = needs.map((need) => `require ${need.path} ${version}\n`).join('');
  const files = {
    'go.mod': `module ${path}\n\ngo 1.18\n\n${requires}`,
    'go.sum': needs.map(({ lines }) => lines).join(''),
    [`${name}.go`]: code,
  };
  await mkdir(repository, { recursive: true });
  for (const [file, content] of Object.entries(files)) {
    if (content !== '') await writeFile(join(repository, file), content);
  }
  const who = ['-c', 'user.name=Test', '-c', 'user.email=test@registry.example'];
  await must('git', ['init', '--quiet'], repository);
  await must('git', ['add', '.'], repository);
  await must('git', [...who, 'commit', '--quiet', '--message=first'], repository);
  await must('git', ['tag', version], repository);
  const told = await must('go', ['mod', 'download', '-json', `${path}@${version}`], root, {
    ...{ HOME: root, GOPATH: join(root, 'gopath'), GOFLAGS: '-modcacherw', GOTOOLCHAIN: 'local' },
    ...{ GOPROXY: 'direct', GOPRIVATE: '*' },
    // Whatever lies below vcs.example is a repository of this directory.
    ...{ GIT_CONFIG_COUNT: '1', GIT_CONFIG_KEY_0: `url.file://${join(root, 'vcs')}/.insteadOf` },
    GIT_CONFIG_VALUE_0: 'https://vcs.example/',
  });
  const made = JSON.parse(told) as Record<'Info' | 'GoMod' | 'Zip' | 'Sum' | 'GoModSum', string>;
  const [info, mod, zip] = await Promise.all([made.Info, made.GoMod, made.Zip].map((file) => readFile(file)));
  if (!info || !mod || !zip) throw new Error(`go packed no ${path}`);
  return {
    ...{ path, info, mod, zip },
    sums: { zip: made.Sum, mod: made.GoModSum },
    lines: `${path} ${version} ${made.Sum}\n${path} ${version}/go.mod ${made.GoModSum}\n`,
  };
}

async function must(command: string, args: readonly string[], cwd: string, env?: NodeJS.ProcessEnv): Promise<string> {
  const ran = await run(command, args, { cwd, env: { HOME: cwd, GIT_CONFIG_NOSYSTEM: '1', ...env } });
  if (ran.code !== 0) throw new Error(`${command} ${args.join(' ')}: ${ran.code}\n${ran.stderr}`);
  return ran.stdout;
}

/** A program that needs `middle`: downloads its modules and writes go.sum. go looks into a zip before it reads its go.mod. */
export async function getModules(client: PreparedClient): Promise<Ran> {
  await writeFile(join(client.dir, 'go.mod'), 'module app.example\n\ngo 1.18\n');
  const main = 'package main\n\nimport middle "vcs.example/middle.git"\n\nfunc main() { println(middle.Value()) }\n';
  await writeFile(join(client.dir, 'main.go'), main);
  return client.run('go', 'get', `vcs.example/middle.git@${version}`);
}
