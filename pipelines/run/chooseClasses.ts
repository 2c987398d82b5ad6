import { type DataSet, type FoundHierarchy, findHierarchy, MillraceError, openHierarchy } from '../../core/index.ts';
import { atLevel, atSynsets, withinSynsets } from '../../operators/index.ts';

export interface ClassChoice {
  /** The data's folder. */
  readonly dir: string;
  /** `--classes`: synsets, ids or words, with commas between them. */
  readonly classes?: string;
  /** `--labels-at`: a level, or synsets. */
  readonly labelsAt?: string;
  /** `--wordnet`. */
  readonly wordnet?: string;
}
export const classesHelp =
  'only what is below these synsets, ids or words with commas between them: mammal,vehicle (where classes are synset ids)';
export const labelsAtHelp =
  'labels further up: the synsets at this level below the top, or these synsets with commas between them, of which a sample gets the nearest: mammal,vehicle';

/**
 * The parts of these data sets (of one folder, of the same classes) below the synsets of `--classes`, with the labels of `--labels-at`; as they
 * are without these.
 */
export async function chooseClasses(sets: readonly DataSet[], { classes, labelsAt, ...place }: ClassChoice): Promise<readonly DataSet[]> {
  if (classes === undefined && labelsAt === undefined) return sets;
  const { hierarchy } = await openHierarchy(sets[0].classes, place);
  const listed = (names: string) => names.split(',').map(name => name.trim());
  const chosen = classes === undefined ? sets : sets.map(set => withinSynsets(set, hierarchy, listed(classes)));
  if (labelsAt === undefined) return chosen;
  if (/^\d+$/.test(labelsAt)) return chosen.map(set => atLevel(set, hierarchy, Number(labelsAt)));
  return chosen.map(set => atSynsets(set, hierarchy, listed(labelsAt)));
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
