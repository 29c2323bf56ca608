import type { InspectorsConfig, VouchLink } from '@waybill/contracts';
import { checkoutOf } from '../git/checkout.js';
import { fetchRequestOf } from '../git/fetch-request.js';
import { GitFormatError } from '../git/pkt-line.js';
import { repositoryMatcher } from '../git/repository-url.js';
import type { Inspector } from '../inspector.js';
import { normalizeLicense } from '../license.js';
import { approved, pending, rejected, unknown } from '../opinions.js';
import { readYamlMap, type YamlMap } from '../yaml-map.js';

/** Where each tool looks for its project. */
const tools: readonly (readonly [tool: string, paths: readonly string[]])[] = [
  ['sourcecraft', ['sourcecraft.yaml']],
  ['rockcraft', ['rockcraft.yaml']],
  ['snapcraft', ['snapcraft.yaml', 'snap/snapcraft.yaml', 'build-aux/snap/snapcraft.yaml']],
  ['charmcraft', ['charmcraft.yaml']],
  ['bincraft', ['bincraft.yaml']],
];
const projectBytes = 1 << 20;

/**
 * Projects of craft tools in what git fetched: names for the report, and no broken project. The pack itself is proven by
 * `git.upload-pack`. docs/inspectors/craft.snapcraft.md and its neighbours
 * @throws PolicyError POLICY_GLOB_INVALID
 * @see specs/fetch-service.md §5.7
 */
export function craftInspectors(config: InspectorsConfig): readonly Inspector[] {
  const allowed = repositoryMatcher(config, 'crafts');
  return tools.map(
    ([tool, paths]): Inspector<VouchLink> => ({
      id: `craft.${tool}`,
      inspectRequest(request) {
        if (!request.url.pathname.endsWith('/git-upload-pack')) return undefined;
        const repository = allowed(request, 'git-upload-pack');
        if (!repository || !fetchRequestOf(request)) return undefined;
        return pending(`perhaps a project of ${tool} in ${repository.name}`, repository.origin);
      },
      async inspectArtifact(artifact, origin) {
        const checkout = checkoutOf(artifact);
        if (!checkout) return origin && unknown('git.upload-pack has no checkout of it');
        let project: { readonly path: string; readonly text: string } | undefined;
        let yaml: YamlMap;
        try {
          project = await checkout.read(paths, projectBytes);
          if (!project) return undefined;
          yaml = readYamlMap(project.text, project.path);
        } catch (error) {
          if (!(error instanceof GitFormatError) && !(error instanceof Error && error.constructor === Error))
            throw error;
          return rejected(`the project of ${tool}: ${error.message}`);
        }
        if (!origin) return unknown(`a project of ${tool}; no pattern of crafts.urls matches its repository`);
        return approved(`a project of ${tool} (${project.path}) in the configured place`, {
          metadata: {
            type: `application/x.canonical.${tool}`,
            name: yaml.text('name'),
            version: yaml.text('version'),
            description: yaml.text('summary'),
            license: normalizeLicense(yaml.text('license')),
            'content-id': checkout.revision,
          },
          vouchedBy: [origin],
          annotations: { file: project.path, revision: checkout.revision },
        });
      },
    }),
  ) as readonly Inspector[];
}
