import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { noise } from './blobs.js';
import { certificateDigest, makeCertificate } from './certificates.js';
import { createGrpcScene, type GrpcScene, type SceneOptions } from './grpc-scene.js';
import { createLosingStore } from './losing-store.js';
import { type ClientPlace, createClientPlace, findClient, patience } from './real-client.js';

interface Server {
  readonly url: string;
  readonly push: boolean;
  readonly instance?: string;
  readonly auth?: Readonly<Record<string, string>>;
}

/** Both generations: their programs, and how their users say the same. */
const generations = [
  {
    name: 'BuildStream 1.6',
    program: findClient('bst1'),
    project: 'name: demo\nformat-version: 18\nelement-path: elements\n',
    config: ({ url, push }: Server) => `artifacts:\n  url: ${url}\n  push: ${push}\n`,
    checkout: (to: string) => ['checkout', '--deps', 'none', '--no-integrate', 'a.bst', to],
    kind: 'asset-directory',
  },
  {
    name: 'BuildStream 2',
    program: findClient('bst2'),
    project: 'name: demo\nmin-version: 2.0\nelement-path: elements\n',
    config: ({ url, push, instance, auth }: Server) =>
      `artifacts:\n  servers:\n  - ${JSON.stringify({
        url,
        push,
        ...(instance ? { 'instance-name': instance } : {}),
        ...(auth ? { auth } : {}),
      })}\n`,
    checkout: (to: string) => ['artifact', 'checkout', '--deps', 'none', '--no-integrate', 'a.bst', '--directory', to],
    kind: 'asset-blob',
  },
] as const;
type Generation = (typeof generations)[number];

let scene: GrpcScene | undefined;
let place: ClientPlace | undefined;
afterEach(async () => {
  await scene?.[Symbol.asyncDispose]();
  await place?.[Symbol.asyncDispose]();
  scene = undefined;
  place = undefined;
});

/** One element that imports files, the largest of them beyond what goes into batches. */
async function createProject(generation: Generation): Promise<ClientPlace> {
  const made = await createClientPlace();
  place = made;
  await made.write({
    'project/project.conf': generation.project,
    'project/elements/a.bst': 'kind: import\nsources:\n- kind: local\n  path: files\n',
    'project/files/hello.txt': 'hello\n',
    'project/files/below/again.txt': 'again\n',
    'project/files/large': noise(5_000_000),
  });
  return made;
}

async function startScene(options: SceneOptions): Promise<GrpcScene> {
  await scene?.[Symbol.asyncDispose]();
  scene = await createGrpcScene(options);
  return scene;
}

/** Builds as somebody new, and says where the artifact came from. */
async function build(generation: Generation, made: ClientPlace, { home, server }: { home: string; server: Server }) {
  await made.write({ [`${home}.yaml`]: generation.config(server) });
  const bst = (...args: string[]) =>
    made.run(
      generation.program ?? '',
      ['--no-interactive', '--no-colors', '-C', made.at('project'), '-c', made.at(`${home}.yaml`), ...args],
      { home },
    );
  const { code, output } = await bst('build', 'a.bst');
  expect(code, output).toBe(0);
  const checkedOut = await bst(...generation.checkout(made.at(`out-${home}`)));
  expect(checkedOut.code, checkedOut.output).toBe(0);
  expect(await made.read(`out-${home}`, 'below/again.txt')).toBe('again\n');
  return { output, isPulled: /Pulled artifact/.test(output), isPushed: /Pushed artifact/.test(output), bst };
}

const names = async (scene: GrpcScene, namespace = 'main') =>
  (await scene.store.namespace(namespace).list({ limit: 100 })).map(({ kind, key }) => `${kind} ${key}`);

