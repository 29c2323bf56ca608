import type { CacheNamespace } from '@waybill/cache-store';

/**
 * The answer to PROPFIND, or undefined for a file that is not there. Only of the thing itself, whatever `Depth` says: what sccache
 * and others ask is whether something exists. Every path with a slash at its end is a collection. RFC 4918 §9.1
 * @param url as it was asked, for `href`
 */
export async function propertiesOf(namespace: CacheNamespace, key: string, url: string): Promise<string | undefined> {
  const [href = ''] = url.split(/[?#]/, 1);
  if (key === '' || key.endsWith('/')) return multistatus(href, '<D:resourcetype><D:collection/></D:resourcetype>');
  const entry = await namespace.lookup('kv', [key]);
  if (!entry) return undefined;
  return multistatus(
    href,
    [
      '<D:resourcetype/>',
      `<D:getcontentlength>${entry.value.size}</D:getcontentlength>`,
      `<D:getetag>"${entry.value.sha256}"</D:getetag>`,
      `<D:getlastmodified>${entry.createdAt.toUTCString()}</D:getlastmodified>`,
    ].join(''),
  );
}

function multistatus(href: string, properties: string): string {
  return [
    '<?xml version="1.0" encoding="utf-8"?>',
    '<D:multistatus xmlns:D="DAV:"><D:response>',
    `<D:href>${escapeXml(href)}</D:href>`,
    `<D:propstat><D:prop>${properties}</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>`,
    '</D:response></D:multistatus>\n',
  ].join('');
}

function escapeXml(text: string): string {
  return text.replace(/[<>&"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
