import { createHash } from 'node:crypto';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { type InspectorsConfig, inspectorsConfigSchema } from '@waybill/contracts';
import { buildTar, type TarMemberInput } from '@waybill/testkit';
import { type Config, createCleartextMessage, createMessage, generateKey, type PrivateKey, sign } from 'openpgp';

/** The moment that tests of apt run at. */
export const now = new Date('2026-01-15T12:00:00Z');
export const base = 'http://deb.registry.example/debian';
export const dists = `${base}/dists/stable`;

const day = 86_400_000;

/** A date some days from `now`. */
export function daysFromNow(days: number): Date {
  return new Date(now.getTime() + days * day);
}

export interface TestKey {
  readonly secret: PrivateKey;
  readonly armored: string;
}

export interface TestKeyOptions {
  readonly name?: string;
  readonly created?: Date;
  /** Days after `created`; default never. */
  readonly expiresInDays?: number;
  /** OpenPGP version 6 with Ed25519. */
  readonly v6?: boolean;
  readonly rsa?: boolean;
  /** A subkey signs. */
  readonly subkey?: boolean;
}

export async function testKey(options: TestKeyOptions = {}): Promise<TestKey> {
  const { name = 'Test Archive', created = daysFromNow(-400), expiresInDays, v6, rsa, subkey } = options;
  const { privateKey, publicKey } = await generateKey({
    ...(rsa ? { type: 'rsa', rsaBits: 2048 } : { type: 'curve25519' }),
    userIDs: [{ name, email: 'archive@deb.registry.example' }],
    date: created,
    format: 'object',
    ...(expiresInDays !== undefined && { keyExpirationTime: expiresInDays * 86_400 }),
    subkeys: subkey ? [{ sign: true }] : [],
    ...(v6 && { config: { v6Keys: true } }),
  });
  return { secret: privateKey, armored: publicKey.armor() };
}

export interface SignOptions {
  /** When the signature claims to be made. Default an hour before `now`. */
  readonly date?: Date;
  readonly config?: Partial<Config>;
  readonly keyIDs?: ReturnType<PrivateKey['getKeyID']>[];
}

/** With line ends as GnuPG writes them. */
export async function clearsign(text: string, keys: TestKey | readonly TestKey[], options: SignOptions = {}) {
  const signed = await sign({ message: await createCleartextMessage({ text }), ...signOptions(keys, options) });
  return signed.replaceAll('\r\n', '\n');
}

export async function detachSign(text: string, keys: TestKey | readonly TestKey[], options: SignOptions = {}) {
  return sign({
    message: await createMessage({ binary: Buffer.from(text) }),
    detached: true,
    ...signOptions(keys, options),
  });
}

function signOptions(keys: TestKey | readonly TestKey[], { date, config, keyIDs }: SignOptions) {
  return {
    signingKeys: [keys].flat().map((key) => (key as TestKey).secret),
    date: date ?? new Date(now.getTime() - 3_600_000),
    format: 'armored' as const,
    ...(config && { config }),
    ...(keyIDs && { signingKeyIDs: keyIDs }),
  };
}

export function hex(algorithm: string, bytes: Uint8Array | string): string {
  return createHash(algorithm).update(bytes).digest('hex');
}

export interface ReleaseInput {
  /** Fields to set, or with undefined to leave out. */
  readonly fields?: Readonly<Record<string, string | undefined>>;
  /** Files that the release lists, by path. */
  readonly files?: Readonly<Record<string, Uint8Array | string>>;
  /** Further lines after the SHA256 section. */
  readonly more?: string;
}

/** A Release file's text. */
export function releaseText({ fields = {}, files = {}, more = '' }: ReleaseInput = {}): string {
  const all: Record<string, string | undefined> = {
    Origin: 'Test',
    Label: 'Test Archive',
    Suite: 'stable',
    Version: '12.1',
    Codename: 'bookworm',
    Date: daysFromNow(-1).toUTCString().replace('GMT', 'UTC'),
    Architectures: 'all amd64',
    Components: 'main extra',
    Description: 'Test Archive 12.1',
    ...fields,
  };
  const header = Object.entries(all).map(([name, value]) => (value === undefined ? '' : `${name}: ${value}\n`));
  const list = Object.entries(files).map(
    ([path, bytes]) => ` ${hex('sha256', bytes)} ${Buffer.byteLength(bytes)} ${path}\n`,
  );
  return `${header.join('')}SHA256:\n${list.join('')}${more}`;
}

/** The `apt` section with one repository, `default`. */
export function aptConfig(
  key: string | TestKey | readonly TestKey[],
  repository: Record<string, unknown> = {},
): InspectorsConfig {
  const armored =
    typeof key === 'string'
      ? key
      : [key]
          .flat()
          .map((one) => (one as TestKey).armored)
          .join('\n');
  return inspectorsConfigSchema.parse({
    apt: {
      repositories: {
        default: { urls: [`${base}`], suites: ['*'], 'public-key': armored, ...repository },
      },
    },
  });
}

