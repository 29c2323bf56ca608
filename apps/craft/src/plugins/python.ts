import type { PartOf } from './part-of.js';
import { type Plugin, shellWords } from './plugin.js';
import { relocate } from './virtual-environment.js';

/**
 * A virtual environment in the install directory with requirements, further packages and the project itself, by pip. Its
 * Python is the one of the build environment.
 */
export const python: Plugin<PartOf<'python'>> = {
  name: 'python',
  keys: ['python-packages', 'python-requirements', 'python-constraints'],
  environment: () => ({ PIP_DISABLE_PIP_VERSION_CHECK: '1', PIP_NO_INPUT: '1', PYTHONDONTWRITEBYTECODE: '1' }),
  commands({ part }) {
    const constraints = shellWords(part['python-constraints'].flatMap((path) => ['--constraint', path]));
    const install = `"$CRAFT_PART_INSTALL/bin/python3" -m pip install --no-compile${constraints}`;
    const requirements = shellWords(part['python-requirements'].flatMap((path) => ['--requirement', path]));
    const packages = shellWords(part['python-packages']);
    return [
      'python3 -m venv "$CRAFT_PART_INSTALL"',
      ...(requirements + packages === '' ? [] : [`${install}${requirements}${packages}`]),
      `if [ -f setup.py ] || [ -f pyproject.toml ]; then ${install} .; fi`,
      ...relocate,
    ];
  },
};
