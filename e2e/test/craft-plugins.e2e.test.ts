import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { createCraftUser } from './harness/craft.js';
import { craftYaml } from './harness/craft-project.js';
import { keepForTest } from './harness/keep.js';

const greeting = (name: string) => `#include <stdio.h>\nint main(void) { puts("hello from ${name}"); return 0; }\n`;

const files = {
  'craft.yaml': craftYaml({
    cmake: {
      plugin: 'cmake',
      source: 'cmake',
      'cmake-parameters': ['-DCMAKE_INSTALL_PREFIX=/usr', '-DGREETER=by cmake'],
    },
    ninja: { plugin: 'cmake', source: 'cmake', 'cmake-generator': 'Ninja', 'cmake-parameters': ['-DGREETER=by ninja'] },
    autotools: { plugin: 'autotools', source: 'autotools', 'autotools-configure-parameters': ['--prefix=/usr'] },
    meson: { plugin: 'meson', source: 'meson', 'meson-parameters': ['--prefix=/usr'] },
  }),
  'cmake/CMakeLists.txt': `cmake_minimum_required(VERSION 3.13)\nproject(greet C)\nadd_executable(by-cmake main.c)\ntarget_compile_definitions(by-cmake PRIVATE GREETER="\${GREETER}")\ninstall(TARGETS by-cmake DESTINATION bin)\n`,
  'cmake/main.c': '#include <stdio.h>\nint main(void) { puts("hello " GREETER); return 0; }\n',
  'autotools/configure.ac':
    'AC_INIT([greet], [1.0])\nAM_INIT_AUTOMAKE([foreign])\nAC_PROG_CC\nAC_CONFIG_FILES([Makefile])\nAC_OUTPUT\n',
  'autotools/Makefile.am': 'bin_PROGRAMS = by-autotools\nby_autotools_SOURCES = main.c\n',
  'autotools/main.c': greeting('autotools'),
  'meson/meson.build': "project('greet', 'c')\nexecutable('by-meson', 'main.c', install: true)\n",
  'meson/main.c': greeting('meson'),
};

it('cmake, autotools and meson build in a strict session that allows nothing, and download nothing', async () => {
  const user = keepForTest(await createCraftUser({ inspectors: {} }));
  const project = await user.project(files);
  const ran = await user.craft(project, ['pack', '--enable-fetch-service'], { timeoutMs: 120_000 });
  expect(ran, ran.stdout + ran.stderr).toMatchObject({ code: 0 });
  const report = await project.report('sample_1.0_here.tar.gz.json');
  expect([report.artifacts, report.refusals, report.failures]).toEqual([[], [], []]);
  execFileSync('tar', ['-xzf', 'sample_1.0_here.tar.gz', '--one-top-level=out'], { cwd: project.dir });
  const says = (path: string) =>
    execFileSync('sh', ['-c', `"out/${path}" 2>&1`], { cwd: project.dir, encoding: 'utf8' });
  expect(['usr/bin/by-cmake', 'usr/local/bin/by-cmake', 'usr/bin/by-autotools', 'usr/bin/by-meson'].map(says)).toEqual([
    'hello by cmake\n',
    'hello by ninja\n',
    'hello from autotools\n',
    'hello from meson\n',
  ]);
});
