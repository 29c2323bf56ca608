import { createHash } from 'node:crypto';
import { type ClientProbe, plainGet } from './client-probe.js';

const primary = '<metadata xmlns="http://linux.duke.edu/metadata/common" packages="0"></metadata>\n';
const repomd = `<repomd xmlns="http://linux.duke.edu/metadata/repo"><revision>1</revision><data type="primary"><checksum type="sha256">${createHash('sha256').update(primary).digest('hex')}</checksum><location href="repodata/primary.xml"/></data></repomd>\n`;

const manifestList = JSON.stringify({
  schemaVersion: 2,
  mediaType: 'application/vnd.docker.distribution.manifest.list.v2+json',
  manifests: [
    {
      mediaType: 'application/vnd.docker.distribution.manifest.v2+json',
      size: 2,
      digest: `sha256:${createHash('sha256').update('{}').digest('hex')}`,
      platform: { architecture: 'amd64', os: 'linux' },
    },
  ],
});

/** Package managers of systems, keys and containers. */
export const systemProbes: readonly ClientProbe[] = [
  {
    ...plainGet,
    name: 'apt',
    version: ['apt-get', '--version'],
    command: ({ host }) => [
      'sh',
      '-c',
      `/usr/lib/apt/apt-helper -o Acquire::Retries=0 download-file https://${host}/ apt.out && cat apt.out`,
    ],
  },
  {
    name: 'dnf',
    version: ['dnf', '--version'],
    command: ({ host, clients }) => [
      ...(['dnf', `--config=${clients}/dnf/dnf.conf`, '--setopt=reposdir=/nonexistent', '--setopt=logdir=.'] as const),
      ...[
        `--repofrompath=demo,https://${host}/rpm/`,
        '--setopt=demo.gpgcheck=0',
        '--setopt=demo.skip_if_unavailable=0',
        '--releasever=1',
        'makecache',
      ],
    ],
    pages: () => ({ '/rpm/repodata/repomd.xml': repomd, '/rpm/repodata/primary.xml': primary }),
    request: (host) => `GET https://${host}/rpm/repodata/repomd.xml`,
    output: /Metadata cache created/i,
    takesCredentials: true,
  },
  {
    name: 'gpg (dirmngr)',
    version: ['dirmngr', '--version'],
    // dirmngr gives up on a name that it cannot resolve itself, proxy or not, and GnuTLS on one without a dot.
    host: 'localhost',
    isPlain: true,
    // dirmngr would stay behind.
    command: ({ host }) => [
      'sh',
      '-c',
      `gpg --batch --keyserver hkp://${host}:80 --search-keys demo 2>&1 </dev/null; gpgconf --kill all`,
    ],
    pages: () => ({
      '/pks/lookup': `info:1:1\npub:${'AB'.repeat(20)}:22:256:1700000000::\nuid:Demo Key <demo@keys.example>:1700000000::\n`,
    }),
    request: (host) => `GET http://${host}/pks/lookup`,
    output: /demo@keys\.example/,
    takesCredentials: true,
  },
  {
    name: 'skopeo',
    version: ['skopeo', '--version'],
    command: ({ host }) => ['skopeo', 'inspect', '--raw', `docker://${host}/demo:1.2.3`],
    pages: () => ({ '/v2/': '{}', '/v2/demo/manifests/1.2.3': manifestList }),
    request: (host) => `GET https://${host}/v2/demo/manifests/1.2.3`,
    output: /"digest": ?"sha256:/,
    takesCredentials: true,
  },
  {
    name: 'podman',
    version: ['podman', '--version'],
    command: ({ host }) => [
      ...(['podman', '--storage-driver=vfs', '--root=root', '--runroot=run'] as const),
      ...['search', '--list-tags', `${host}/demo`],
    ],
    pages: () => ({ '/v2/': '{}', '/v2/demo/tags/list': JSON.stringify({ name: 'demo', tags: ['1.2.3'] }) }),
    request: (host) => `GET https://${host}/v2/demo/tags/list`,
    output: /demo\s+1\.2\.3/,
    takesCredentials: true,
  },
];
