import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Configurations } from './configurations.js';
import { openSessionStore } from './index.js';
import { openSqlite } from './sqlite-driver.js';

it('one that went with its last session is not taken for an empty one, nor is the next that is equal', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'waybill-configurations-'));
  const path = join(directory, 'sessions.sqlite');
  await (await openSessionStore({ url: `file:${path}` })).close();
  const driver = await openSqlite(path);
  try {
    const [writer, reader] = [new Configurations(driver), new Configurations(driver)];
    const configuration = { git: { urls: ['https://git.example:443/**'] } };
    const { key } = writer.place(configuration);
    expect(await reader.read(key)).toBeUndefined();
    await driver.together([writer.insertion(key, configuration)]);
    expect(await reader.read(key)).toEqual(configuration);
  } finally {
    await driver.close();
    await rm(directory, { recursive: true });
  }
});
