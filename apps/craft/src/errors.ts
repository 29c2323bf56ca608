import { WaybillError, type WaybillErrorOptions } from '@waybill/contracts';

/** Codes of {@link CraftError}; docs/errors.md says what each means and what to do. */
export type CraftErrorCode =
  | 'CRAFT_USAGE'
  | 'CRAFT_INTERRUPTED'
  | 'CRAFT_PROJECT_MISSING'
  | 'CRAFT_PROJECT_INVALID'
  | 'CRAFT_PLAN_EMPTY'
  | 'CRAFT_PART_UNKNOWN'
  | 'CRAFT_PART_CYCLE'
  | 'CRAFT_PART_FAILED'
  | 'CRAFT_PART_COLLISION'
  | 'CRAFT_ORGANIZE_FAILED'
  | 'CRAFT_TREE_UNSAFE'
  | 'CRAFT_VERSION_MISSING'
  | 'CRAFT_SOURCE_MISSING'
  | 'CRAFT_SOURCE_DOWNLOAD_FAILED'
  | 'CRAFT_SOURCE_GIT_FAILED'
  | 'CRAFT_SOURCE_CHECKSUM'
  | 'CRAFT_SOURCE_UNSAFE'
  | 'CRAFT_SOURCE_TOO_LARGE'
  | 'CRAFT_SOURCE_BROKEN'
  | 'CRAFT_STAGE_PACKAGES_FAILED'
  | 'CRAFT_BUILD_PACKAGE_MISSING'
  | 'CRAFT_PROGRAM_MISSING'
  | 'CRAFT_ENVIRONMENT_UNAVAILABLE'
  | 'CRAFT_SANDBOX_OPENED'
  | 'CRAFT_COMMAND_NOT_STARTED'
  | 'CRAFT_PACK_FAILED'
  | 'CRAFT_OUTPUT_UNWRITABLE'
  | 'CRAFT_WORK_BUSY'
  | 'CRAFT_SESSION_CONFLICT'
  | 'CRAFT_EXTERNAL_INVALID'
  | 'CRAFT_EXTERNAL_UNREACHABLE'
  | 'CRAFT_DAEMON_MISSING'
  | 'CRAFT_DAEMON_START_FAILED'
  | 'CRAFT_DAEMON_UNTRUSTED'
  | 'CRAFT_CONTROL_FAILED'
  | 'CRAFT_CONTROL_DENIED'
  | 'CRAFT_CONFIG_INVALID'
  | 'CRAFT_REFUSED'
  | 'CRAFT_CACHE_FAILED'
  | 'CRAFT_CLIENT_FAILED'
  | 'CRAFT_REPORT_INVALID'
  | 'CRAFT_REPORT_LOST'
  | 'CRAFT_INTERNAL';

/** What a {@link CraftError} carries beside code, hint and cause. */
export interface CraftErrorOptions extends WaybillErrorOptions {
  /** Lines shown below the message: a command's last output, places in a file. */
  readonly details?: readonly string[] | undefined;
}

/** What `craft` cannot do, with the next step. The exit code follows from the code: see `exitCodeOf`. */
export class CraftError extends WaybillError<CraftErrorCode> {
  readonly details: readonly string[];

  constructor(code: CraftErrorCode, message: string, options: CraftErrorOptions = {}) {
    super(code, message, options);
    this.details = options.details ?? [];
  }
}
