import { type PartConfig as Part, type PartConfig, partSchema } from '@waybill/contracts';
import { describe, expect, it } from 'vitest';
import { shellWord } from './plugin.js';
import { pluginOf } from './registry.js';

const part = (input: Record<string, unknown>): PartConfig => partSchema.parse(input) as Part;
const commands = (input: Record<string, unknown>, isGitSource = false) => {
  const config = part(input);
  return pluginOf(config).commands({ part: config, run: '/work/parts/app/run', isGitSource });
};

describe('command lines', () => {
  it('nil does nothing', () => {
    expect(commands({ plugin: 'nil' })).toEqual([]);
  });

  it('dump copies everything', () => {
    expect(commands({ plugin: 'dump', source: '.' })).toEqual([
      'cp --archive --no-dereference . "$CRAFT_PART_INSTALL"',
    ]);
  });

  it('dump of a git source leaves .git behind', () => {
    expect(commands({ plugin: 'dump', source: 'https://git.example/a.git' }, true)).toContain(
      'rm -rf "$CRAFT_PART_INSTALL/.git"',
    );
  });

  it('make passes its parameters to both runs, quoted', () => {
    expect(
      commands({ plugin: 'make', source: '.', 'make-parameters': ['PREFIX=/usr', "NAME=it's; rm -rf /"] }),
    ).toEqual([
      `make -j"$CRAFT_PARALLEL_BUILD_COUNT" PREFIX=/usr 'NAME=it'\\''s; rm -rf /'`,
      `make -j"$CRAFT_PARALLEL_BUILD_COUNT" install DESTDIR="$CRAFT_PART_INSTALL" PREFIX=/usr 'NAME=it'\\''s; rm -rf /'`,
    ]);
  });

  it('npm uses the lock file when there is one, once, and installs without development dependencies', () => {
    const lines = commands({ plugin: 'npm', source: '.' });
    expect(lines).toContain(
      'if [ -f package-lock.json ] || [ -f npm-shrinkwrap.json ]; then npm ci; else npm install; fi',
    );
    expect(lines).toContain('npm prune --omit=dev --ignore-scripts');
    expect(lines.filter((line) => /npm (ci|install)\b/.test(line))).toHaveLength(1);
    expect(lines.at(-1)).toBe(
      'node /work/parts/app/run/npm-install.cjs /work/parts/app/run/npm/package "$CRAFT_PART_INSTALL"',
    );
  });

  it('npm sends no audit', () => {
    const config = part({ plugin: 'npm', source: '.' });
    expect(pluginOf(config).environment({ part: config, run: '/r', isGitSource: false })).toMatchObject({
      npm_config_audit: 'false',
    });
  });
});

