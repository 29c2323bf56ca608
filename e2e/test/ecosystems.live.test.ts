import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { ReportArtifact, SessionReport } from '@waybill/contracts';
import { describe, expect, it, type TestContext } from 'vitest';
import { keepForTest } from './harness/keep.js';
import { networkEnv, skipUnlessReached, startConfiguredDaemon } from './harness/live.js';
import { type PreparedClient, prepareClient } from './harness/prepared-client.js';
import { chainsOf } from './harness/report.js';
import { run } from './harness/run.js';
import { createTempDir } from './harness/temp-dir.js';

/** Registries as the machine's own clients are configured; each build in strict, its report against what the client locked. */

const hostEnv = {
  HOME: process.env.HOME ?? homedir(),
  RUSTUP_HOME: process.env.RUSTUP_HOME ?? join(homedir(), '.rustup'),
  ...networkEnv(),
};

/** Skips where a client is not installed or reaches nothing by itself. */
async function probe(context: TestContext, command: string, ...args: string[]): Promise<void> {
  const dir = keepForTest(await createTempDir());
  const ran = await run(command, args, {
    cwd: dir.path,
    env: { ...hostEnv, GOMODCACHE: dir.at('go'), GOFLAGS: '-modcacherw' },
  }).catch((error: Error) => ({ code: -1, stdout: '', stderr: `error: ${error.message}` }));
  skipUnlessReached(context, ran.code === 0 ? ran : { ...ran, stderr: `error: ${ran.stderr || ran.stdout}` });
}

async function build(
  client: Parameters<typeof startConfiguredDaemon>[0],
  work: (prepared: PreparedClient) => Promise<void>,
): Promise<SessionReport> {
  const daemon = await startConfiguredDaemon(client);
  const session = await daemon.createSession('strict');
  const prepared = await prepareClient(session);
  let failure: unknown;
  await work(prepared).catch((error: unknown) => {
    failure = error;
  });
  const report = await session.finish();
  const refusals = JSON.stringify([report.refusals, report.failures], null, 1);
  if (failure) throw new Error(`${String(failure)}\n${refusals}`, { cause: failure });
  expect(report.refusals, refusals).toEqual([]);
  expect(report.artifacts.filter(({ result }) => result !== 'Approved')).toEqual([]);
  return report;
}

async function must(prepared: PreparedClient, command: string, ...args: string[]): Promise<string> {
  const ran = await prepared.run(command, ...args);
  if (ran.code !== 0) throw new Error(`${command} ${args.join(' ')}: ${ran.code}\n${ran.stdout}\n${ran.stderr}`);
  return ran.stdout;
}

function of(report: SessionReport, inspector: string): ReportArtifact[] {
  return report.artifacts.filter((artifact) => inspector in artifact['response-inspection']);
}

/** Maven takes credentials for a proxy from its settings only; behind craft's relay it needs none. */
function proxySettings(proxyUrl: string): string {
  const { hostname, port, username, password } = new URL(proxyUrl);
  const proxies = ['http', 'https'].map(
    (protocol) =>
      `<proxy><id>${protocol}</id><active>true</active><protocol>${protocol}</protocol><host>${hostname}</host><port>${port}</port><username>${username}</username><password>${password}</password></proxy>`,
  );
  return `<settings><proxies>${proxies.join('')}</proxies></settings>`;
}

const digests = (artifacts: readonly ReportArtifact[]) => artifacts.map(({ metadata }) => metadata.sha256).sort();

