#!/usr/bin/env node
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import dotenv from 'dotenv';
import pc from 'picocolors';
import semver from 'semver';
import { createApp } from '../lib/app.js';

dotenv.config({ quiet: true });
if (!semver.satisfies(process.version, '>=20')) {
  console.error(`hello-web needs Node 20 or newer, this is ${process.version}`);
  process.exit(1);
}

new Command('hello-web')
  .description('Serve greetings over HTTP')
  .option('-p, --port <port>', 'port to listen on', process.env.PORT ?? '8080')
  .option('--theme <dir>', 'folder with the theme', fileURLToPath(new URL('../../../../share/theme', import.meta.url)))
  .action(({ port, theme }) => {
    createApp({ themeDir: theme }).listen(Number(port), '127.0.0.1', (error) => {
      if (error) throw error;
      console.log(pc.green(`hello-web listens on http://127.0.0.1:${port}/`));
    });
  })
  .parse();
