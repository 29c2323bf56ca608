import { describe, expect, it } from 'vitest';
import { webPageBehind } from './authorize.js';

describe('webPageBehind', () => {
  it.each([
    [{ host: '127.0.0.1:9999' }],
    [{ host: 'localhost:9999' }],
    [{ host: 'LOCALHOST' }],
    [{ host: '[::1]:9999' }],
    [{ host: '127.0.0.53' }],
    [{ host: 'localhost', 'sec-fetch-site': 'none' }],
  ])('%j is a program', (headers) => expect(webPageBehind(headers)).toBeUndefined());

  it.each([
    [{ host: '127.0.0.1:9999', origin: 'https://evil.example' }, 'Origin'],
    [{ host: '127.0.0.1:9999', origin: 'null' }, 'Origin'],
    [{ host: '127.0.0.1:9999', 'sec-fetch-site': 'cross-site' }, 'Sec-Fetch-Site'],
    [{ host: '127.0.0.1:9999', 'sec-fetch-site': 'same-origin' }, 'Sec-Fetch-Site'],
    [{ host: 'rebinding.example:9999' }, 'Host'],
    [{ host: '127.0.0.1.rebinding.example:9999' }, 'Host'],
    [{ host: 'localhost.evil.example' }, 'Host'],
    [{ host: '' }, 'Host'],
    [{}, 'Host'],
  ])('%j may be a page', (headers, why) => expect(webPageBehind(headers)).toContain(why));
});
