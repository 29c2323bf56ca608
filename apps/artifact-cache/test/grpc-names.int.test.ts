import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { status } from '@grpc/grpc-js';
import { type CacheStore, CacheStoreError } from '@waybill/cache-store';
import { afterEach, describe, expect, it } from 'vitest';
import { Fetch, Push } from '../src/gen/build/bazel/remote/asset/v1/remote_asset_pb.js';
import {
  ActionCache,
  ActionResultSchema,
  ContentAddressableStorage,
  DirectorySchema,
  RequestMetadataSchema,
  TreeSchema,
} from '../src/gen/build/bazel/remote/execution/v2/remote_execution_pb.js';
import { ReferenceStorage } from '../src/gen/buildstream/v2/reference_storage_pb.js';
import { RetryInfoSchema } from '../src/gen/google/rpc/error_details_pb.js';
import { StatusSchema } from '../src/gen/google/rpc/status_pb.js';
import { Health, HealthCheckResponse_ServingStatus } from '../src/gen/grpc/health/v1/health_pb.js';
import { blobOf, directoryOf, type TestBlob } from './blobs.js';
import { createGrpcScene, type GrpcClient, type GrpcScene, type SceneOptions } from './grpc-scene.js';
import { createLosingStore } from './losing-store.js';

const { batchUpdateBlobs } = ContentAddressableStorage.method;
const { fetchBlob, fetchDirectory } = Fetch.method;
const { pushBlob, pushDirectory } = Push.method;
const { getActionResult, updateActionResult } = ActionCache.method;
const bad = { code: status.INVALID_ARGUMENT };
const miss = { code: status.NOT_FOUND };

let scene: GrpcScene;
afterEach(() => scene?.[Symbol.asyncDispose]());

async function start(options: SceneOptions = {}) {
  scene = await createGrpcScene(options);
  return { writer: scene.client('writer'), reader: scene.client('reader'), nobody: scene.client() };
}

async function store(client: GrpcClient, ...blobs: TestBlob[]) {
  const requests = blobs.map(({ digest, bytes: data }) => ({ digest, data }));
  expect(await client.unary(batchUpdateBlobs, { requests })).toMatchObject({ code: 0 });
}

const strong = 'urn:fdc:buildstream.build:2020:artifact:project/element.bst/strong';
const weak = 'urn:fdc:buildstream.build:2020:artifact:project/element.bst/weak';

describe('questions without URIs', () => {
  it('are invalid for everybody, before rights: BuildStream learns by them what is spoken', async () => {
    const { writer, reader, nobody } = await start();
    for (const client of [writer, reader, nobody]) {
      for (const instanceName of ['', 'no/such']) {
        expect(await client.unary(fetchBlob, { instanceName })).toMatchObject(bad);
        expect(await client.unary(fetchDirectory, { instanceName })).toMatchObject(bad);
        expect(await client.unary(pushBlob, { instanceName })).toMatchObject(bad);
        expect(await client.unary(pushDirectory, { instanceName })).toMatchObject(bad);
      }
    }
  });
});

