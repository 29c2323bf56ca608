import type { Project } from '@waybill/contracts';

const extensions = { tar: 'tar.gz', snap: 'snap', oci: 'oci.tar', rock: 'rock' } as const;

/** What identifies an artifact. */
export interface ArtifactIdentity {
  readonly name: string;
  readonly version: string | undefined;
  readonly platform: string;
}

/** `<name>_<version>_<platform>`; without version when none was set. Never a path. */
export function artifactStem({ name, version, platform }: ArtifactIdentity): string {
  return [name, version, platform]
    .filter((part) => part !== undefined)
    .join('_')
    .replaceAll(/[/\\]/g, '-');
}

/** File name of the artifact of a type of project. */
export function artifactFile(type: Project['type'], identity: ArtifactIdentity): string {
  return `${artifactStem(identity)}.${extensions[type]}`;
}
