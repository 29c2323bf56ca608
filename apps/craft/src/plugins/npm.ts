import { join } from 'node:path';
import { type Plugin, shellWord } from './plugin.js';

/**
 * Installs a package as `npm install --global` lays it out (`lib/node_modules/<name>` and links in `bin`), but with the
 * versions of its lock file: all dependencies are installed, the package is packed (which runs its `prepare` script),
 * development dependencies are taken away, and what is left goes beside the packed files. Each tarball is downloaded once.
 */
export const npm: Plugin = {
  name: 'npm',
  keys: [],
  // Requests that are no downloads: audit and update checks send data about the build and would be refused in a session.
  environment: () => ({ npm_config_audit: 'false', npm_config_fund: 'false', npm_config_update_notifier: 'false' }),
  commands({ run }) {
    const pack = shellWord(join(run, 'npm'));
    return [
      `rm -rf ${pack}`,
      `mkdir -p ${pack}/package`,
      'if [ -f package-lock.json ] || [ -f npm-shrinkwrap.json ]; then npm ci; else npm install; fi',
      `npm pack --pack-destination ${pack}`,
      `tar -xzf ${pack}/*.tgz -C ${pack}/package --strip-components=1 --no-same-owner`,
      'npm prune --omit=dev --ignore-scripts',
      // npm's own notes name the registry; the installed package works without them.
      'rm -f node_modules/.package-lock.json',
      `if [ -d node_modules ]; then rm -rf ${pack}/package/node_modules; mv node_modules ${pack}/package/node_modules; fi`,
      `node ${shellWord(join(run, 'npm-install.cjs'))} ${pack}/package "$CRAFT_PART_INSTALL"`,
    ];
  },
  files: () => ({ 'npm-install.cjs': installScript }),
};

/** Moves the packed package into place and links its programs; runs with whatever Node the build has. */
const installScript = `'use strict';
const fs = require('node:fs');
const path = require('node:path');
const [from, install] = process.argv.slice(2);
const manifest = JSON.parse(fs.readFileSync(path.join(from, 'package.json'), 'utf8'));
if (!/^(@[a-z0-9-~][a-z0-9-._~]*\\/)?[a-z0-9-~][a-z0-9-._~]*$/i.test(manifest.name || '')) {
  console.error('package.json needs a valid name, found ' + JSON.stringify(manifest.name));
  process.exit(1);
}
const target = path.join(install, 'lib', 'node_modules', manifest.name);
fs.mkdirSync(path.dirname(target), { recursive: true });
fs.rmSync(target, { recursive: true, force: true });
fs.renameSync(from, target);
const bins = typeof manifest.bin === 'string' ? { [manifest.name.replace(/^@[^/]*\\//, '')]: manifest.bin } : { ...manifest.bin };
const directory = manifest.directories && manifest.directories.bin;
if (directory && !manifest.bin) {
  for (const name of fs.readdirSync(path.join(target, directory)).sort()) bins[name] = path.join(directory, name);
}
for (const [name, file] of Object.entries(bins)) {
  const program = path.join(target, file);
  const link = path.join(install, 'bin', path.basename(name));
  if (!program.startsWith(target + path.sep) || !fs.existsSync(program)) {
    console.error('bin ' + name + ' names ' + file + ', which the packed package does not have');
    process.exit(1);
  }
  fs.chmodSync(program, fs.statSync(program).mode | 0o111);
  fs.mkdirSync(path.dirname(link), { recursive: true });
  fs.rmSync(link, { force: true });
  fs.symlinkSync(path.relative(path.dirname(link), program), link);
}
`;
