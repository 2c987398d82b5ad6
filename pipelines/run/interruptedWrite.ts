import { readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { readCheckpoint, readOptimizer } from '../../core/index.ts';
import { files } from './runFolder.ts';

/**
 * Puts a run folder right whose process was killed while it wrote a checkpoint. Drafts lie beside their targets (`….part`) and are
 * renamed once all are whole, the optimizer's state before the checkpoint. If it came no further than that, the checkpoint's draft is put in
 * place; in all other cases the files belong together, and drafts are removed.
 */
export async function finishInterruptedWrite(folder: string): Promise<void> {
  const drafts = (await readdir(folder).catch((): string[] => [])).filter(name => name.endsWith('.part'));
  if (drafts.length === 0) return;
  if (!(await belongsTogether(folder, files.checkpoint))) {
    for (const draft of drafts.filter(name => name.startsWith(files.checkpoint))) {
      if (!(await belongsTogether(folder, draft))) continue;
      await rename(join(folder, draft), join(folder, files.checkpoint));
      break;
    }
  }
  await Promise.all(drafts.map(name => rm(join(folder, name), { force: true })));
}

async function belongsTogether(folder: string, checkpoint: string): Promise<boolean> {
  try {
    const { step } = await readCheckpoint(join(folder, checkpoint));
    if (step > 0) await readOptimizer(join(folder, files.optimizer), step);
    return true;
  } catch {
    // damaged, or of another step: what is wrong with the folder is told when the run is read
    return false;
  }
}
