import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { parseCookie, stringifySetCookie } from 'cookie';
import etag from 'etag';
import express from 'express';
import { marked } from 'marked';
import mime from 'mime';
import ms from 'ms';
import Mustache from 'mustache';
import { nanoid } from 'nanoid';

const page = '# Hello, {{name}}\n\nThis is visit {{visit}}, request `{{id}}`.';

/**
 * The web application; nothing listens yet.
 * @param {{ themeDir?: string }} options where the theme's files lie
 */
export function createApp({ themeDir } = {}) {
  const app = express();
  app.get('/', (request, response) => {
    const visit = Number(parseCookie(request.headers.cookie ?? '').visit ?? 0) + 1;
    const name = String(request.query.name ?? 'world');
    const html = marked.parse(Mustache.render(page, { name, visit, id: nanoid(8) }));
    response.append('set-cookie', stringifySetCookie({ name: 'visit', value: String(visit), maxAge: ms('7d') / 1000 }));
    response.set('etag', etag(html)).type('html').send(html);
  });
  app.get('/theme/:file', async (request, response) => {
    const file = basename(request.params.file);
    const bytes = themeDir && (await readFile(join(themeDir, file)).catch(() => undefined));
    if (!bytes) return response.status(404).type('text').send(`no theme file ${file}\n`);
    return response.type(mime.getType(file) ?? 'application/octet-stream').send(bytes);
  });
  return app;
}
