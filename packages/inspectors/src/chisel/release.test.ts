import { inspectorsConfigSchema } from '@waybill/contracts';
import { buildTgz } from '@waybill/testkit';
import { testKey } from '../../test/apt-fixtures.js';
import { describeInspector, type InspectorCase } from '../../test/describe-inspector.js';
import { chiselRelease } from './release.js';

const [known, other] = [await testKey(), await testKey()];
const url = 'https://git.registry.example/chisel-releases/tar.gz/24.04';
const config = inspectorsConfigSchema.parse({
  chisel: { urls: ['https://git.registry.example:443/chisel-releases/**'] },
  apt: {
    repositories: { main: { urls: ['http://deb.registry.example/**'], suites: ['*'], 'public-key': known.armored } },
  },
});
const indent = (armor: string) =>
  armor
    .trim()
    .split(/\r?\n/)
    .map((line) => `      ${line}`)
    .join('\n');
const yaml = (armor = known.armored, more = '') => `format: v1
archives:
  main:
    version: "24.04"
    components: [main]
    suites: [noble]
    public-keys: [archive]
public-keys:
  archive:
    id: "871920D1991BC93C"
    armor: |
${indent(armor)}
${more}`;
const release = (
  text: string,
  path = 'chisel-releases-24.04/chisel.yaml',
  more: readonly { path: string; body: string }[] = [],
) => buildTgz([{ path: 'chisel-releases-24.04/slices/a.yaml', body: 'package: a\n' }, { path, body: text }, ...more]);

describeInspector({
  id: 'chisel.release',
  inspectors: () => [chiselRelease(config)],
  integrity: 'format',
  good: {
    name: 'a release with a key of apt',
    request: url,
    response: { body: release(yaml()) },
    opinion: 'Approved',
    metadata: { type: 'application/x.canonical.chisel-release', name: '24.04', version: 'v1', vendor: 'Canonical' },
    annotations: { 'public-keys': [known.secret.getFingerprint().toUpperCase()] },
  },
  cases: [
    {
      name: 'with a further key',
      request: url,
      response: {
        body: release(yaml(known.armored, `  second:\n    id: x\n    armor: |\n${indent(other.armored)}\n`)),
      },
      opinion: 'Approved',
      annotations: { 'keys-not-configured': [other.secret.getFingerprint().toUpperCase()] },
    },
    ...(
      [
        [
          'a key that apt does not have',
          release(yaml(other.armored)),
          /none of its keys .* is a key of apt\.repositories/,
        ],
        ['another directory', release(yaml(), 'other/chisel.yaml'), /no chisel-releases-<release>/],
        [
          'two of them',
          release(yaml(), undefined, [{ path: 'chisel-releases-x/chisel.yaml', body: yaml() }]),
          /two chisel.yaml/,
        ],
        ['a path out of it', release(yaml(), undefined, [{ path: '../x', body: 'x' }]), /path with \.\./],
        ['no format', release(yaml().replace('format: v1', '')), /no format/],
        ['no archives', release(yaml().replace('archives:', 'others:')), /archives/],
        ['an archive without suites', release(yaml().replace('suites: [noble]', '')), /no suites/],
        ['a key that is not there', release(yaml().replace('[archive]', '[nobody]')), /names the key "nobody"/],
        [
          'a key that is none',
          release(yaml('-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----')),
          /public-keys/,
        ],
        ['no YAML', release('a: ['), /no YAML/],
        ['no archive at all', Buffer.from('<html>'), /expected a chisel release/],
      ] as const
    ).map(
      ([name, body, reason]): InspectorCase => ({
        name,
        request: url,
        response: { body },
        opinion: 'Rejected',
        reason,
      }),
    ),
    { name: 'a post', request: { url, method: 'POST' }, claim: 'Rejected' },
    { name: 'elsewhere', request: 'https://git.registry.example/other', claim: 'unclaimed' },
  ],
});
