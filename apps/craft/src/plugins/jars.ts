/** Copies the jars that a build left in directories of the name into `jar`; sources and the like stay behind. */
export function collectJars(directory: string): string[] {
  return [
    'mkdir -p "$CRAFT_PART_INSTALL/jar"',
    `find . -type f -path '*/${directory}/*.jar' ! -path '*/${directory}/*/*' ! -name '*-sources.jar' ! -name '*-javadoc.jar' ! -name 'original-*.jar' -exec cp {} "$CRAFT_PART_INSTALL/jar/" ';'`,
    'if [ -z "$(ls "$CRAFT_PART_INSTALL/jar")" ]; then echo "the build left no jar" >&2; exit 1; fi',
  ];
}
