/** Whether an error comes from the file system: it has a code such as `ENOSPC`. */
export function isDiskError(error: unknown): error is Error & { readonly code: string } {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && error.code.startsWith('E')
}

/** Describes a disk problem and its remedy, for people. `path`: the file or folder that could not be written. */
export function explainDisk(error: Error & { readonly code: string }, path: string): string {
  const cause = CAUSES[error.code]
  return `${path} cannot be written: ${cause === undefined ? error.message : `${cause[0]} (${error.code}). ${cause[1]}`}`
}

/** Cause and remedy by error code. */
const CAUSES: Readonly<Record<string, readonly [cause: string, advice: string]>> = {
  ENOSPC: ['the disk is full', 'Free some space there'],
  EDQUOT: ['the disk quota is used up', 'Free some space there, or raise the quota'],
  EFBIG: ['a file would be larger than allowed', 'Raise the limit (ulimit -f)'],
  EROFS: ['the file system is read-only', 'Remount it writable; the kernel log says why it is not'],
  EACCES: ['this user has no permission', 'Give it to the user that runs Cutover (chown, chmod)'],
  EPERM: ['this user has no permission', 'Give it to the user that runs Cutover (chown, chattr)'],
  EIO: ['the disk reports an I/O error', 'Replace it, or move store.path to another one; the kernel log says more'],
  ENOTDIR: ['a part of the path is not a directory', 'Put a directory there'],
  EEXIST: ['something else is in its place', 'Put a directory there'],
  EMFILE: ['this process has too many open files', 'Raise the limit (ulimit -n)'],
}