describe('the registries of this machine, in strict sessions', () => {
  it('pip: the files that were installed, digest by digest', async (context) => {
    await probe(context, 'python3', '-m', 'pip', 'download', '--no-deps', '--no-cache-dir', '-d', '.', 'six==1.16.0');
    const files: string[] = [];
    const report = await build('--pip', async (client) => {
      await must(client, 'python3', '-m', 'pip', 'download', '-d', 'files', 'requests==2.32.3', 'rich', 'six==1.16.0');
      for (const name of await readdir(join(client.dir, 'files'))) {
        files.push(
          createHash('sha256')
            .update(await readFile(join(client.dir, 'files', name)))
            .digest('hex'),
        );
      }
    });
    const found = [...of(report, 'pip.wheel'), ...of(report, 'pip.sdist')];
    expect(files.length).toBeGreaterThan(5);
    expect(digests(found)).toEqual(files.sort());
    for (const artifact of found)
      expect(chainsOf(artifact)).toEqual([expect.stringMatching(/^pip\.simple-index:.* ← origin:/)]);
  });

  it('cargo: the crates of Cargo.lock by their checksums', async (context) => {
    await probe(context, 'cargo', 'info', 'itoa');
    let locked: string[] = [];
    const report = await build('--cargo', async (client) => {
      await must(client, 'cargo', 'init', '--name', 'live', '--vcs', 'none', '.');
      await must(client, 'cargo', 'add', 'serde@1', '--features', 'derive');
      await must(client, 'cargo', 'add', 'itoa@1', 'regex@1');
      await must(client, 'cargo', 'fetch');
      const lock = await readFile(join(client.dir, 'Cargo.lock'), 'utf8');
      locked = [...lock.matchAll(/^checksum = "([0-9a-f]{64})"$/gm)].map(([, checksum]) => checksum as string);
    });
    expect(locked.length).toBeGreaterThan(6);
    expect(digests(of(report, 'cargo.crate'))).toEqual([...new Set(locked)].sort());
  });

  it('Go: the modules of go.sum, proven by the checksum database', async (context) => {
    await probe(context, 'go', 'mod', 'download', 'github.com/google/uuid@v1.6.0');
    let sums = '';
    const report = await build('--go', async (client) => {
      await must(client, 'go', 'mod', 'init', 'live.example/app');
      await must(client, 'go', 'get', 'github.com/google/uuid@v1.6.0', 'github.com/spf13/cobra@v1.8.1');
      await writeFile(
        join(client.dir, 'main.go'),
        'package main\n\nimport (\n\t_ "github.com/google/uuid"\n\t_ "github.com/spf13/cobra"\n)\n\nfunc main() {}\n',
      );
      await must(client, 'go', 'mod', 'download', 'all');
      sums = await readFile(join(client.dir, 'go.sum'), 'utf8');
    });
    const h1 = (artifact: ReportArtifact, id: string) => artifact['response-inspection'][id]?.annotations?.h1;
    const zips = of(report, 'go.zip').map(
      (artifact) => `${artifact.metadata.name} ${artifact.metadata.version} ${h1(artifact, 'go.zip')}`,
    );
    const lines = sums.trim().split('\n');
    expect(zips.length).toBeGreaterThan(3);
    expect(zips.sort()).toEqual(lines.filter((line) => !line.includes('/go.mod ')).sort());
    for (const artifact of of(report, 'go.zip')) {
      expect(chainsOf(artifact)).toEqual([expect.stringMatching(/^go\.sumdb:checksums of .* ← key:/)]);
    }
  });

  it('Maven: every jar in the local repository is in the report, and the other way round', async (context) => {
    await probe(context, 'mvn', '-q', '-B', '--version');
    const jars: string[] = [];
    const report = await build('--maven', async (client) => {
      await writeFile(join(client.dir, 'settings.xml'), proxySettings(client.proxyUrl));
      await must(client, 'mvn', '-q', '-B', '-s', 'settings.xml', 'dependency:get', '-Dartifact=junit:junit:4.13.2');
      const home =
        /-Dmaven\.repo\.local=(\S+)/.exec(await must(client, 'sh', '-c', 'echo "$JAVA_TOOL_OPTIONS"'))?.[1] ?? '';
      for (const name of await readdir(home, { recursive: true })) {
        if (name.endsWith('.jar'))
          jars.push(
            createHash('sha256')
              .update(await readFile(join(home, name)))
              .digest('hex'),
          );
      }
    });
    expect(jars.length).toBeGreaterThan(10);
    expect(digests(of(report, 'maven.jar'))).toEqual([...new Set(jars)].sort());
  });
});
