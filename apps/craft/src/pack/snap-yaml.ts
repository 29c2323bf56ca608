import type { Project } from '@waybill/contracts';
import { stringify } from 'yaml';
import type { ProjectVariable } from '../lifecycle/context.js';
import type { BuildItem } from '../project/plan.js';

/** Text of `meta/snap.yaml`. Keys stand in a fixed order; absent ones are left out. */
export function snapYaml(project: Project, item: BuildItem, variables: ReadonlyMap<ProjectVariable, string>): string {
  const text = (name: ProjectVariable) => variables.get(name) ?? project[name];
  const document = {
    name: project.name,
    title: project.title,
    version: text('version'),
    summary: text('summary') ?? project.name,
    description: text('description') ?? text('summary') ?? project.name,
    base: project.base,
    architectures: [item.buildFor],
    license: project.license,
    confinement: project.confinement ?? 'strict',
    grade: project.grade ?? 'stable',
    apps: project.apps,
    links: links(project),
  };
  const present = Object.entries(document).filter(([, value]) => value !== undefined);
  return stringify(Object.fromEntries(present), { lineWidth: 0 });
}

function links(project: Project): Record<string, string[]> | undefined {
  const list = (value: string | string[] | undefined) => (value === undefined ? [] : [value].flat());
  const found = Object.entries({
    contact: list(project.contact),
    issues: list(project.issues),
    'source-code': list(project['source-code']),
  }).filter(([, urls]) => urls.length > 0);
  return found.length > 0 ? Object.fromEntries(found) : undefined;
}
