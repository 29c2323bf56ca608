import { type Architecture, isArchitecture, type Project } from '@waybill/contracts';
import { CraftError } from '../errors.js';

/** One build of the plan: one platform, one artifact, one session. */
export interface BuildItem {
  readonly platform: string;
  readonly buildOn: Architecture;
  readonly buildFor: Architecture | 'all';
}

/** What the user asked for and where craft runs. */
export interface PlanOptions {
  readonly platform?: string | undefined;
  readonly buildFor?: string | undefined;
  readonly host: Architecture;
}

/**
 * Builds to do, in the order of the file.
 * @throws CraftError CRAFT_PLAN_EMPTY when nothing of the project can be built here or nothing matches
 */
export function planBuilds(project: Project, options: PlanOptions): BuildItem[] {
  const names = Object.keys(project.platforms);
  if (options.platform !== undefined && !names.includes(options.platform)) {
    throw new CraftError('CRAFT_PLAN_EMPTY', `the project has no platform \`${options.platform}\``, {
      hint: `its platforms are: ${names.join(', ')}`,
    });
  }
  const items = Object.entries(project.platforms)
    .filter(([name]) => options.platform === undefined || name === options.platform)
    .filter(([, platform]) => options.buildFor === undefined || platform['build-for'] === options.buildFor)
    .filter(([, platform]) => platform['build-on'].includes(options.host))
    .map(([name, platform]) => ({ platform: name, buildOn: options.host, buildFor: platform['build-for'] }));
  if (items.length === 0) {
    throw new CraftError('CRAFT_PLAN_EMPTY', `nothing to build on ${options.host}`, {
      hint: 'see `platforms` in craft.yaml (build-on, build-for) and the options --platform and --build-for',
      details: names.map((name) => {
        const platform = project.platforms[name];
        return `${name}: build-on ${platform?.['build-on'].join(', ')}, build-for ${platform?.['build-for']}`;
      }),
    });
  }
  return items;
}

const nodeArchitectures: Readonly<Record<string, Architecture>> = {
  x64: 'amd64',
  arm64: 'arm64',
  arm: 'armhf',
  ia32: 'i386',
  ppc64: 'ppc64el',
  riscv64: 'riscv64',
  s390x: 's390x',
};

/**
 * Debian's name of this machine's architecture.
 * @throws CraftError CRAFT_PLAN_EMPTY on machines that have none
 */
export function hostArchitecture(arch: string = process.arch): Architecture {
  const name = nodeArchitectures[arch];
  if (!name || !isArchitecture(name)) {
    throw new CraftError('CRAFT_PLAN_EMPTY', `craft does not know the architecture of this machine (${arch})`);
  }
  return name;
}

/** GNU triplets as the step variables spell them. */
export const archTriplets: Readonly<Record<Architecture, string>> = {
  amd64: 'x86_64-linux-gnu',
  arm64: 'aarch64-linux-gnu',
  armhf: 'arm-linux-gnueabihf',
  i386: 'i386-linux-gnu',
  ppc64el: 'powerpc64le-linux-gnu',
  riscv64: 'riscv64-linux-gnu',
  s390x: 's390x-linux-gnu',
};
