import type { ArtifactView, InspectorsConfig, VouchLink } from '@waybill/contracts';
import { formatPurl } from '@waybill/contracts';
import type { Inspector } from '../inspector.js';
import { JsonProjectionError } from '../json-projection.js';
import { offerWithValue } from '../offer.js';
import { approved, pending, rejected, rejectedRequest } from '../opinions.js';
import { locatePage, type PipIndex, pipIndexes } from './indexes.js';
import { normalizeName } from './names.js';
import {
  type PageForm,
  ProjectPageError,
  projectPageKind,
  projectPageParser,
  projectScope,
  readProjectPage,
} from './project-page.js';

interface Expected {
  readonly index: PipIndex;
  readonly project: string;
}

/**
 * Project pages of configured indexes, in HTML and JSON. Approved by trust in the origin; vouch for the hashes of files and of
 * their metadata. docs/inspectors/pip.simple-index.md
 */
export function pipSimpleIndex(config: InspectorsConfig): Inspector<Expected> {
  const indexes = pipIndexes(config);
  return {
    id: projectPageKind,
    catalogs: [projectPageParser],
    inspectRequest(request) {
      const located = locatePage(indexes, request);
      if (!located) return undefined;
      const { index, project } = located;
      const notes = { index: index.id, 'package-name': project };
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        return rejectedRequest(`${request.method} of the page of ${project}: a build only reads an index`, notes);
      }
      return pending(`the page of ${project} from ${index.id}`, located, notes);
    },
    async inspectArtifact(artifact, expected) {
      if (!expected) return undefined;
      const { index, project } = expected;
      const form = formOf(artifact);
      try {
        const page = await readProjectPage(artifact.open(), form);
        const fault = faultOf(page, project);
        if (fault) return rejected(`the page of ${project}: ${fault}`);
        const offer = { scope: projectScope(index.id, project), kind: projectPageKind, attributes: { form } };
        const yanked = [...page.files.values()].filter(({ isYanked }) => isYanked).length;
        return approved(`the page of ${project} from the configured index ${index.id}`, {
          metadata: {
            type: 'application/x.python.simple-index',
            name: `${form === 'json' ? 'JSON' : 'Simple'} index for '${project}'`,
            vendor: index.host,
            author: index.host,
            ...(form === 'json' && { version: 'v1+json' }),
            purl: formatPurl({ type: 'pypi', name: project }),
          },
          vouchedBy: [originLink(index)],
          provides: page.files.size > 0 ? [offerWithValue(offer, page)] : [],
          annotations: { files: page.files.size, ...(yanked > 0 && { yanked }) },
        });
      } catch (error) {
        if (!(error instanceof ProjectPageError || error instanceof JsonProjectionError)) throw error;
        return rejected(`the page of ${project}: ${error.message}`);
      }
    },
  };
}

/** The trust root of everything an index says. */
export function originLink(index: PipIndex): VouchLink {
  return { kind: 'origin', id: index.id, name: index.host };
}

function formOf({ mediaType }: ArtifactView): PageForm {
  return /^application\/(vnd\.pypi\.simple\.(v1|latest)\+)?json$/.test(mediaType) ? 'json' : 'html';
}

/** PEP 629: another major version may mean anything. */
function faultOf(page: { readonly name: string | undefined; readonly version: string | undefined }, project: string) {
  if (page.version !== undefined && !/^1\.\d{1,4}$/.test(page.version)) {
    return `expected version 1 of the simple API, found ${JSON.stringify(page.version.slice(0, 40))}`;
  }
  if (page.name !== undefined && normalizeName(page.name) !== project) {
    return `found the page of ${JSON.stringify(page.name.slice(0, 200))}`;
  }
  return undefined;
}
