import { gzipSync } from 'node:zlib';

/** A member of a tar archive to build; everything can be wrong on purpose. */
export interface TarMemberInput {
  readonly path: string | Uint8Array;
  readonly body?: string | Uint8Array;
  /** ustar type flag. Default `0` (file); `5` directory, `2` symlink, `1` hard link, `x` pax header, `L` GNU long name. */
  readonly typeFlag?: string;
  readonly linkName?: string;
  readonly mode?: number;
  /** Size to claim instead of the body's. */
  readonly claimedSize?: number;
  /** Leave the checksum wrong. */
  readonly badChecksum?: boolean;
}

/** A tar archive, byte for byte the same each time. `eof: false` leaves out the closing zero blocks. */
export function buildTar(members: readonly TarMemberInput[], { eof = true } = {}): Buffer {
  return Buffer.concat([...members.map(tarMember), ...(eof ? [Buffer.alloc(1024)] : [])]);
}

/** {@link buildTar} in gzip. */
export function buildTgz(members: readonly TarMemberInput[], options?: { eof?: boolean }): Buffer {
  return gzipSync(buildTar(members, options));
}

/** A pax extended header for the member that follows. */
export function paxHeader(records: Readonly<Record<string, string>>): TarMemberInput {
  const body = Object.entries(records)
    .map(([key, value]) => {
      const rest = ` ${key}=${value}\n`;
      let length = Buffer.byteLength(rest);
      length += String(length + String(length).length).length;
      return `${length}${rest}`;
    })
    .join('');
  return { path: 'PaxHeader/x', typeFlag: 'x', body };
}

/** What a package's tarball holds. */
export interface PackageTarballInput {
  readonly manifest: Readonly<Record<string, unknown>>;
  /** First-level directory. Default `package`. */
  readonly directory?: string;
  /** Further files below the directory. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
}

/** Members of a package tarball as `npm pack` lays them out. */
export function packageMembers({ manifest, directory = 'package', files }: PackageTarballInput): TarMemberInput[] {
  return [
    { path: `${directory}/package.json`, body: `${JSON.stringify(manifest, null, 2)}\n` },
    ...Object.entries(files ?? { 'index.js': 'module.exports = 1;\n' }).map(([name, body]) => ({
      path: `${directory}/${name}`,
      body,
    })),
  ];
}

/** A package tarball as `npm pack` makes it. */
export function buildPackageTarball(input: PackageTarballInput): Buffer {
  return buildTgz(packageMembers(input));
}

/** Package tarballs that must not be approved, whatever vouches for their digests; made around an honest manifest. */
export function hostilePackageTarballs(manifest: Readonly<Record<string, unknown>>): Record<string, Buffer> {
  const members = packageMembers({ manifest });
  const own = members[0] as TarMemberInput;
  const text = JSON.stringify(manifest);
  const other = { ...own, body: JSON.stringify({ ...manifest, scripts: { postinstall: 'true' } }) };
  const whole = buildTgz(members);
  return {
    'path traversal': buildTgz([...members, { path: 'package/../../../tmp/evil', body: 'x' }]),
    'backslash traversal': buildTgz([...members, { path: 'package\\..\\..\\evil', body: 'x' }]),
    'absolute path': buildTgz([...members, { path: '/tmp/evil', body: 'x' }]),
    'manifest twice, differing': buildTgz([...members, other]),
    'manifest twice under two directories': buildTgz([...members, { ...other, path: 'other/package.json' }]),
    'manifest twice, one with a doubled slash': buildTgz([...members, { ...other, path: 'package//package.json' }]),
    'manifest twice, differing in case': buildTgz([...members, { ...other, path: 'package/Package.json' }]),
    'second manifest behind the end': gzipSync(Buffer.concat([buildTar(members), buildTar([other])])),
    'manifest renamed by a pax header': buildTgz([
      ...members,
      paxHeader({ path: 'package/package.json' }),
      { path: 'a', body: other.body },
    ]),
    'manifest is a symlink': buildTgz([{ path: own.path, typeFlag: '2', linkName: '/etc/passwd' }]),
    'no manifest': buildTgz(members.slice(1)),
    'manifest not at the first level': buildTgz([{ path: 'package/lib/package.json', body: text }]),
    'manifest without directory': buildTgz([{ path: 'package.json', body: text }]),
    'manifest empty': buildTgz([{ ...own, body: '' }]),
    'manifest not JSON': buildTgz([{ ...own, body: `${text},` }]),
    'manifest an array': buildTgz([{ ...own, body: `[${text}]` }]),
    'manifest not UTF-8': buildTgz([{ ...own, body: Buffer.concat([Buffer.from(text), Buffer.from([0xff])]) }]),
    'huge manifest': buildTgz([{ ...own, body: `${text}${' '.repeat(20 * 2 ** 20)}` }]),
    'huge pax header': buildTgz([{ path: 'PaxHeader/x', typeFlag: 'x', claimedSize: 2 ** 33 - 1 }, ...members]),
    'member longer than the archive': buildTgz([...members, { path: 'package/x', claimedSize: 2 ** 32 }], {
      eof: false,
    }),
    'wrong checksum': buildTgz([...members, { path: 'package/x', badChecksum: true }]),
    'device node': buildTgz([...members, { path: 'package/dev', typeFlag: '3' }]),
    'gzip cut off': whole.subarray(0, whole.length - 12),
    'gzip damaged': Buffer.concat([whole.subarray(0, 20), Buffer.alloc(8, 0xff), whole.subarray(28)]),
    'tar cut off': gzipSync(buildTar(members).subarray(0, 700)),
    'gzip of nothing': gzipSync(''),
    'not an archive': Buffer.from('hello'),
    empty: Buffer.alloc(0),
  };
}

/** A small archive that expands to `bytes`. */
export function zipBombTarball(manifest: Readonly<Record<string, unknown>>, bytes: number): Buffer {
  return buildTgz([...packageMembers({ manifest }), { path: 'package/zeros', body: Buffer.alloc(bytes) }]);
}

function tarMember(member: TarMemberInput): Buffer {
  const body = typeof member.body === 'string' ? Buffer.from(member.body) : (member.body ?? Buffer.alloc(0));
  const header = Buffer.alloc(512);
  const name = typeof member.path === 'string' ? Buffer.from(member.path) : member.path;
  header.set(name.subarray(0, 100), 0);
  header.write(octal(member.mode ?? 0o644, 7), 100);
  header.write(octal(0, 7), 108);
  header.write(octal(0, 7), 116);
  header.write(octal(member.claimedSize ?? body.length, 11), 124);
  header.write(octal(499162500, 11), 136);
  header.write('        ', 148);
  header.write(member.typeFlag ?? '0', 156);
  header.write(member.linkName ?? '', 157, 100);
  header.write('ustar\x0000', 257);
  const sum = header.reduce((total, byte) => total + byte, member.badChecksum ? 1 : 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return Buffer.concat([header, body, Buffer.alloc((512 - (body.length % 512)) % 512)]);
}

function octal(value: number, width: number): string {
  return `${value.toString(8).padStart(width, '0')}\0`;
}
