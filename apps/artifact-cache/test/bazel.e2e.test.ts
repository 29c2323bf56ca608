import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createGrpcScene, type GrpcScene } from './grpc-scene.js';
import { createLosingStore } from './losing-store.js';
import { type ClientPlace, createClientPlace, findClient, patience } from './real-client.js';

const bazel = findClient('bazel');

/** Bazel wants this repository, which it would fetch; names alone are enough. */
const everybody = 'package(default_visibility = ["//visibility:public"])\n';
const cpus = ['x86_32', 'x86_64', 'ppc', 'arm', 'aarch64', 's390x'];
const systems = ['osx', 'ios', 'linux', 'windows', 'android', 'freebsd', 'openbsd'];
const values = (setting: string, names: readonly string[]) =>
  `${everybody}constraint_setting(name = "${setting}")\n[constraint_value(name = n, constraint_setting = ":${setting}") for n in ${JSON.stringify(names)}]\n`;

const { store, lost } = createLosingStore();
let open: GrpcScene;
let readable: GrpcScene;
let place: ClientPlace;

beforeAll(async () => {
  if (!bazel) return;
  // This Bazel shows credentials only inside the authority, which HTTP/2 forbids and Node refuses (RFC 9113 §8.3.1).
  open = await createGrpcScene({ store, anonymous: 'write' });
  readable = await createGrpcScene({ store, anonymous: 'read', addPrincipals: false });
  place = await createClientPlace();
  await place.write({
    'platforms/WORKSPACE': 'workspace(name = "platforms")\n',
    'platforms/cpu/BUILD': values('cpu', cpus),
    'platforms/os/BUILD': values('os', systems),
    'demo/WORKSPACE': 'workspace(name = "demo")\n',
    'demo/BUILD':
      'genrule(name = "out", srcs = ["in.txt"], outs = ["small", "large"], cmd = "cat $< > $(location small) && seq 1 800000 > $(location large)")\n',
    'demo/in.txt': 'input\n',
  });
});
afterAll(async () => {
  if (!bazel) return;
  for (const base of ['first', 'second', 'third', 'reader']) await run(base, ['shutdown']);
  await open[Symbol.asyncDispose]();
  await readable[Symbol.asyncDispose]();
  await place[Symbol.asyncDispose]();
}, patience.timeout);

function run(base: string, args: readonly string[]) {
  return place.run(
    bazel ?? '',
    [
      `--output_user_root=${place.at('bazel')}`,
      `--output_base=${place.at('bases', base)}`,
      '--host_jvm_args=-Xmx512m',
      '--max_idle_secs=60',
      '--nohome_rc',
      '--nosystem_rc',
      ...args,
    ],
    { home: base, cwd: place.at('demo') },
  );
}

/** Builds with a base of its own: nothing is known from before. */
async function build(base: string, { port }: GrpcScene, ...more: string[]) {
  const { code, output } = await run(base, [
    'build',
    `--override_repository=platforms=${place.at('platforms')}`,
    `--remote_cache=grpc://127.0.0.1:${port}`,
    '--spawn_strategy=local',
    '--noshow_progress',
    '--experimental_convenience_symlinks=ignore',
    ...more,
    '//:out',
  ]);
  return { code, output, isHit: /1 remote cache hit/.test(output) };
}

describe.skipIf(!bazel)('Bazel 2.1 over gRPC', patience, () => {
  it('stores what it built', async () => {
    const built = await build('first', open);
    expect(built.code, built.output).toBe(0);
    expect(built.isHit).toBe(false);
    const [entry, ...others] = await store.namespace('main').list({ kind: 'action', limit: 10 });
    expect(others).toEqual([]);
    expect(entry?.writer).toMatchObject({ principal: 'anonymous', client: expect.stringMatching(/^bazel 2\.1/) });
  });

  it('takes it from the cache elsewhere, as somebody who may only read', async () => {
    const built = await build('reader', readable, '--noremote_upload_local_results');
    expect(built.output).toMatch(/1 remote cache hit/);
    expect(built.code).toBe(0);
  });

  it('says at once that it may not upload', async () => {
    const built = await build('reader', readable, '--remote_upload_local_results');
    expect(built.code).not.toBe(0);
    expect(built.output).toMatch(/not authorized to write local results/);
  });

  it('builds again what lost an output', async () => {
    const [entry] = await store.namespace('main').list({ kind: 'action', limit: 1 });
    const large = entry?.references.toSorted((a, b) => b.size - a.size)[0];
    lost.add(large?.sha256 ?? '');
    const built = await build('second', open);
    expect(built.code, built.output).toBe(0);
    expect(built.isHit).toBe(false);
    expect(lost.size).toBe(0);
    expect(await build('third', open)).toMatchObject({ code: 0, isHit: true });
  });
});
