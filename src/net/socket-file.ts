import { lstat, stat, unlink } from 'node:fs/promises'
import { connect } from 'node:net'
import { dirname } from 'node:path'

/**
 * Max length of the path of a socket file, bytes: `sun_path` of unix(7) without its final zero; a few less on macOS.
 */
export const MAX_SOCKET_PATH_BYTES = process.platform === 'linux' ? 107 : 103

/** Another process accepts connections at a socket file. */
export class SocketFileInUse extends Error {
  override name = 'SocketFileInUse'
}

/**
 * Prepares the path of a socket file: removes a file that a killed process has left behind. Throws an error with the
 * reason if listening there is impossible; SocketFileInUse if another process listens there.
 */
export async function clearSocketFile(path: string): Promise<void> {
  const bytes = Buffer.byteLength(path)
  if (bytes > MAX_SOCKET_PATH_BYTES)
    throw new Error(`the path has ${bytes} bytes, and a socket's may have at most ${MAX_SOCKET_PATH_BYTES}`)
  const folder = dirname(path)
  const isFolder = await stat(folder).then(
    (found) => found.isDirectory(),
    () => null,
  )
  if (isFolder === null) throw new Error(`the folder ${folder} does not exist or cannot be entered`)
  if (!isFolder) throw new Error(`${folder} is not a folder`)
  const found = await lstat(path).catch(() => null)
  if (found === null) return
  if (!found.isSocket()) throw new Error(`there is a file of that name already, which is not a socket`)
  if (await isListening(path)) throw new SocketFileInUse('another process already listens there')
  await unlink(path)
}

/**
 * Calls `bind`, which makes a socket file at once, so that the file has this mode from the start; undefined = the
 * umask's.
 */
export function withMode<T>(mode: number | undefined, bind: () => T): T {
  if (mode === undefined) return bind()
  const before = process.umask(0o777 & ~mode)
  try {
    return bind()
  } finally {
    process.umask(before)
  }
}

/** Whether a process accepts connections at a socket file. */
export function isListening(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    // Only ECONNREFUSED means that no process listens: a full backlog means the opposite.
    socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code !== 'ECONNREFUSED' && code !== 'ENOENT'))
  })
}
