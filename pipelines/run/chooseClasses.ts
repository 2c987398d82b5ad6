import { type DataSet, type FoundHierarchy, findHierarchy, MillraceError, openHierarchy } from '../../core/index.ts';
import { withinSynsets } from '../../operators/index.ts';

export interface ClassChoice {
  /** The data's folder. */
  readonly dir: string;
  /** `--classes`: synsets, ids or words, with commas between them. */
  readonly classes?: string;
  /** `--wordnet`. */
  readonly wordnet?: string;
}

/** The parts of these data sets (of one folder, of the same classes) below the synsets of `--classes`; all of them without it. */
export async function chooseClasses(sets: readonly DataSet[], { classes, ...place }: ClassChoice): Promise<readonly DataSet[]> {
  if (classes === undefined) return sets;
  const { hierarchy } = await openHierarchy(sets[0].classes, place);
  const names = classes.split(',').map(name => name.trim());
  return sets.map(set => withinSynsets(set, hierarchy, names));
}

/** The hierarchy above all classes of a folder, if it has one. What is wrong with one that nobody asked for is only told. */
export async function hierarchyIfAny(set: DataSet, place: ClassChoice, tell?: (why: string) => void): Promise<FoundHierarchy | undefined> {
  try {
    return await findHierarchy(set.classes, place);
  } catch (error) {
    if (!tell || !(error instanceof MillraceError)) throw error;
    tell(`no hierarchical error: ${error.message}`);
    return undefined;
  }
}
