import { lstat, mkdtemp, readdir, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { listen } from '../net/listen.ts'
import { isListening, MAX_SOCKET_PATH_BYTES } from '../net/socket-file.ts'

const PREFIX = 'cutover-'
/** Names that `mkdtemp` makes from the prefix. */
const RANDOM = /^cutover-[A-Za-z0-9]{6}$/
/** Socket file that accepts connections as long as the supervisor of the folder lives. */
const ALIVE = 'alive.sock'
/** Longest name of a socket file in the folder. */
const LONGEST_NAME = 'control.sock'

/**
 * Temporary folder of a supervisor for socket files between its processes and for compiled code. Only this user may
 * enter it. A folder that a killed supervisor left behind is removed by the next start.
 */
export class PrivateFolder {
  readonly path: string
  private readonly alive: Server

  private constructor(path: string, alive: Server) {
    this.path = path
    this.alive = alive
  }

  /**
   * Creates a folder in the first of `parents` where socket paths are short enough. Throws with the reason for each
   * parent.
   */
  static async create(parents: readonly string[] = candidates()): Promise<PrivateFolder> {
    const refusals: string[] = []
    for (const parent of parents) {
      const bytes = Buffer.byteLength(join(parent, `${PREFIX}XXXXXX`, LONGEST_NAME))
      if (bytes > MAX_SOCKET_PATH_BYTES) {
        refusals.push(`in ${parent}, socket paths would have ${bytes} bytes; the max is ${MAX_SOCKET_PATH_BYTES}`)
        continue
      }
      try {
        await removeLeftBehind(parent)
        return await PrivateFolder.in(parent)
      } catch (error) {
        refusals.push((error as Error).message)
      }
    }
    throw new Error(
      `cannot create a folder for temporary files (${refusals.join('; ')}); set TMPDIR to a folder with a short path`,
    )
  }

  async remove(): Promise<void> {
    this.alive.close()
    await rm(this.path, { recursive: true, force: true })
  }

  private static async in(parent: string): Promise<PrivateFolder> {
    const path = await mkdtemp(join(parent, PREFIX))
    const alive = createServer((socket) => socket.destroy())
    try {
      await listen(alive, { path: join(path, ALIVE) })
    } catch (error) {
      await rm(path, { recursive: true, force: true })
      throw error
    }
    alive.unref()
    return new PrivateFolder(path, alive)
  }
}

function candidates(): string[] {
  const { XDG_RUNTIME_DIR } = process.env
  return [...new Set([tmpdir(), ...(XDG_RUNTIME_DIR ? [XDG_RUNTIME_DIR] : []), '/tmp', '/var/tmp'])]
}

/**
 * Removes folders of this user whose supervisor is gone. A folder without a socket file is kept: it is just being
 * created.
 */
async function removeLeftBehind(parent: string): Promise<void> {
  const names = (await readdir(parent)).filter((name) => RANDOM.test(name))
  await Promise.all(
    names.map(async (name) => {
      const path = join(parent, name)
      if (await isLeftBehind(path)) await rm(path, { recursive: true, force: true }).catch(() => undefined)
    }),
  )
}

async function isLeftBehind(path: string): Promise<boolean> {
  try {
    const folder = await lstat(path)
    if (!folder.isDirectory() || folder.uid !== process.getuid?.()) return false
    const alive = await lstat(join(path, ALIVE))
    return alive.isSocket() && !(await isListening(join(path, ALIVE)))
  } catch {
    return false
  }
}
