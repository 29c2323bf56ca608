import { describe, expect, it } from 'vitest';
import { parseCommandLine } from './program.js';

async function parse(args: string, env: Record<string, string> = {}) {
  let [out, err] = ['', ''];
  const parsed = await parseCommandLine(args.split(' ').filter(Boolean), env, {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
  });
  return { parsed, out, err };
}

describe('parseCommandLine', () => {
  it.each([
    ['pack', { policy: undefined, output: '.', destructive: false, format: 'text', verbosity: 'brief' }],
    ['pack --enable-fetch-service', { policy: 'strict' }],
    ['pack --enable-fetch-service=strict', { policy: 'strict' }],
    ['pack --enable-fetch-service strict', { policy: 'strict' }],
    ['pack --enable-fetch-service permissive', { policy: 'permissive' }],
    ['pack --enable-fetch-service --output out', { policy: 'strict', output: 'out' }],
    [
      'pack -o out --platform arm64 --destructive-mode --format json -v',
      { output: 'out', platform: 'arm64', destructive: true, format: 'json', verbosity: 'verbose' },
    ],
    ['pack --build-for all -q', { buildFor: 'all', verbosity: 'quiet' }],
    ['pull', { command: 'pull', parts: [] }],
    ['prime a b --project-dir /p', { command: 'prime', parts: ['a', 'b'], projectDir: '/p' }],
    ['clean', { command: 'clean', parts: [], platform: undefined }],
    ['clean a --platform amd64', { command: 'clean', parts: ['a'], platform: 'amd64' }],
    ['pack', { cache: undefined }],
    ['pack --cache', { cache: true }],
    ['pack --no-cache', { cache: false }],
    ['cache show', { command: 'cache', action: 'show', parts: [], policy: undefined }],
    ['cache show a b --enable-fetch-service', { action: 'show', parts: ['a', 'b'], policy: 'strict' }],
    ['cache explain a --format json', { action: 'explain', parts: ['a'], format: 'json' }],
    ['cache list --platform amd64', { action: 'list', parts: [], platform: 'amd64' }],
    ['cache rm a', { action: 'rm', parts: ['a'] }],
    ['cache pull', { action: 'pull', parts: [] }],
    ['cache push a --enable-fetch-service=permissive', { action: 'push', parts: ['a'], policy: 'permissive' }],
    ['report a.json b.json', { command: 'report', files: ['a.json', 'b.json'] }],
  ])('craft %s', async (args, wanted) => {
    const { parsed } = await parse(args);
    expect(parsed).toMatchObject({ invocation: wanted });
  });

  it.each([
    ['CRAFT_PLATFORM', { CRAFT_PLATFORM: 'arm64' }, 'pack', { platform: 'arm64' }],
    ['CRAFT_BUILD_FOR', { CRAFT_BUILD_FOR: 'riscv64' }, 'pack', { buildFor: 'riscv64' }],
    [
      'an option before a variable',
      { CRAFT_PLATFORM: 'arm64' },
      'pack --build-for all',
      { buildFor: 'all', platform: undefined },
    ],
    ['CRAFT_BUILD_ENVIRONMENT', { CRAFT_BUILD_ENVIRONMENT: 'host' }, 'build', { destructive: true }],
    ['another build environment', { CRAFT_BUILD_ENVIRONMENT: 'lxd' }, 'build', { destructive: false }],
    ['CRAFT_VERBOSITY_LEVEL', { CRAFT_VERBOSITY_LEVEL: 'DEBUG' }, 'pull', { verbosity: 'debug' }],
    ['an option before the level', { CRAFT_VERBOSITY_LEVEL: 'debug' }, 'pull -q', { verbosity: 'quiet' }],
  ])('takes %s', async (_name, env, args, wanted) => {
    expect((await parse(args, env as Record<string, string>)).parsed).toMatchObject({ invocation: wanted });
  });

  it.each([
    ['', 'Usage: craft'],
    ['frobnicate', "unknown command 'frobnicate'"],
    ['cache', 'Usage: craft cache'],
    ['cache frob', "unknown command 'frob'"],
    ['cache explain', 'missing required argument'],
    ['cache explain a b', 'too many arguments'],
    ['pack --enable-fetch-service=loose', 'expected strict or permissive'],
    ['pack --enable-fetch-service loose', 'expected strict or permissive'],
    ['pack --enable-fetch-service=', 'expected strict or permissive'],
    ['pack part', 'too many arguments'],
    ['pull --enable-fetch-service', 'unknown option'],
    ['build --output x', 'unknown option'],
    ['pack --platform a --build-for b', 'cannot be used with'],
    ['pack -v -q', 'cannot be used with'],
    ['pack --format xml', 'Allowed choices are text, json'],
    ['pack --output', 'argument missing'],
    ['report', 'missing required argument'],
  ])('craft %s is a usage error', async (args, text) => {
    const { parsed, err } = await parse(args);
    expect(parsed).toEqual({ exitCode: 64 });
    expect(err).toContain(text);
  });

  it('refuses a level that is none', async () => {
    const { parsed, err } = await parse('pull', { CRAFT_VERBOSITY_LEVEL: 'loud' });
    expect(parsed).toEqual({ exitCode: 64 });
    expect(err).toContain('CRAFT_VERBOSITY_LEVEL');
  });

  it.each([
    ['--help', 'Exit codes:'],
    ['pack --help', '--enable-fetch-service'],
    ['help pull', 'craft pull'],
    ['--version', 'craft 0.'],
    ['-V', 'craft 0.'],
  ])('craft %s answers on standard output', async (args, text) => {
    const { parsed, out } = await parse(args);
    expect(parsed).toEqual({ exitCode: 0 });
    expect(out).toContain(text);
  });

  it('keeps help within 80 columns', async () => {
    for (const args of ['--help', 'pack --help', 'pull --help', 'clean --help', 'report --help']) {
      const { out } = await parse(args);
      expect(Math.max(...out.split('\n').map((line) => line.length))).toBeLessThanOrEqual(79);
    }
  });
});
