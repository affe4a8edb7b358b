import { access, open, readdir, readFile, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { StoreInUse } from '../store.ts'

/** `lock-PID-STARTED-BOOT` where /proc gives the start time of a process, otherwise `lock-PID`. */
const LOCK = /^lock-(\d+)(?:-(\d+)-(\w+))?$/

/**
 * Returns the start time of process `pid` as `-TICKS-BOOT`. It distinguishes a process from an earlier one with the
 * same pid, as pid 1 of a restarted container always has. `dead`: the process has ended and waits to be reaped; empty:
 * there is no /proc. Source: proc(5), fields 3 and 22 of /proc/PID/stat.
 */
async function started(pid: number): Promise<string> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'latin1')
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'latin1')
    // The command's name, in parentheses, may itself contain blanks and parentheses.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' || fields[0] === 'X' ? 'dead' : `-${fields[19]}-${boot.slice(0, 8)}`
  } catch {
    return ''
  }
}

/** Whether the process that made the lock file `name` still runs; true if unknown. */
async function isAlive(name: string): Promise<boolean> {
  const pid = Number(LOCK.exec(name)?.[1])
  try {
    process.kill(pid, 0)
  } catch (error) {
    // EPERM: it runs as another user.
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
  const since = await started(pid)
  // Without /proc, a file with this process's pid is an earlier process's.
  return since === '' ? pid !== process.pid : name === `lock-${pid}${since}`
}

/**
 * Lock that lets one process use a directory. Every process creates a file named after itself, then looks at the files
 * of others: it withdraws if one of their processes is alive, and removes the files of dead ones. The name is the
 * content, so no file is ever half-written or replaced. Of two processes that start together at least the later sees
 * the other: both may withdraw, but never both stay. Processes on other machines or in other pid namespaces look dead:
 * there the newcomer takes over, and `retake` fails for the earlier one.
 */
export class DirectoryLock {
  readonly #file: string

  private constructor(file: string) {
    this.#file = file
  }

  /** Locks a directory. Throws StoreInUse if another store has it. */
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
   * Creates the lock file again after it was removed. Throws StoreInUse if there is a lock of any other process, dead
   * or alive: a process that looks dead from here may run in another container, and may have removed this lock because
   * this process looked dead to it.
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
      `another process has taken over ${directory} (${other}). Stop it, or give it another store.path. ` +
        `If it has ended: rm ${join(directory, other)}`,
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
    `${directory} is in use by ${holder}. Stop that process first, or set another store.path here. ` +
      `If it is not a Cutover process: rm ${join(directory, name)}`,
  )
}
