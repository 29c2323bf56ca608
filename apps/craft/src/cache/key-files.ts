import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../files/atomic-write.js';
import { digestOf } from '../lifecycle/state.js';
import { craftDirectory, type WorkLayout } from '../project/work-layout.js';
import { canonicalText, type KeyDocument, keyDocumentSchema } from './key-document.js';

/** Key documents of the last builds of one kind; they outlive the directories of sessions, which start from nothing. */
export interface KeyFiles {
  read(part: string): Promise<KeyDocument | undefined>;
  write(part: string, document: KeyDocument): Promise<void>;
  remove(part: string): Promise<void>;
}

/** Opens the key files of a work directory. What cannot be read counts as absent. */
export function createKeyFiles(layout: Pick<WorkLayout, 'project' | 'parts'>): KeyFiles {
  const directory = join(layout.project, craftDirectory, 'keys', digestOf(layout.parts).slice(0, 16));
  const file = (part: string) => join(directory, `${part}.json`);
  return {
    async read(part) {
      try {
        return keyDocumentSchema.parse(JSON.parse(await readFile(file(part), 'utf8')));
      } catch {
        return undefined;
      }
    },
    write: (part, document) => writeFileAtomic(file(part), `${canonicalText(document)}\n`),
    remove: (part) => rm(file(part), { force: true }),
  };
}
