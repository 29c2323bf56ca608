import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { archTriplets } from '../project/plan.js';
import type { PartContext } from './context.js';
import type { Step } from './state.js';

/** Variables of a step's scripts, on top of the build's. Names and values as the craft family has them. */
export function stepEnvironment(context: PartContext, step: Step): Record<string, string> {
  const { item, layout, paths, project, variables } = context;
  const target = item.buildFor === 'all' ? item.buildOn : item.buildFor;
  const subdir = context.part['source-subdir'] ?? '';
  return {
    ...context.baseEnv,
    ...toolPaths(context),
    CRAFT_ARCH_BUILD_ON: item.buildOn,
    CRAFT_ARCH_BUILD_FOR: item.buildFor,
    CRAFT_ARCH_TRIPLET: archTriplets[target],
    CRAFT_ARCH_TRIPLET_BUILD_ON: archTriplets[item.buildOn],
    CRAFT_ARCH_TRIPLET_BUILD_FOR: archTriplets[target],
    CRAFT_TARGET_ARCH: target,
    CRAFT_PLATFORM: item.platform,
    CRAFT_PARALLEL_BUILD_COUNT: String(context.part['disable-parallel'] ? 1 : context.jobs),
    CRAFT_PROJECT_DIR: layout.project,
    CRAFT_PROJECT_NAME: project.name,
    CRAFT_PROJECT_VERSION: variables.get('version') ?? '',
    CRAFT_STAGE: layout.stage,
    CRAFT_PRIME: layout.prime,
    CRAFT_PART_NAME: context.name,
    CRAFT_STEP_NAME: step.toUpperCase(),
    CRAFT_PART_SRC: paths.src,
    CRAFT_PART_SRC_WORK: join(paths.src, subdir),
    CRAFT_PART_BUILD: paths.build,
    CRAFT_PART_BUILD_WORK: join(paths.build, subdir),
    CRAFT_PART_INSTALL: paths.install,
  };
}

/** What earlier parts staged and this one installed comes first on the search paths. */
function toolPaths(context: PartContext): Record<string, string> {
  const roots = [context.paths.install, context.layout.stage];
  const under = (...names: string[]) =>
    roots.flatMap((root) => names.map((name) => join(root, name))).filter((path) => existsSync(path));
  const join2 = (paths: string[], rest: string | undefined, separator: string) =>
    [...paths, ...(rest ? [rest] : [])].join(separator);
  const base = context.baseEnv;
  const includes = under('usr/include', 'include').map((path) => `-I${path}`);
  const libraries = under('usr/lib', 'lib').map((path) => `-L${path}`);
  const packages = under('usr/lib/pkgconfig', 'usr/share/pkgconfig', 'lib/pkgconfig');
  return {
    PATH: join2(under('usr/sbin', 'usr/bin', 'sbin', 'bin'), base.PATH, ':'),
    ...(includes.length > 0
      ? {
          CPPFLAGS: join2(includes, base.CPPFLAGS, ' '),
          CFLAGS: join2(includes, base.CFLAGS, ' '),
          CXXFLAGS: join2(includes, base.CXXFLAGS, ' '),
        }
      : {}),
    ...(libraries.length > 0 ? { LDFLAGS: join2(libraries, base.LDFLAGS, ' ') } : {}),
    ...(packages.length > 0 ? { PKG_CONFIG_PATH: join2(packages, base.PKG_CONFIG_PATH, ':') } : {}),
  };
}
