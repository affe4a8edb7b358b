/** The points in a request's life at which a program may be called, in their order. */
export const HOOK_NAMES = ['request', 'choosePool', 'upstreamRequest', 'response', 'log'] as const

export type HookName = (typeof HOOK_NAMES)[number]

/** A value that a module imports. */
export interface HooksImport {
  /** Its name in the module. */
  readonly local: string
  /** The file of another module of the program, or else what `require` understands: a package or a built-in module. */
  readonly from: string
  /** The name of the export; `*` = all of them, `**` = all but the default. */
  readonly name: string
  readonly line: number
}

/** One file of a program. */
export interface HooksModule {
  /** Absolute path. */
  readonly file: string
  /** The file as the body of a function that returns its exports, line by line. Its parameters are what it imports. */
  readonly code: string
  readonly imports: readonly HooksImport[]
}

/** The text of a hooks file and of the files that it imports, as they were when they were read. */
export interface HooksProgram {
  /** Differs for each reading. */
  readonly id: string
  /** Those that are imported come before those that import them; the last one is the hooks file. */
  readonly modules: readonly HooksModule[]
  /** The lines of the hooks file where hooks are defined, as far as they can be told; `default`: that of its default export. */
  readonly lines: Readonly<Partial<Record<HookName | 'default', number>>>
}

/** The hooks of an instance, and how they are called. */
export interface HookSettings {
  /** null = none. */
  readonly program: HooksProgram | null
  /** Path of the hooks file as configured; empty = none. */
  readonly file: string
  /** Max time for the promise of `request`. */
  readonly timeoutMs: number
  /** What becomes of a request whose hook fails: it fails, or goes on as if that hook were not there. */
  readonly onError: 'fail' | 'ignore'
}

/** Why a program cannot be used. */
export interface HooksProblem {
  /** `file:line`, or the file alone. */
  readonly place: string
  readonly message: string
}

export const NO_HOOKS: HookSettings = { program: null, file: '', timeoutMs: 1_000, onError: 'fail' }
