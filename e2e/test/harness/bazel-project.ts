const cpus = ['x86_32', 'x86_64', 'ppc', 'arm', 's390x', 'aarch64', 'i386', 'armv7', 'arm64', 'mips64', 'riscv64'];
const systems = ['osx', 'freebsd', 'linux', 'windows', 'android', 'ios', 'openbsd', 'none'];

function constraint(name: string, values: readonly string[]): string {
  return [
    'package(default_visibility = ["//visibility:public"])',
    `constraint_setting(name = "${name}")`,
    ...values.map((value) => `constraint_value(name = "${value}", constraint_setting = ":${name}")`),
    '',
  ].join('\n');
}

/** Files of a Bazel project that downloads nothing: Bazel 2.1 would fetch the repository `platforms`. */
export const bazelProject: Readonly<Record<string, string>> = {
  WORKSPACE: 'local_repository(name = "platforms", path = "platforms")\n',
  'platforms/WORKSPACE': 'workspace(name = "platforms")\n',
  'platforms/cpu/BUILD': constraint('cpu', cpus),
  'platforms/os/BUILD': constraint('os', systems),
};