describe('assets', () => {
  it('are found under each URI of one push, the first known one in the order asked', async () => {
    const { writer, reader } = await start();
    const value = blobOf('artifact');
    await store(writer, value);
    expect(await writer.unary(pushBlob, { uris: [strong, weak], blobDigest: value.digest })).toMatchObject({ code: 0 });
    for (const uri of [strong, weak]) {
      const { answer } = await reader.unary(fetchBlob, { uris: ['urn:x:unknown', uri] });
      expect(answer).toMatchObject({ uri, blobDigest: value.digest, status: { code: 0 } });
    }
    expect(await reader.unary(fetchBlob, { uris: ['urn:x:unknown'] })).toMatchObject(miss);
    expect(await reader.unary(fetchBlob, { uris: [strong], instanceName: 'team/a' })).toMatchObject(miss);
  });

  it('of one kind are none of the other, whatever their bytes parse as', async () => {
    const { writer } = await start();
    const directory = directoryOf({});
    const nested = directoryOf({}, { d: directory });
    await store(writer, directory, nested);
    await writer.unary(pushBlob, { uris: ['urn:x:a'], blobDigest: nested.digest });
    expect(await writer.unary(fetchDirectory, { uris: ['urn:x:a'] })).toMatchObject(miss);
    await writer.unary(pushDirectory, { uris: ['urn:x:a'], rootDirectoryDigest: nested.digest });
    expect(await writer.unary(fetchDirectory, { uris: ['urn:x:a'] })).toMatchObject({
      answer: { rootDirectoryDigest: nested.digest },
    });
  });

  it('take a new value under an old URI: weak keys move', async () => {
    const { writer } = await start();
    const [one, two] = [blobOf('one'), blobOf('two')];
    await store(writer, one, two);
    for (const { digest } of [one, two]) {
      expect(await writer.unary(pushBlob, { uris: [weak], blobDigest: digest })).toMatchObject({ code: 0 });
    }
    expect(await writer.unary(fetchBlob, { uris: [weak] })).toMatchObject({ answer: { blobDigest: two.digest } });
  });

  it('stay as they are where the namespace says so, all URIs of a push or none', async () => {
    const { writer } = await start({ rules: () => ({ overwrite: { 'asset-blob': 'first-wins' } }) });
    const [one, two] = [blobOf('one'), blobOf('two')];
    await store(writer, one, two);
    await writer.unary(pushBlob, { uris: [weak], blobDigest: one.digest });
    expect(await writer.unary(pushBlob, { uris: [weak], blobDigest: one.digest })).toMatchObject({ code: 0 });
    expect(await writer.unary(pushBlob, { uris: [strong, weak], blobDigest: two.digest })).toMatchObject({
      code: status.ALREADY_EXISTS,
    });
    expect(await writer.unary(fetchBlob, { uris: [strong] })).toMatchObject(miss);
    expect(await writer.unary(fetchBlob, { uris: [weak] })).toMatchObject({ answer: { blobDigest: one.digest } });
  });

  it('know qualifiers as a set', async () => {
    const { writer } = await start();
    const [plain, branch] = [blobOf('plain'), blobOf('branch')];
    await store(writer, plain, branch);
    const a = { name: 'vcs.branch', value: 'main' };
    const b = { name: 'directory', value: 'src' };
    const uris = ['https://git.example/repo.git'];
    await writer.unary(pushBlob, { uris, blobDigest: plain.digest });
    await writer.unary(pushBlob, { uris, qualifiers: [a, b], blobDigest: branch.digest });
    const found = async (qualifiers: { name: string; value: string }[]) =>
      (await writer.unary(fetchBlob, { uris, qualifiers })).answer?.blobDigest?.hash;
    expect(await found([])).toBe(plain.digest.hash);
    expect(await found([b, a])).toBe(branch.digest.hash);
    expect(await found([a])).toBeUndefined();
    expect(await found([a, b, { name: 'more', value: '' }])).toBeUndefined();
    expect(await writer.unary(fetchBlob, { uris, qualifiers: [a, { ...a, value: 'other' }] })).toMatchObject(bad);
    expect(await writer.unary(fetchBlob, { uris, qualifiers: [{ name: '', value: '' }] })).toMatchObject(bad);
  });

  it.each(['', 'no scheme', 'urn:with blank', 'urn:new\nline', 'urn:', `urn:x:${'a'.repeat(9000)}`])(
    'refuse the URI %j',
    async (uri) => {
      const { writer } = await start();
      expect(await writer.unary(pushBlob, { uris: [uri], blobDigest: blobOf('').digest })).toMatchObject(bad);
    },
  );

  it('take long URIs, which differ at their very end', async () => {
    const { writer } = await start();
    const uri = `urn:x:${'a'.repeat(5000)}`;
    await writer.unary(pushBlob, { uris: [`${uri}1`], blobDigest: blobOf('').digest });
    expect(await writer.unary(fetchBlob, { uris: [`${uri}1`] })).toMatchObject({ answer: { uri: `${uri}1` } });
    expect(await writer.unary(fetchBlob, { uris: [`${uri}2`] })).toMatchObject(miss);
  });

  it('are too old for who wants newer ones', async () => {
    const { writer } = await start();
    await writer.unary(pushBlob, { uris: [weak], blobDigest: blobOf('').digest });
    const later = timestampFromDate(new Date(Date.now() + 3_600_000));
    const before = timestampFromDate(new Date(Date.now() - 3_600_000));
    expect(await writer.unary(fetchBlob, { uris: [weak], oldestContentAccepted: later })).toMatchObject(miss);
    expect(await writer.unary(fetchBlob, { uris: [weak], oldestContentAccepted: before })).toMatchObject({ code: 0 });
  });

  it('are not set by readers', async () => {
    const { reader, nobody } = await start();
    const request = { uris: [weak], blobDigest: blobOf('').digest };
    expect(await reader.unary(pushBlob, request)).toMatchObject({ code: status.PERMISSION_DENIED });
    expect(await nobody.unary(pushBlob, request)).toMatchObject({ code: status.UNAUTHENTICATED });
    expect(await reader.unary(fetchBlob, request)).toMatchObject(miss);
  });
});