export interface PackageInput {
  readonly Package?: string;
  readonly Version?: string;
  readonly Architecture?: string;
  readonly Filename?: string;
  readonly [field: string]: string | undefined;
}

/** One paragraph of a Packages file for these bytes; undefined leaves a field out. */
export function packageParagraph(bytes: Uint8Array | string, fields: PackageInput = {}): string {
  const all: Record<string, string | undefined> = {
    Package: 'hello',
    Version: '1.0-1',
    Architecture: 'amd64',
    Maintainer: 'A Maintainer <a@deb.registry.example>',
    Section: 'misc',
    Priority: 'optional',
    Filename: 'pool/main/h/hello/hello_1.0-1_amd64.deb',
    Size: String(Buffer.byteLength(bytes)),
    SHA256: hex('sha256', bytes),
    Description: 'says hello\n in many words\n .\n and more',
    ...fields,
  };
  return `${Object.entries(all)
    .map(([name, value]) => (value === undefined ? '' : `${name}: ${value}\n`))
    .join('')}\n`;
}

/** One paragraph of a Sources file for these files; undefined leaves a field out. */
export function sourceParagraph(
  files: Readonly<Record<string, Uint8Array | string>>,
  fields: Readonly<Record<string, string | undefined>> = {},
): string {
  const list = Object.entries(files).map(
    ([name, bytes]) => `\n ${hex('sha256', bytes)} ${Buffer.byteLength(bytes)} ${name}`,
  );
  const all: Record<string, string | undefined> = {
    Package: 'a',
    Binary: 'a, a-doc',
    Version: '1',
    Format: '3.0 (native)',
    Directory: 'pool/main/a/a',
    Files: Object.keys(files)
      .map((name) => `\n ${'0'.repeat(32)} 1 ${name}`)
      .join(''),
    'Checksums-Sha256': list.join(''),
    ...fields,
  };
  return `${Object.entries(all)
    .map(([name, value]) => (value === undefined ? '' : `${name}: ${value}\n`.replace(': \n', ':\n')))
    .join('')}\n`;
}

/** An ar archive, byte for byte. */
export function buildAr(members: readonly { name: string; body: Uint8Array | string; claimedSize?: string }[]): Buffer {
  const parts = members.map(({ name, body, claimedSize }) => {
    const bytes = Buffer.from(body);
    const size = claimedSize ?? String(bytes.length);
    const header = `${name.padEnd(16)}${'0'.padEnd(12)}${'0'.padEnd(6)}${'0'.padEnd(6)}${'100644'.padEnd(8)}${size.padEnd(10)}\`\n`;
    return Buffer.concat([Buffer.from(header), bytes, Buffer.alloc(bytes.length % 2, '\n')]);
  });
  return Buffer.concat([Buffer.from('!<arch>\n'), ...parts]);
}

export interface DebInput {
  readonly control?: string | undefined;
  /** Members of control.tar beside `./control`, which comes last. */
  readonly controlMembers?: readonly TarMemberInput[];
  readonly data?: readonly TarMemberInput[];
  readonly compression?: 'none' | 'gz' | 'zst';
  readonly formatVersion?: string;
}

export const helloControl = `Package: hello
Source: hello-source (1.0)
Version: 1.0-1
Architecture: amd64
Maintainer: A Maintainer <a@deb.registry.example>
Section: misc
Priority: optional
Description: says hello
 in many words
`;

export const helloCopyright = `Format: https://format.example/copyright-format/1.0/
Upstream-Name: hello
Upstream-Contact: An Author <author@hello.example>

Files: *
Copyright: 2020 An Author
License: GPL-2+

Files: src/json.c
Copyright: 2021 Somebody
License: Expat
`;

/** A .deb without dpkg-deb. */
export function buildDeb(input: DebInput = {}): Buffer {
  const { control = helloControl, controlMembers = [], compression = 'gz', formatVersion = '2.0\n' } = input;
  const data = input.data ?? [
    { path: './', typeFlag: '5' },
    { path: './usr/bin/hello', body: '#!/bin/sh\n' },
    { path: './usr/share/doc/hello/copyright', body: helloCopyright },
  ];
  const suffix = compression === 'none' ? '' : `.${compression}`;
  return buildAr([
    { name: 'debian-binary', body: formatVersion },
    {
      name: `control.tar${suffix}`,
      body: squeeze(buildTar([...controlMembers, { path: './control', body: control }]), compression),
    },
    { name: `data.tar${suffix}`, body: squeeze(buildTar(data), compression) },
  ]);
}

export function squeeze(bytes: Uint8Array, compression: 'none' | 'gz' | 'zst'): Uint8Array {
  if (compression === 'gz') return gzipSync(bytes);
  return compression === 'zst' ? zstdCompressSync(bytes) : bytes;
}