describe('plugins of languages and build tools', () => {
  const install = '"$CRAFT_PART_INSTALL"';

  it('cmake builds outside of the source', () => {
    expect(
      commands({ plugin: 'cmake', source: '.', 'cmake-generator': 'Ninja', 'cmake-parameters': ['-DA=b c'] }),
    ).toContain("cmake -S . -B /work/parts/app/run/cmake -G Ninja '-DA=b c'");
    expect(commands({ plugin: 'cmake', source: '.' }).join('\n')).toContain("-G 'Unix Makefiles'\n");
  });

  it('autotools passes its parameters on, quoted', () => {
    const lines = commands({
      plugin: 'autotools',
      source: '.',
      'autotools-configure-parameters': ['--prefix=/usr', '--with-name=$(id)'],
      'autotools-bootstrap-parameters': ['-v'],
    });
    expect(lines).toContain("./configure --prefix=/usr '--with-name=$(id)'");
    expect(lines[0]).toMatch(/sh \.\/autogen\.sh -v; fi$/);
  });

  it('meson downloads no wraps', () => {
    expect(commands({ plugin: 'meson', source: '.', 'meson-parameters': ['-Dx=y'] })).toContain(
      'meson setup --wrap-mode=nodownload -Dx=y /work/parts/app/run/meson .',
    );
  });

  it('go names its tags and generates before', () => {
    const lines = commands({ plugin: 'go', source: '.', 'go-buildtags': ['a', 'b'], 'go-generate': ['./...'] });
    expect(lines.indexOf('go generate ./...')).toBe(1);
    expect(lines.at(-1)).toContain(' -tags=a,b ./...');
  });

  it('rust installs each path with the lock file, when there is one', () => {
    const lines = commands({
      plugin: 'rust',
      source: '.',
      'rust-path': ['one', 'two'],
      'rust-features': ['x'],
      'rust-no-default-features': true,
    });
    expect(lines.filter((line) => line.startsWith('cargo install $locked '))).toHaveLength(2);
    expect(lines.at(-1)).toContain(`--path two --root ${install} --features=x --no-default-features`);
  });

  it('python installs requirements and packages with the constraints, then the project', () => {
    const lines = commands({
      plugin: 'python',
      source: '.',
      'python-requirements': ['requirements.txt'],
      'python-packages': ['rich>=13'],
      'python-constraints': ['limits.txt'],
    });
    expect(lines[1]).toBe(
      `"$CRAFT_PART_INSTALL/bin/python3" -m pip install --no-compile --constraint limits.txt --requirement requirements.txt 'rich>=13'`,
    );
    expect(lines[2]).toContain('pip install --no-compile --constraint limits.txt .; fi');
  });

  it('python needs no source for packages of an index', () => {
    expect(part({ plugin: 'python', 'python-packages': ['rich'] })).toMatchObject({ plugin: 'python' });
  });

  it('uv freezes to its lock file and downloads no Python', () => {
    const input = { plugin: 'uv', source: '.', 'uv-extras': ['web'], 'uv-groups': ['prod'] };
    expect(commands(input)).toContain('uv sync $frozen --no-dev --no-editable --reinstall --extra=web --group=prod');
    const config = part(input);
    expect(pluginOf(config).environment({ part: config, run: '/r', isGitSource: false })).toMatchObject({
      UV_PYTHON_DOWNLOADS: 'never',
    });
  });

  it.each([
    [
      'maven',
      { 'maven-parameters': ['-DskipTests'] },
      'mvn --batch-mode --no-transfer-progress "$@" package -DskipTests',
    ],
    ['maven', { 'maven-use-wrapper': true }, 'sh ./mvnw --batch-mode --no-transfer-progress "$@" package'],
    [
      'gradle',
      { 'gradle-task': 'app:jar', 'gradle-parameters': ['-Px=y z'] },
      "if [ -f gradlew ]; then sh ./gradlew --console=plain --no-daemon app:jar '-Px=y z'; else gradle --console=plain --no-daemon app:jar '-Px=y z'; fi",
    ],
  ])('%s collects jars and fails without any (%#)', (plugin, keys, line) => {
    const lines = commands({ plugin, source: '.', ...keys });
    expect(lines).toContain(line);
    expect(lines.at(-1)).toContain('exit 1');
  });

  it.each([
    ['gradle', { 'gradle-task': 'a; rm -rf /' }],
    ['go', { 'go-buildtags': ['-x'] }],
    ['rust', { 'rust-features': ['$(id)'] }],
    ['rust', { 'rust-path': ['../elsewhere'] }],
    ['python', { 'python-requirements': ['/etc/passwd'] }],
    ['cmake', { 'cmake-generator': 'Xcode' }],
    ['uv', { 'uv-extra': ['typing error'] }],
  ])('%s refuses %j', (plugin, keys) => {
    expect(() => part({ plugin, source: '.', ...keys })).toThrow();
  });
});

describe('shellWord', () => {
  it.each([
    ['plain-1.0/x', 'plain-1.0/x'],
    ['', "''"],
    ['$HOME', "'$HOME'"],
    ["a'b", "'a'\\''b'"],
    ['a\nb', "'a\nb'"],
  ])('%j', (text, wanted) => {
    expect(shellWord(text)).toBe(wanted);
  });
});
