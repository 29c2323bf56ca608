import { execFileSync } from 'node:child_process';
import { describe, expect, it, type TestContext } from 'vitest';
import { createCraftUser } from './harness/craft.js';
import { type CraftProject, craftYaml, type ProjectFiles } from './harness/craft-project.js';
import { keepForTest } from './harness/keep.js';
import { networkEnv, skipUnlessReached } from './harness/live.js';
import { run } from './harness/run.js';
import { createTempDir } from './harness/temp-dir.js';

/** Small projects whose plugins download from the registries that this machine's clients are configured for, in strict. */

const { HOME, RUSTUP_HOME, PYENV_ROOT } = process.env;
const machine: NodeJS.ProcessEnv = { HOME, ...(RUSTUP_HOME && { RUSTUP_HOME }), ...(PYENV_ROOT && { PYENV_ROOT }) };

/** Skips where the tool is not installed or reaches nothing by itself. */
async function probe(context: TestContext, command: string, ...args: string[]): Promise<void> {
  const dir = keepForTest(await createTempDir());
  const env = { ...machine, ...networkEnv(), GOMODCACHE: dir.at('go'), GOFLAGS: '-modcacherw' };
  const ran = await run(command, args, { cwd: dir.path, env }).catch((error: Error) => ({
    code: -1,
    stdout: '',
    stderr: error.message,
  }));
  skipUnlessReached(context, { code: ran.code, stderr: `error: ${ran.stderr || ran.stdout}` });
}

async function packed(part: object, files: ProjectFiles, inspector: string): Promise<CraftProject> {
  const user = keepForTest(await createCraftUser({ env: { ...machine, ...networkEnv() } }));
  const project = await user.project({ 'craft.yaml': craftYaml({ app: { source: 'app', ...part } }), ...files });
  const ran = await user.craft(project, ['pack', '--enable-fetch-service'], { timeoutMs: 280_000 });
  expect(ran, ran.stdout + ran.stderr).toMatchObject({ code: 0 });
  const report = await project.report('sample_1.0_here.tar.gz.json');
  expect([report.refusals, report.artifacts.filter(({ result }) => result !== 'Approved')]).toEqual([[], []]);
  expect(report.artifacts.filter((artifact) => inspector in artifact['response-inspection'])).not.toEqual([]);
  execFileSync('tar', ['-xzf', 'sample_1.0_here.tar.gz', '--one-top-level=out'], { cwd: project.dir });
  return project;
}

function says(project: CraftProject, ...argv: [string, ...string[]]): string {
  const [program, ...args] = argv;
  return execFileSync(program, args, { cwd: project.dir, encoding: 'utf8', env: { ...process.env, ...machine } });
}

const pyproject =
  '[project]\nname = "greet"\nversion = "1.0"\nrequires-python = ">=3.9"\ndependencies = ["six==1.16.0"]\n\n[project.scripts]\ngreet = "greet:main"\n\n[build-system]\nrequires = ["setuptools==75.6.0"]\nbuild-backend = "setuptools.build_meta"\n';
const greetPy = 'import six\n\n\ndef main():\n    print("hello from", six.__version__)\n';

describe('plugins that download, in strict sessions', () => {
  it('python', async (context) => {
    await probe(context, 'python3', '-m', 'pip', 'download', '--no-deps', '--no-cache-dir', '-d', '.', 'six==1.16.0');
    const app = { 'app/pyproject.toml': pyproject, 'app/greet.py': greetPy };
    const project = await packed({ plugin: 'python' }, app, 'pip.wheel');
    expect((await project.read('out/bin/greet')).split('\n')[0]).toBe('#!/usr/bin/env python3');
    expect(says(project, 'sh', '-c', 'PYTHONPATH=$(echo out/lib/python3*/site-packages) python3 out/bin/greet')).toBe(
      'hello from 1.16.0\n',
    );
  });

  it('uv', async (context) => {
    await probe(context, 'uv', '--version');
    await probe(context, 'python3', '-m', 'pip', 'download', '--no-deps', '--no-cache-dir', '-d', '.', 'six==1.16.0');
    const app = { 'app/pyproject.toml': pyproject, 'app/greet.py': greetPy };
    const project = await packed({ plugin: 'uv' }, app, 'pip.wheel');
    expect(says(project, 'sh', '-c', 'ls out/lib/python3*/site-packages')).toMatch(/greet\.py[\s\S]*six\.py/);
  });

  it('go', async (context) => {
    await probe(context, 'go', 'mod', 'download', 'github.com/google/uuid@v1.6.0');
    const app = {
      'app/go.mod': 'module greet.example/greet\n\ngo 1.19\n\nrequire github.com/google/uuid v1.6.0\n',
      'app/go.sum':
        'github.com/google/uuid v1.6.0 h1:NIvaJDMOsjHA8n1jAhLSgzrAzy1Hgr+hNrb57e+94F0=\ngithub.com/google/uuid v1.6.0/go.mod h1:TIyPZe4MgqvfeYDBFedMoGGpEw/LqOeaOT+nhxU+yHo=\n',
      'app/main.go':
        'package main\n\nimport "github.com/google/uuid"\n\nfunc main() { println("hello", uuid.Nil.String()) }\n',
    };
    const project = await packed({ plugin: 'go' }, app, 'go.zip');
    expect(says(project, 'sh', '-c', 'out/bin/greet 2>&1')).toBe('hello 00000000-0000-0000-0000-000000000000\n');
  });

  it('rust', async (context) => {
    await probe(context, 'cargo', 'info', 'itoa');
    const app = {
      'app/Cargo.toml':
        '[package]\nname = "greet"\nversion = "1.0.0"\nedition = "2021"\n[dependencies]\nitoa = "=1.0.11"\n',
      'app/src/main.rs': 'fn main() { println!("hello {}", itoa::Buffer::new().format(42)); }\n',
    };
    const project = await packed({ plugin: 'rust' }, app, 'cargo.crate');
    expect(says(project, 'out/bin/greet')).toBe('hello 42\n');
  });

  it('maven', async (context) => {
    await probe(context, 'mvn', '-q', '-B', 'dependency:get', '-Dartifact=junit:junit:4.13.2', '-Dmaven.repo.local=r');
    const app = {
      'app/pom.xml':
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion><groupId>greet</groupId><artifactId>greet</artifactId><version>1.0</version><properties><maven.compiler.source>11</maven.compiler.source><maven.compiler.target>11</maven.compiler.target><project.build.sourceEncoding>UTF-8</project.build.sourceEncoding></properties></project>\n',
      'app/src/main/java/Greet.java':
        'public class Greet { public static void main(String[] args) { System.out.println("hello from java"); } }\n',
    };
    const project = await packed({ plugin: 'maven' }, app, 'maven.jar');
    expect(says(project, 'java', '-cp', 'out/jar/greet-1.0.jar', 'Greet')).toBe('hello from java\n');
  });
});
