/**
 * The main job: packs examples/hello-web in a strict session of a fetch-service of its own and shows what was verified.
 * Everything lies under `.waybill/start`: a copy of the example, the daemon's state, and the artifact with its report.
 */
import { spawn } from 'node:child_process';
import { access, appendFile, cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { delimiter, join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startGitServer } from '../packages/testkit/dist/index.js';
import { say } from './setup/fail.mjs';
import { root } from './setup/paths.mjs';

const home = join(root, '.waybill', 'start');
const project = join(home, 'hello-web');
const output = join(home, 'out');
/** The daemon and craft keep to these, so that a session of the user's own is neither used nor changed. */
const env = {
  ...process.env,
  XDG_CONFIG_HOME: join(home, 'config'),
  XDG_STATE_HOME: join(home, 'state'),
  WAYBILL_RUNTIME_DIR: join(home, 'run'),
};

const themePart = (url) => `
  # Added by npm start: the theme, from a git repository that it serves on loopback.
  theme:
    plugin: dump
    source: ${url}
    organize:
      style.css: share/theme/style.css
`;

const started = Date.now();
const git = await startGitServer();
try {
  await prepare(await git.createRepository('theme.git'));
  process.exitCode = await pack();
} finally {
  await git.close();
}
if (process.exitCode === 0) await show();

async function prepare(theme) {
  await endOldDaemon();
  await rm(project, { recursive: true, force: true });
  await rm(output, { recursive: true, force: true });
  for (const name of ['config/waybill', 'state', 'run'])
    await mkdir(join(home, name), { recursive: true, mode: 0o700 });
  await cp(join(root, 'examples', 'hello-web'), project, {
    recursive: true,
    filter: (path) => !/\/(parts|stage|prime|out|node_modules)(\/|$)/.test(path.slice(root.length)),
  });
  const style = await readFile(join(project, 'theme', 'style.css'), 'utf8');
  await theme.commit({ files: { 'style.css': style } });
  if (!(await hasProgram('apt-get'))) {
    say('no apt-get here: the example is packed without its Debian package');
    const file = join(project, 'craft.yaml');
    const text = await readFile(file, 'utf8');
    await writeFile(file, text.slice(0, text.indexOf('\n  # The classic greeter')).concat('\n'));
  }
  await appendFile(join(project, 'craft.yaml'), themePart(theme.url));
  await writeFile(join(project, 'inspectors.yaml'), `git:\n  urls:\n    - ${git.url}/**\n`);
  // Anew each time: the registries that npm and apt are configured for may have changed.
  const config = ['config', 'init', `--output=${join(home, 'config', 'waybill')}`, '--force'];
  const status = await runProgram('fetch-service', config, { stdio: ['ignore', 'ignore', 'inherit'] });
  if (status !== 0) throw new Error(`fetch-service config init ended with ${status}`);
  await writeFile(
    join(home, 'config', 'waybill', 'acl.yaml'),
    '# The theme is served on loopback, which is refused otherwise.\nhttp-proxy:\n  policy: allow\n  rules:\n    - dst: [127.0.0.1]\n      access: allow\n',
  );
}

/** One that an earlier start left has that start's configuration, and perhaps another build of the program. */
async function endOldDaemon() {
  const file = join(home, 'run', 'waybill', 'fetch-service.json');
  const pid = await readFile(file, 'utf8').then(
    (text) => JSON.parse(text).pid,
    () => undefined,
  );
  if (!(pid > 1)) return;
  try {
    for (let tries = 0; tries < 100; tries++) {
      process.kill(pid, tries === 0 ? 'SIGTERM' : 0);
      await sleep(100);
    }
  } catch {
    // It is gone.
  }
}

/** What craft says at the end is kept for the case that it fails: otherwise `show` says it, with the chains. */
async function pack() {
  const args = ['pack', '--enable-fetch-service=strict', '--output', output];
  say(`craft ${args.slice(0, 2).join(' ')} in .waybill/start/hello-web`);
  let text = '';
  const status = await runProgram('craft', args, { cwd: project, stdio: ['inherit', 'pipe', 'inherit'] }, (chunk) => {
    text += chunk;
  });
  if (status !== 0) process.stdout.write(text);
  return status;
}

function runProgram(name, args, options, onOutput) {
  return new Promise((resolve, reject) => {
    const child = spawn(join(root, 'tooling', 'bin', name), args, { env, ...options });
    child.stdout?.setEncoding('utf8').on('data', onOutput);
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 1)));
  });
}

async function show() {
  const files = await readdir(output);
  const reportFile = join(
    output,
    files.find((name) => name.endsWith('.json')),
  );
  const report = JSON.parse(await readFile(reportFile, 'utf8'));
  const approved = report.artifacts.filter((artifact) => artifact.result === 'Approved');
  const bytes = approved.reduce((sum, { metadata }) => sum + metadata.size, 0);
  const lines = [
    '',
    `artifact   ${join(
      output,
      files.find((name) => !name.endsWith('.json')),
    )}`,
    `report     ${reportFile}`,
    `session    ${report['session-id']} (${report.policy}, build in ${report['build-environment'].kind})`,
    `approved   ${approved.length} of ${report.artifacts.length} artifacts, ${megabytes(bytes)}, ${report.refusals.length} refusals`,
    ...[...byChain(approved)].map(([chain, count]) => `           ${String(count).padStart(4)}  ${chain}`),
    `time       ${((Date.now() - started) / 1000).toFixed(1)} s`,
    '',
    `more       tooling/bin/craft report ${relative(process.cwd(), reportFile)}`,
    '',
  ];
  process.stdout.write(lines.join('\n'));
}

/** How many artifacts were approved by which chain of vouches: the last link is the trust root. */
function byChain(artifacts) {
  const counts = new Map();
  for (const artifact of artifacts) {
    const links = (artifact['vouched-by'][0] ?? []).map((link) =>
      link.kind === 'artifact'
        ? (link.inspector ?? link.name)
        : `${link.kind} ${link.kind === 'key' ? link.id.slice(-16) : link.id}`,
    );
    const approvers = Object.entries(artifact['response-inspection']).filter(
      ([, { opinion }]) => opinion === 'Approved',
    );
    const chain = [approvers.map(([id]) => id).join(' + '), ...links]
      .join(' ← ')
      .replace(/ ← digest .*$/, ' ← pinned digest');
    counts.set(chain, (counts.get(chain) ?? 0) + 1);
  }
  return new Map([...counts].sort(([, a], [, b]) => b - a));
}

async function hasProgram(name) {
  for (const directory of (process.env.PATH ?? '').split(delimiter)) {
    if (
      await access(join(directory, name)).then(
        () => true,
        () => false,
      )
    )
      return true;
  }
  return false;
}

function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
