import { type ClientProbe, plainGet } from './client-probe.js';

const program = `
import java.net.*;

public class Client {
  public static void main(String[] args) throws Exception {
    new URL(args[0]).openConnection().getInputStream().transferTo(System.out);
  }
}
`;

const project = (body: string) =>
  `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>${body}<packaging>pom</packaging></project>\n`;
const parent = 'demo/parent/1.2.3/parent-1.2.3.pom';

/** Java and its build tools. */
export const jvmProbes: readonly ClientProbe[] = [
  {
    ...plainGet,
    name: 'java',
    version: ['java', '-version'],
    command: ({ host }) => ['java', 'Client.java', `https://${host}/`],
    files: () => ({ 'Client.java': program }),
    takesCredentials: false,
  },
  {
    name: 'maven',
    version: ['mvn', '--version'],
    // Nothing of this needs a plugin, hence no download but the parent.
    command: ({ clients }) => [
      'mvn',
      '-B',
      '-Dmaven.repo.local=repository',
      `--settings=${clients}/java/settings.xml`,
      'validate',
    ],
    files: (host) => ({
      'pom.xml': project(
        '<parent><groupId>demo</groupId><artifactId>parent</artifactId><version>1.2.3</version><relativePath/></parent>' +
          '<artifactId>probe</artifactId>' +
          `<repositories><repository><id>central</id><url>https://${host}/maven</url></repository></repositories>`,
      ),
    }),
    pages: () => ({
      [`/maven/${parent}`]: project('<groupId>demo</groupId><artifactId>parent</artifactId><version>1.2.3</version>'),
    }),
    request: (host) => `GET https://${host}/maven/${parent}`,
    output: /BUILD SUCCESS/,
    takesCredentials: true,
  },
  {
    name: 'gradle',
    version: ['gradle', '--version'],
    command: () => ['gradle', '-q', '--console=plain', 'show'],
    files: (host) => ({
      'settings.gradle': "rootProject.name = 'probe'\n",
      'build.gradle': [
        `repositories { maven { url 'https://${host}/maven' } }`,
        'configurations { demo }',
        "dependencies { demo 'demo:demo:1.2.3@txt' }",
        'task show { doLast { configurations.demo.files.each { println it.text } } }',
        '',
      ].join('\n'),
    }),
    pages: () => ({
      '/maven/demo/demo/1.2.3/demo-1.2.3.pom': project(
        '<groupId>demo</groupId><artifactId>demo</artifactId><version>1.2.3</version>',
      ),
      '/maven/demo/demo/1.2.3/demo-1.2.3.txt': 'hello from the repository',
    }),
    request: (host) => `GET https://${host}/maven/demo/demo/1.2.3/demo-1.2.3.pom`,
    output: /hello from the repository/,
    takesCredentials: true,
  },
];
