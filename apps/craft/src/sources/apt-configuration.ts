/** Indexes that desktops let apt fetch as well; some are larger than the lists of packages. */
const unneededIndexes = [
  'CNF',
  'Contents-deb',
  'DEP-11',
  'DEP-11-icons',
  'DEP-11-icons-small',
  'DEP-11-icons-hidpi',
  'DEP-11-icons-large',
  'DEP-11-icons-large-hidpi',
];

/**
 * apt's configuration for directories of our own. It is read last (`-c`), so it also takes away hooks that the machine's
 * configuration runs after an update: they would act on the machine's own apt directories.
 */
export function aptConfiguration(directory: string, architecture: string): string {
  return [
    '#clear APT::Update::Pre-Invoke;',
    '#clear APT::Update::Post-Invoke;',
    '#clear APT::Update::Post-Invoke-Success;',
    '#clear DPkg::Pre-Install-Pkgs;',
    '#clear DPkg::Pre-Invoke;',
    '#clear DPkg::Post-Invoke;',
    '#clear APT::Architectures;',
    `APT::Architecture "${architecture}";`,
    `APT::Architectures { "${architecture}"; };`,
    `Dir::State "${directory}/state";`,
    `Dir::State::status "${directory}/state/status";`,
    `Dir::Cache "${directory}/cache";`,
    'Dir::Cache::archives "archives/";',
    `Dir::Log "${directory}/log";`,
    'Acquire::Languages "none";',
    ...unneededIndexes.map((name) => `Acquire::IndexTargets::deb::${name}::DefaultEnabled "false";`),
    // apt 2.6 waits for ever when it delays another attempt after a broken transfer, which is how a refusal may look.
    'Acquire::Retries::Delay "false";',
    'APT::Install-Recommends "false";',
    'APT::Sandbox::User "root";',
    'Binary::apt-get::APT::Keep-Downloaded-Packages "true";',
    '',
  ].join('\n');
}

/** dpkg's list of installed packages without those that are wanted: apt then brings them, whatever the machine has. */
export function statusWithout(status: string, wanted: readonly string[]): string {
  const names = new Set(wanted.map((entry) => entry.replace(/[:=].*$/, '')));
  const kept = status.split(/\n{2,}/).filter((stanza) => {
    const name = /^Package: *(\S+)/m.exec(stanza)?.[1];
    return name !== undefined && !names.has(name);
  });
  return kept.map((stanza) => `${stanza.trim()}\n\n`).join('');
}
