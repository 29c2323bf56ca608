import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type EcosystemScene, openEcosystemScene } from './ecosystem-scene.js';
import type { Closable } from './keep.js';
import type { PreparedClient } from './prepared-client.js';
import { sha256 } from './report.js';
import { type Ran, run } from './run.js';

/** A crate as `cargo package` made it. */
export interface BuiltCrate {
  readonly name: string;
  readonly version: string;
  readonly bytes: Buffer;
  /** Its line in the index. */
  readonly line: string;
}

/** Two crates in a sparse index: `middle` needs `leaf`. */
export interface CargoScene extends EcosystemScene {
  readonly leaf: BuiltCrate;
  readonly middle: BuiltCrate;
  /** `leaf` of the same version with another content. */
  readonly foreign: BuiltCrate;
}

/** Paths of the upstream. */
export const cratePaths = { index: '/index/le/af/leaf', leaf: '/crates/leaf/1.0.0/download' } as const;

const configuration = (origin: string) => `[registries.local]\nindex = "sparse+${origin}/index/"\n`;

export async function openCargoScene(keep: <Thing extends Closable>(thing: Thing) => Thing): Promise<CargoScene> {
  const scene = await openEcosystemScene(keep, {
    inspectors: (origin) => ({
      cargo: { registries: { local: { index: `sparse+${origin}/index/`, downloads: [`${origin}/crates/**`] } } },
    }),
    user: (origin) => ({ files: { '.cargo/config.toml': configuration(origin) } }),
  });
  const { dir, upstream, origin } = scene;
  const root = dir.at('cargo');
  const make = (at: string, source: CrateSource) => packageCrate(scene, join(root, at), source);
  upstream.put('/index/config.json', JSON.stringify({ dl: `${origin}/crates` }), 'application/json');
  const publish = ({ name, version, bytes, line }: BuiltCrate) => {
    upstream.put(`/index/${name.slice(0, 2)}/${name.slice(2, 4)}/${name}`, `${line}\n`, 'text/plain');
    upstream.put(`/crates/${name}/${version}/download`, bytes);
  };
  const leaf = await make('leaf', { name: 'leaf', code: 'pub fn value() -> &\'static str { "leaf" }\n' });
  publish(leaf);
  const foreign = await make('foreign', { name: 'leaf', code: 'pub fn value() -> &\'static str { "evil" }\n' });
  const middle = await make('middle', { name: 'middle', code: 'pub use leaf::value;\n', needs: ['leaf'] });
  publish(middle);
  return { ...scene, leaf, foreign, middle };
}

interface CrateSource {
  readonly name: string;
  readonly code: string;
  readonly needs?: readonly string[];
}

async function packageCrate(
  { caFile, dir, origin }: EcosystemScene,
  at: string,
  { name, code, needs = [] }: CrateSource,
): Promise<BuiltCrate> {
  const home = dir.at('cargo-home');
  const version = '1.0.0';
  await write(join(home, 'config.toml'), configuration(origin));
  await write(join(at, 'Cargo.toml'), manifest(name, needs, 'license = "MIT"\ndescription = "of a test"\n'));
  await write(join(at, 'src/lib.rs'), code);
  const ran = await run('cargo', ['package', '--no-verify', '--allow-dirty'], {
    cwd: at,
    env: { ...toolchain(), CARGO_HOME: home, CARGO_HTTP_CAINFO: caFile },
  });
  if (ran.code !== 0) throw new Error(`cargo packaged no ${name}:\n${ran.stderr}`);
  const made = (await readdir(join(at, 'target/package'))).find((file) => file.endsWith('.crate')) ?? '';
  const bytes = await readFile(join(at, 'target/package', made));
  // `registry` is left out where it is the index's own.
  const deps = needs.map((need) => ({
    ...{ name: need, req: '^1.0.0', features: [], optional: false, default_features: true },
    ...{ target: null, kind: 'normal' },
  }));
  const line = JSON.stringify({ name, vers: version, deps, cksum: sha256(bytes), features: {}, yanked: false });
  return { name, version, bytes, line };
}

/** Builds a program that prints what `middle` hands on. */
export async function buildProgram(client: PreparedClient): Promise<Ran> {
  await write(join(client.dir, 'Cargo.toml'), manifest('app', ['middle'], ''));
  await write(join(client.dir, 'src/main.rs'), 'fn main() { println!("{}", middle::value()); }\n');
  return client.run('cargo', 'fetch');
}

function manifest(name: string, needs: readonly string[], more: string): string {
  const dependencies = needs.map((need) => `${need} = { version = "1.0.0", registry = "local" }\n`).join('');
  return `[package]\nname = "${name}"\nversion = "1.0.0"\nedition = "2021"\n${more}\n[dependencies]\n${dependencies}`;
}

/** rustup's programs look for their toolchains in the user's home. */
function toolchain(): NodeJS.ProcessEnv {
  const { HOME, RUSTUP_HOME } = process.env;
  return { HOME, RUSTUP_HOME: RUSTUP_HOME ?? `${HOME}/.rustup` };
}

/** Whether there is a cargo that reads sparse indexes; on CI's machines there has to be one. */
export async function hasCargo(): Promise<boolean> {
  const ran = await run('cargo', ['--version'], { env: toolchain() }).catch(() => undefined);
  const [, minor = '0'] = /^cargo 1\.(\d+)/.exec(ran?.stdout ?? '') ?? [];
  return Number(minor) >= 70 || process.env.WAYBILL_CI === '1';
}

async function write(path: string, content: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
}