describe('what a name needs', () => {
  it('has to be there before it: the value, its references, and all below directories', async () => {
    const { writer } = await start();
    const value = blobOf('artifact');
    const log = blobOf('log');
    const file = blobOf('file');
    const leaf = directoryOf({ file });
    const root = directoryOf({}, { leaf });
    const push = () =>
      writer.unary(pushBlob, {
        uris: [strong],
        blobDigest: value.digest,
        referencesBlobs: [log.digest],
        referencesDirectories: [root.digest],
      });
    for (const blob of [value, log, root, leaf, file]) {
      expect(await push()).toMatchObject({ code: status.FAILED_PRECONDITION });
      expect(await writer.unary(fetchBlob, { uris: [strong] })).toMatchObject(miss);
      await store(writer, blob);
    }
    expect(await push()).toMatchObject({ code: 0 });
    const entry = await scene.store.namespace('main').lookup('asset-blob', [strong]);
    expect(entry?.references.map(({ sha256 }) => sha256).sort()).toEqual(
      [log, root, leaf, file].map(({ digest }) => digest.hash).sort(),
    );
  });

  it('lost later, the name is lost with it', async () => {
    const { lost, store: evicting } = createLosingStore();
    const { writer } = await start({ store: evicting });
    const file = blobOf('file');
    const root = directoryOf({ file });
    await store(writer, file, root);
    const push = () => writer.unary(pushDirectory, { uris: [strong], rootDirectoryDigest: root.digest });
    expect(await push()).toMatchObject({ code: 0 });
    lost.add(file.digest.hash);
    expect(await writer.unary(fetchDirectory, { uris: [strong] })).toMatchObject(miss);
  });

  it('is looked at once however often it is listed', async () => {
    const { writer } = await start();
    let level = directoryOf({ f: blobOf('') });
    await store(writer, level);
    // 2^100 paths.
    for (let depth = 0; depth < 100; depth++) {
      level = directoryOf({}, { a: level, b: level });
      await store(writer, level);
    }
    expect(await writer.unary(pushDirectory, { uris: [strong], rootDirectoryDigest: level.digest })).toMatchObject({
      code: 0,
    });
  });

  it.each<[string, Uint8Array]>([
    ['no protobuf', Buffer.from('this is no directory')],
    ['a file without digest', toBinary(DirectorySchema, create(DirectorySchema, { files: [{ name: 'f' }] }))],
    ['a path upwards', directoryOf({ '../f': blobOf('') }).bytes],
    ['the directory above', directoryOf({}, { '..': directoryOf({}) }).bytes],
    ['an empty name', directoryOf({ '': blobOf('') }).bytes],
    ['a strange hash', directoryOf({ f: { ...blobOf(''), digest: { hash: 'G'.repeat(64), sizeBytes: 1n } } }).bytes],
    ['a negative size', directoryOf({ f: { ...blobOf(''), digest: { ...blobOf('').digest, sizeBytes: -1n } } }).bytes],
    ['groups in groups', Buffer.alloc(200_000, 0x0b)],
    ['a length beyond the end', Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x07])],
  ])('is refused when it holds %s', async (_name, bytes) => {
    const { writer } = await start();
    const root = blobOf(bytes);
    await store(writer, root, directoryOf({}));
    expect(await writer.unary(pushDirectory, { uris: [strong], rootDirectoryDigest: root.digest })).toMatchObject(bad);
    expect(
      await writer.unary(pushBlob, { uris: [strong], blobDigest: root.digest, referencesDirectories: [root.digest] }),
    ).toMatchObject(bad);
    // As a blob it is nobody's business what it holds.
    expect(await writer.unary(pushBlob, { uris: [strong], blobDigest: root.digest })).toMatchObject({ code: 0 });
  });
});

