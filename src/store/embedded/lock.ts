import { access, open, readdir, readFile, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { StoreInUse } from '../store.ts'

/** `lock-PID-STARTED-BOOT` where /proc tells when a process started, else `lock-PID`. */
const LOCK = /^lock-(\d+)(?:-(\d+)-(\w+))?$/

/**
 * When process `pid` started, as `-TICKS-BOOT`, so that a pid that has come round again (pid 1 of a restarted
 * container, always) is not taken for the process it was. `dead` for a process that has ended and only waits to be
 * reaped; empty where there is no /proc. Source: proc(5), fields 3 and 22 of /proc/PID/stat.
 */
async function started(pid: number): Promise<string> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'latin1')
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'latin1')
    // The command's name, in parentheses, may hold blanks and parentheses of its own.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' || fields[0] === 'X' ? 'dead' : `-${fields[19]}-${boot.slice(0, 8)}`
  } catch {
    return ''
  }
}

/** Whether the process that made the lock file `name` still runs. In doubt, it does. */
async function isAlive(name: string): Promise<boolean> {
  const pid = Number(LOCK.exec(name)?.[1])
  try {
    process.kill(pid, 0)
  } catch (error) {
    // EPERM: somebody else's, but running.
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
  const since = await started(pid)
  // Without /proc, a file of our own pid is a predecessor's.
  return since === '' ? pid !== process.pid : name === `lock-${pid}${since}`
}

/**
 * One process a directory. Every process puts up a file named for itself, then looks at the others: a live one means
 * to withdraw, dead ones are swept away. The name is the content, so no file is ever half-written or has to be
 * replaced, and of two that start together at least the later sees the other; both may withdraw, never both stay.
 * It cannot see into other machines or pid namespaces: there the newcomer takes over, and `retake` refuses the other.
 */
export class DirectoryLock {
  readonly #file: string

  private constructor(file: string) {
    this.#file = file
  }

  /** Throws StoreInUse when another store has the directory. */
  static async acquire(directory: string): Promise<DirectoryLock> {
    const since = await started(process.pid)
    const own = `lock-${process.pid}${since}`
    const file = join(directory, own)
    const handle = await open(file, since === '' ? 'w' : 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'EEXIST') throw inUse(directory, own)
      throw error
    })
    await handle.close()
    const lock = new DirectoryLock(file)
    try {
      for (const name of await readdir(directory)) {
        if (name === own || !LOCK.test(name)) continue
        if (await isAlive(name)) throw inUse(directory, name)
        await rm(join(directory, name), { force: true })
      }
    } catch (error) {
      await lock.release()
      throw error
    }
    return lock
  }

  /** Whether the lock file is still there. */
  async isHeld(): Promise<boolean> {
    return access(this.#file).then(
      () => true,
      () => false,
    )
  }

  /**
   * Puts the lock file up again after somebody has removed it. Throws StoreInUse when there is a lock of any other
   * process, dead or alive: what looks dead from here may run in another container, and has removed ours for the same
   * reason.
   */
  async retake(): Promise<void> {
    await this.#refuseOthers()
    const handle = await open(this.#file, 'w', 0o600)
    await handle.close()
    try {
      await this.#refuseOthers()
    } catch (error) {
      await this.release()
      throw error
    }
  }

  async #refuseOthers(): Promise<void> {
    const directory = dirname(this.#file)
    const other = (await readdir(directory)).find((name) => LOCK.test(name) && name !== basename(this.#file))
    if (other === undefined) return
    throw new StoreInUse(
      `another process has taken ${directory} over (${other}). Stop that one, or give it another store.path. ` +
        `If it is gone: rm ${join(directory, other)}`,
    )
  }

  async release(): Promise<void> {
    await rm(this.#file, { force: true })
  }
}

function inUse(directory: string, name: string): StoreInUse {
  const pid = Number(LOCK.exec(name)?.[1])
  const holder = pid === process.pid ? `another store of this process (pid ${pid})` : `process ${pid}`
  return new StoreInUse(
    `${directory} is in use by ${holder}. Stop that one first, or give this one another store.path. ` +
      `If that process is no Cutover: rm ${join(directory, name)}`,
  )
}
