import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { carriedVariables } from './carried-variables.js';
import { toolchains } from './toolchains.js';
import { userSettings } from './user-settings.js';

const host = {
  PATH: '/usr/bin',
  LANG: 'C.UTF-8',
  LC_ALL: 'C',
  SOURCE_DATE_EPOCH: '1',
  HOME: '/home/me',
  SECRET_TOKEN: 's',
  http_proxy: 'http://proxy.example:1',
  HTTPS_PROXY: 'http://proxy.example:1',
  NO_PROXY: '*',
  NODE_EXTRA_CA_CERTS: '/ca.pem',
  NODE_OPTIONS: '--require /evil.js',
  LD_PRELOAD: '/evil.so',
  npm_config_registry: 'https://user:pw@registry.example/',
  npm_config_cache: '/cache',
  GOPROXY: 'direct',
};

describe('carriedVariables', () => {
  it('gives a session nothing that leads around it, and no secrets', () => {
    expect(carriedVariables(host, true)).toEqual({
      PATH: '/usr/bin',
      LANG: 'C.UTF-8',
      LC_ALL: 'C',
      SOURCE_DATE_EPOCH: '1',
      npm_config_registry: 'https://registry.example/',
    });
  });

  it('lets an ordinary build reach the network as its caller does', () => {
    const kept = carriedVariables(host, false);
    expect(kept).toMatchObject({
      http_proxy: 'http://proxy.example:1',
      NO_PROXY: '*',
      NODE_EXTRA_CA_CERTS: '/ca.pem',
      npm_config_cache: '/cache',
      GOPROXY: 'direct',
    });
    for (const name of ['SECRET_TOKEN', 'NODE_OPTIONS', 'LD_PRELOAD', 'HOME']) expect(kept).not.toHaveProperty(name);
  });
});

describe('userSettings', () => {
  it('names the files that are there', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'craft-home-'));
    await writeFile(join(dir, '.npmrc'), '');
    const npmrc = join(dir, '.npmrc');
    expect(userSettings({ HOME: dir })).toEqual({ readable: [npmrc], env: { npm_config_userconfig: npmrc } });
    const missing = join(dir, 'missing');
    expect(userSettings({ HOME: missing, GIT_CONFIG_GLOBAL: npmrc })).toEqual({
      readable: [npmrc],
      env: { GIT_CONFIG_GLOBAL: npmrc },
    });
    expect(userSettings({})).toEqual({ readable: [], env: {} });
    // What a variable names must be seen inside, or every TLS connection of the build fails.
    expect(userSettings({ GIT_SSL_CAINFO: npmrc, SSL_CERT_DIR: dir, NODE_EXTRA_CA_CERTS: missing })).toEqual({
      readable: [npmrc, dir],
      env: {},
    });
    await rm(dir, { recursive: true });
  });
});

describe('toolchains', () => {
  it("are rustup's, where it has some, whatever the home of the build", async () => {
    const home = await mkdtemp(join(tmpdir(), 'craft-home-'));
    expect(toolchains({ HOME: home })).toEqual({ readable: [], env: {} });
    const rustup = join(home, '.rustup');
    await mkdir(rustup);
    await writeFile(join(rustup, 'settings.toml'), '');
    const found = {
      readable: [join(rustup, 'settings.toml'), join(rustup, 'toolchains')],
      env: { RUSTUP_HOME: rustup },
    };
    expect(toolchains({ HOME: home })).toEqual(found);
    expect(toolchains({ HOME: '/nonexistent', RUSTUP_HOME: rustup })).toEqual(found);
    await rm(home, { recursive: true });
  });

  it("are pyenv's, with the version that was chosen", async () => {
    const home = await mkdtemp(join(tmpdir(), 'craft-home-'));
    await mkdir(join(home, '.pyenv/versions'), { recursive: true });
    await writeFile(join(home, '.pyenv/version'), '3.13.0\n');
    expect(toolchains({ HOME: home, PYENV_VERSION: '3.12.1' })).toEqual({
      readable: [join(home, '.pyenv/version'), join(home, '.pyenv/versions')],
      env: { PYENV_ROOT: join(home, '.pyenv'), PYENV_VERSION: '3.12.1' },
    });
    await rm(home, { recursive: true });
  });
});
