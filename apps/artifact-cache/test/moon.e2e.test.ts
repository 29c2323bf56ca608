import { runProgram } from '@waybill/testkit';
import { afterEach, describe, expect, it } from 'vitest';
import { createGrpcScene, type GrpcScene, type SceneOptions } from './grpc-scene.js';
import { createLosingStore } from './losing-store.js';
import { type ClientPlace, createClientPlace, findClient, patience } from './real-client.js';

const moon = findClient('moon');

let scene: GrpcScene | undefined;
let place: ClientPlace | undefined;
afterEach(async () => {
  await scene?.[Symbol.asyncDispose]();
  await place?.[Symbol.asyncDispose]();
});

/** Clones of one workspace whose task says that it ran and makes a small file, a text and a large file. */
async function start(options: SceneOptions) {
  scene = await createGrpcScene(options);
  const made = await createClientPlace();
  place = made;
  const { port } = scene;
  const clone = async (name: string) => {
    const remote = {
      api: 'grpc',
      host: `grpc://127.0.0.1:${port}`,
      auth: { token: 'CACHE_TOKEN' },
      cache: { instanceName: 'team/moon', compression: 'zstd' },
    };
    const script =
      'mkdir -p out && seq 1 300000 > out/text && seq 1 1000000 > out/large && echo small > out/small && echo it ran';
    await made.write({
      [`${name}/.moon/workspace.yml`]: JSON.stringify({ projects: { app: 'app' }, remote, telemetry: false }),
      [`${name}/app/moon.yml`]: JSON.stringify({
        tasks: { build: { command: `sh -c '${script}'`, inputs: ['in.txt'], outputs: ['out'] } },
      }),
      [`${name}/app/in.txt`]: 'input\n',
    });
    for (const args of [
      ['init', '-q', '.'],
      ['add', '-A'],
      ['-c', 'user.name=t', '-c', 'user.email=t@example.org', 'commit', '-qm', 'all'],
    ]) {
      expect(await runProgram('git', args, { cwd: made.at(name) })).toMatchObject({ code: 0 });
    }
    return {
      async build(token?: string) {
        const { code, output } = await made.run(moon ?? '', ['run', 'app:build'], {
          home: name,
          cwd: made.at(name),
          env: { MOON_HOME: made.at('homes', name, '.moon'), ...(token ? { CACHE_TOKEN: token } : {}) },
        });
        expect(code, output).toBe(0);
        expect(await made.read(name, 'app/out/small')).toBe('small\n');
        return { output, isCached: /cached from remote/.test(output) };
      },
      large: () => made.read(name, 'app/out/large'),
    };
  };
  return { clone, scene };
}

const results = async (scene: GrpcScene) =>
  (await scene.store.namespace('team/moon').list({ kind: 'action', limit: 10 })).length;

describe.skipIf(!moon)('moon over gRPC', patience, () => {
  it('takes from the cache what another clone built, with a token, compressed, in an instance of two segments', async () => {
    const { clone, scene } = await start({});
    const first = await clone('first');
    expect(await first.build('writer')).toMatchObject({ isCached: false });
    expect(await results(scene)).toBe(1);
    const second = await clone('second');
    expect(await second.build('reader')).toMatchObject({ isCached: true });
    expect(await second.large()).toBe(await first.large());
  });

  it('builds again what lost an output', async () => {
    const { store, lost } = createLosingStore();
    const { clone } = await start({ store });
    await (await clone('first')).build('writer');
    const [entry] = await store.namespace('team/moon').list({ kind: 'action', limit: 1 });
    const large = entry?.references.toSorted((a, b) => b.size - a.size)[0];
    lost.add(large?.sha256 ?? '');
    expect(await (await clone('second')).build('writer')).toMatchObject({ isCached: false });
    expect(lost.size).toBe(0);
    expect(await (await clone('third')).build('reader')).toMatchObject({ isCached: true });
  });

  it('builds where it may not write, or shows a wrong token, and leaves nothing', async () => {
    const { clone, scene } = await start({});
    expect(await (await clone('reader')).build('reader')).toMatchObject({ isCached: false });
    expect(await (await clone('wrong')).build('nonsense')).toMatchObject({ isCached: false });
    expect(await results(scene)).toBe(0);
  });
});
