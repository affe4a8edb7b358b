import { open, readFile, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isFields } from '../model/shape.ts'
import { damaged } from './damage.ts'
import { checksum, syncDirectory } from './files.ts'
import { isDocuments, isHistory, parseJson } from './shape.ts'
import { type Snapshot, StoreUnusable } from './store.ts'

/**
 * The newest format that this version reads. Raise it whenever an older Cutover would misread the directory's files.
 */
const FORMAT = 2
/** The format of files without collections: versions that know no collections read them, too. */
export const FORMAT_WITHOUT_COLLECTIONS = 1
/** The format of files with collections: versions that would drop them refuse to start on these files. */
export const FORMAT_WITH_COLLECTIONS = 2

/** A snapshot with the format of its file. */
export interface WrittenSnapshot extends Snapshot {
  readonly format: number
}

/** Files of a newer Cutover, which must not be overwritten. */
export class NewerFormat extends StoreUnusable {
  override name = 'NewerFormat'
}

/**
 * Reads the snapshot in `file`: `{"format":1,"checksum":"…","documents":{…},"history":[…]}`, the checksum taken over
 * `{"documents":…,"history":…}` as JSON without white space. Undefined if there is no file. Throws StoreUnusable if the
 * file cannot be trusted; an empty file cannot.
 */
export async function readSnapshot(file: string): Promise<WrittenSnapshot | undefined> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
  const log = join(dirname(file), 'changes.log')
  const unusable = (problem: string) => damaged(file, problem, [file, log], 'the configuration')
  if (text === '') throw unusable('the file is empty')
  const value = parseJson(text)
  if (!isFields(value)) throw unusable('this is not a JSON object')
  const { format, documents, history } = value
  if (typeof format === 'number' && format > FORMAT) {
    throw new NewerFormat(
      `${file}: written by a newer Cutover (format ${format}; this one reads up to ${FORMAT}). Nothing was changed. ` +
        `Run that version, or restore a backup made by this one`,
    )
  }
  if (format !== FORMAT_WITHOUT_COLLECTIONS && format !== FORMAT_WITH_COLLECTIONS) {
    throw unusable(`the format is ${JSON.stringify(format)}, not a number from 1 to ${FORMAT}`)
  }
  if (checksum(JSON.stringify({ documents, history })) !== value.checksum) {
    throw unusable('the checksum is wrong: the file was damaged or edited')
  }
  if (!isDocuments(documents) || !isHistory(history)) throw unusable('these are not the documents of a store')
  // Files from before the Redis store have no head: a store that loses no revisions is identified by its revision.
  return { documents: { ...documents, head: documents.head ?? String(documents.revision) }, history, format }
}

/**
 * Replaces `file` durably and atomically: a crash leaves the old snapshot or the new one. `temporary`: the file that is
 * written first, then renamed. `format`: the format of the file, not of its contents; a cache that loses nothing if an
 * older version replaces it can keep the first format. Throws errors of the file system.
 */
export async function writeSnapshot(
  file: string,
  { documents, history, format }: WrittenSnapshot,
  temporary = `${file}.tmp`,
): Promise<void> {
  const body = JSON.stringify({ documents, history })
  const handle = await open(temporary, 'w', 0o600)
  try {
    await handle.writeFile(`{"format":${format},"checksum":"${checksum(body)}",${body.slice(1)}\n`)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(temporary, file)
  await syncDirectory(dirname(file))
}
