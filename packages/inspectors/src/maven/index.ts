import type { InspectorsConfig } from '@waybill/contracts';
import type { Inspector } from '../inspector.js';
import { mavenFile, mavenJar, mavenModule, mavenPom } from './artifacts.js';
import { mavenChecksum, mavenMetadata } from './metadata.js';

/** Inspectors of Maven repositories, in the order of the registry. */
export function mavenInspectors(config: InspectorsConfig): readonly Inspector[] {
  return [
    mavenMetadata(config),
    mavenChecksum(config),
    mavenModule(config),
    mavenPom(config),
    mavenJar(config),
    mavenFile(config),
  ] as readonly Inspector[];
}