describe.each(generations)('$name', patience, (generation) => {
  beforeEach((context) => {
    if (!generation.program) context.skip(`${generation.name} is not installed`);
  });

  it('pushes what it built, and the next one pulls it', async () => {
    const made = await createProject(generation);
    const { port, store } = await startScene({ anonymous: 'write' });
    const server = { url: `http://127.0.0.1:${port}`, push: true };
    const first = await build(generation, made, { home: 'first', server });
    expect(first).toMatchObject({ isPulled: false, isPushed: true });
    const [entry] = await store.namespace('main').list({ kind: generation.kind, limit: 1 });
    // All files are held by the name, the large one too.
    expect(entry?.references.some(({ size }) => size === 5_000_000)).toBe(true);
    const second = await build(generation, made, { home: 'second', server });
    expect(second).toMatchObject({ isPulled: true, isPushed: false });
    expect(await made.read('out-second', 'large')).toBe(await made.read('project/files/large'));
  });

  it('pulls, and does without pushing, where it may only read', async () => {
    const made = await createProject(generation);
    const { store, lost } = createLosingStore();
    const open = await startScene({ store, anonymous: 'write' });
    await build(generation, made, { home: 'first', server: { url: `http://127.0.0.1:${open.port}`, push: true } });
    const before = await names(open);
    const closed = await startScene({ store, anonymous: 'read', addPrincipals: false });
    const url = `http://127.0.0.1:${closed.port}`;
    expect(await build(generation, made, { home: 'reader', server: { url, push: false } })).toMatchObject({
      isPulled: true,
    });
    // It hopes to push, and is not kept from pulling by that.
    expect(await build(generation, made, { home: 'hopeful', server: { url, push: true } })).toMatchObject({
      isPulled: true,
    });
    expect(await names(closed)).toEqual(before);
    expect(lost.size).toBe(0);
  });

  it('builds again what lost a file, and heals the cache', async () => {
    const made = await createProject(generation);
    const { store, lost } = createLosingStore();
    const { port } = await startScene({ store, anonymous: 'write' });
    const server = { url: `http://127.0.0.1:${port}`, push: true };
    await build(generation, made, { home: 'first', server });
    const [entry] = await store.namespace('main').list({ kind: generation.kind, limit: 1 });
    const large = entry?.references.find(({ size }) => size === 5_000_000);
    lost.add(large?.sha256 ?? '');
    expect(await build(generation, made, { home: 'second', server })).toMatchObject({
      isPulled: false,
      isPushed: true,
    });
    expect(lost.size).toBe(0);
    expect(await build(generation, made, { home: 'third', server })).toMatchObject({ isPulled: true });
  });

  it('builds without a server that is not there', async () => {
    const made = await createProject(generation);
    const { port } = await startScene({});
    await scene?.[Symbol.asyncDispose]();
    scene = undefined;
    const server = { url: `http://127.0.0.1:${port}`, push: true };
    expect(await build(generation, made, { home: 'first', server })).toMatchObject({
      isPulled: false,
      isPushed: false,
    });
  });
});

const [, second] = generations;
describe.skipIf(!second.program)('BuildStream 2 over TLS', patience, () => {
  it('shows a token, in an instance of its own; a wrong one leaves it without the cache', async () => {
    const made = await createProject(second);
    const { ca, tls } = await makeCertificates(made);
    const started = await startScene({ tls });
    await made.write({ writer: 'writer', reader: 'reader', wrong: 'nonsense' });
    const server = (token: string, push: boolean): Server => ({
      url: `https://localhost:${started.port}`,
      push,
      instance: 'team/a',
      auth: { 'server-cert': ca.cert, 'access-token': made.at(token) },
    });
    const first = await build(second, made, { home: 'writer-home', server: server('writer', true) });
    expect(first).toMatchObject({ isPushed: true });
    expect(await names(started, 'main')).toEqual([]);
    const [entry] = await started.store.namespace('team/a').list({ limit: 1 });
    expect(entry?.writer.principal).toBe('writer');
    expect(await build(second, made, { home: 'reader-home', server: server('reader', false) })).toMatchObject({
      isPulled: true,
    });
    const wrong = await build(second, made, { home: 'wrong-home', server: server('wrong', true) });
    expect(wrong).toMatchObject({ isPulled: false, isPushed: false });
  });

  it('shows a client certificate', async () => {
    const made = await createProject(second);
    const { ca, tls } = await makeCertificates(made);
    const client = await makeCertificate(made.at('project'), 'client', ca);
    const started = await startScene({ tls: { ...tls, clientCa: ca.cert } });
    const credential = { kind: 'certificate', value: await certificateDigest(client.cert) } as const;
    const grants = [{ namespace: 'main', right: 'write' }] as const;
    await started.store.principals.add({ id: 'machine', credential, grants }, { principal: 'test' });
    const auth = { 'server-cert': ca.cert, 'client-cert': client.cert, 'client-key': client.key };
    const server = { url: `https://localhost:${started.port}`, push: true, auth };
    expect(await build(second, made, { home: 'first', server })).toMatchObject({ isPushed: true });
    const [entry] = await started.store.namespace('main').list({ limit: 1 });
    expect(entry?.writer.principal).toBe('machine');
  });
});

async function makeCertificates(made: ClientPlace) {
  const ca = await makeCertificate(made.at('project'), 'ca');
  return { ca, tls: await makeCertificate(made.at('project'), 'localhost', ca) };
}