describe('action results', () => {
  const action = blobOf('{"no": "protobuf"}');
  const out = blobOf('output');

  it('come back as they were stored, also for a manifest that is no Action', async () => {
    const { writer, reader } = await start();
    await store(writer, action, out);
    const actionResult = { outputFiles: [{ path: 'out', digest: out.digest }], stdoutRaw: Buffer.from('said') };
    const update = { actionDigest: action.digest, actionResult };
    expect(await reader.unary(getActionResult, update)).toMatchObject(miss);
    expect(await reader.unary(updateActionResult, update)).toMatchObject({ code: status.PERMISSION_DENIED });
    expect(await writer.unary(updateActionResult, update)).toMatchObject({ code: 0 });
    const { answer } = await reader.unary(getActionResult, { actionDigest: action.digest });
    expect(toBinary(ActionResultSchema, answer ?? create(ActionResultSchema))).toEqual(
      toBinary(ActionResultSchema, create(ActionResultSchema, actionResult)),
    );
    expect(await reader.unary(getActionResult, { actionDigest: action.digest, instanceName: 'team/a' })).toMatchObject(
      miss,
    );
  });

  it('inline what is asked for', async () => {
    const { writer } = await start();
    const said = blobOf('said');
    await store(writer, out, said);
    await writer.unary(updateActionResult, {
      actionDigest: action.digest,
      actionResult: {
        outputFiles: [
          { path: 'a', digest: out.digest },
          { path: 'b', digest: out.digest },
        ],
        stdoutDigest: said.digest,
      },
    });
    const ask = { actionDigest: action.digest, inlineStdout: true, inlineStderr: true, inlineOutputFiles: ['b'] };
    const { answer } = await writer.unary(getActionResult, ask);
    expect(answer?.outputFiles.map(({ contents }) => contents.length)).toEqual([0, 6]);
    expect(Buffer.from(answer?.stdoutRaw ?? []).toString()).toBe('said');
  });

  it('keep what came inlined in the storage as well, and refuse contents that are others', async () => {
    const { writer } = await start();
    const update = (contents: string) =>
      writer.unary(updateActionResult, {
        actionDigest: action.digest,
        actionResult: { outputFiles: [{ path: 'out', digest: out.digest, contents: Buffer.from(contents) }] },
      });
    expect(await update('others')).toMatchObject(bad);
    expect(await update('output')).toMatchObject({ code: 0 });
    expect(await scene.store.namespace('main').present([out.blob])).toEqual([true]);
  });

  it('are written once', async () => {
    const { writer } = await start();
    const update = (exitCode: number) =>
      writer.unary(updateActionResult, { actionDigest: action.digest, actionResult: { exitCode } });
    expect(await update(1)).toMatchObject({ code: 0 });
    expect(await update(1)).toMatchObject({ code: 0 });
    expect(await update(2)).toMatchObject({ code: status.ALREADY_EXISTS });
    expect((await writer.unary(getActionResult, { actionDigest: action.digest })).answer?.exitCode).toBe(1);
  });

  it('are a miss when an output, or a file in a tree, is gone', async () => {
    const { lost, store: evicting } = createLosingStore();
    const { writer } = await start({ store: evicting });
    const inTree = blobOf('in tree');
    const tree = blobOf(
      toBinary(TreeSchema, create(TreeSchema, { root: { files: [{ name: 'f', digest: inTree.digest }] } })),
    );
    await store(writer, out, inTree, tree);
    const update = {
      actionDigest: action.digest,
      actionResult: {
        outputFiles: [{ path: 'out', digest: out.digest }],
        outputDirectories: [{ path: 'dir', treeDigest: tree.digest }],
      },
    };
    for (const blob of [out, inTree, tree]) {
      expect(await writer.unary(updateActionResult, update)).toMatchObject({ code: 0 });
      expect(await writer.unary(getActionResult, { actionDigest: action.digest })).toMatchObject({ code: 0 });
      lost.add(blob.digest.hash);
      expect(await writer.unary(getActionResult, { actionDigest: action.digest })).toMatchObject(miss);
      lost.delete(blob.digest.hash);
    }
  });

  it.each<[string, Parameters<typeof create<typeof ActionResultSchema>>[1], number]>([
    ['nothing', {}, status.INVALID_ARGUMENT],
    [
      'an absolute path',
      { outputFiles: [{ path: '/etc/passwd', digest: blobOf('').digest }] },
      status.INVALID_ARGUMENT,
    ],
    ['a file without digest', { outputFiles: [{ path: 'a' }] }, status.INVALID_ARGUMENT],
    ['an output that is not here', { outputFiles: [{ path: 'a', digest: out.digest }] }, status.FAILED_PRECONDITION],
    [
      'a tree that is not here',
      { outputDirectories: [{ path: 'a', treeDigest: out.digest }] },
      status.FAILED_PRECONDITION,
    ],
  ])('are refused with %s', async (_name, actionResult, code) => {
    const { writer } = await start();
    expect(
      await writer.unary(updateActionResult, { actionDigest: action.digest, actionResult: actionResult ?? {} }),
    ).toMatchObject({ code });
    expect(await writer.unary(getActionResult, { actionDigest: action.digest })).toMatchObject(miss);
  });
});

describe('references of BuildStream 1.2 to 1.5', () => {
  it('name directories with all that is below', async () => {
    const { writer, reader } = await start();
    const { getReference, updateReference, status: askStatus } = ReferenceStorage.method;
    const file = blobOf('file');
    const root = directoryOf({ file });
    const update = { keys: ['p/e/strong', 'p/e/weak'], digest: root.digest };
    await store(writer, root);
    expect(await writer.unary(updateReference, update)).toMatchObject({ code: status.FAILED_PRECONDITION });
    expect(await writer.unary(getReference, { key: 'p/e/weak' })).toMatchObject(miss);
    await store(writer, file);
    expect(await reader.unary(updateReference, update)).toMatchObject({ code: status.PERMISSION_DENIED });
    expect(await writer.unary(updateReference, update)).toMatchObject({ code: 0 });
    expect(await reader.unary(getReference, { key: 'p/e/weak' })).toMatchObject({ answer: { digest: root.digest } });
    expect((await writer.unary(askStatus, {})).answer?.allowUpdates).toBe(true);
    expect((await reader.unary(askStatus, {})).answer?.allowUpdates).toBe(false);
    expect(await writer.unary(updateReference, { keys: [], digest: root.digest })).toMatchObject(bad);
    expect(await writer.unary(updateReference, { keys: ['a\nb'], digest: root.digest })).toMatchObject(bad);
  });
});

describe('a store in trouble', () => {
  it.each([
    [new CacheStoreError('CACHE_FULL', 'no room'), status.RESOURCE_EXHAUSTED, true],
    [new CacheStoreError('CACHE_CLOSED', 'closed'), status.UNAVAILABLE, true],
    [new CacheStoreError('CACHE_READ_ONLY', 'no writes'), status.PERMISSION_DENIED, false],
    [new Error('/var/lib/secret/path'), status.INTERNAL, false],
  ])('%s', async (failure, code, hasRetry) => {
    const { store: base } = createLosingStore();
    const namespace: CacheStore['namespace'] = (name) =>
      new Proxy(base.namespace(name), {
        get: (target, key) =>
          key === 'upload' || key === 'publish' ? () => Promise.reject(failure) : Reflect.get(target, key),
      });
    const { writer } = await start({ store: { ...base, namespace } });
    const outcome = await writer.unary(pushBlob, { uris: [weak], blobDigest: blobOf('').digest });
    expect(outcome).toMatchObject({ code });
    expect(outcome.details).not.toContain('/var/lib');
    const [packed] = outcome.code === 0 ? [] : outcome.metadata.get('grpc-status-details-bin');
    const details = packed ? fromBinary(StatusSchema, packed as Buffer).details : [];
    expect(details.some(({ typeUrl }) => typeUrl.endsWith(RetryInfoSchema.typeName))).toBe(hasRetry);
    const { answer } = await writer.unary(batchUpdateBlobs, {
      requests: [{ digest: blobOf('a').digest, data: Buffer.from('a') }],
    });
    expect(answer?.responses[0]?.status?.code).toBe(code);
  });
});

describe('who wrote', () => {
  it('is kept with the name, by what the tool calls itself', async () => {
    const { writer } = await start();
    const metadata = create(RequestMetadataSchema, { toolDetails: { toolName: 'bazel\n', toolVersion: '2.1' } });
    writer.header(
      'build.bazel.remote.execution.v2.requestmetadata-bin',
      Buffer.from(toBinary(RequestMetadataSchema, metadata)),
    );
    await writer.unary(pushBlob, { uris: [weak], blobDigest: blobOf('').digest });
    const entry = await scene.store.namespace('main').lookup('asset-blob', [weak]);
    expect(entry?.writer).toEqual({ principal: 'writer', client: 'bazel? 2.1', address: '127.0.0.1' });
  });

  it('is the user agent where the metadata are none', async () => {
    const { writer } = await start();
    writer.header('build.bazel.remote.execution.v2.requestmetadata-bin', Buffer.from('\xff\xff nonsense'));
    await writer.unary(pushBlob, { uris: [weak], blobDigest: blobOf('').digest });
    const entry = await scene.store.namespace('main').lookup('asset-blob', [weak]);
    expect(entry?.writer.client).toMatch(/^grpc-node-js/);
  });
});

describe('health', () => {
  it('is told to everybody', async () => {
    const { nobody } = await start();
    const { SERVING } = HealthCheckResponse_ServingStatus;
    expect(await nobody.unary(Health.method.check, {})).toMatchObject({ answer: { status: SERVING } });
    const service = 'build.bazel.remote.asset.v1.Fetch';
    expect(await nobody.unary(Health.method.check, { service })).toMatchObject({ answer: { status: SERVING } });
    expect(await nobody.unary(Health.method.check, { service: 'other' })).toMatchObject(miss);
  });
});
