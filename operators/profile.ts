import { Observable } from 'rxjs';
import { fail, show } from '../core/errors.ts';
import type { MeterSet } from '../core/meter.ts';
import { pipelineSnapshot } from '../core/profile/reading.ts';
import { type ProfileScope, profileScope } from '../core/profile/scope.ts';
import type { Profile } from '../core/profile/snapshot.ts';

export interface ProfileOptions {
  /** Between two snapshots; by default a second. */
  readonly intervalMs?: number;
  /** Where the pipeline's source was given meters of its own. By default those that its first source makes. */
  readonly meters?: MeterSet;
}

/** Runs a pipeline and tells how it goes: a snapshot each interval, and a last one when it has ended.
 *   pipeline$: --x--x--x--x--x--x--|
 *   profile(pipeline$)
 *         out: -----p-----p-----p--(P|)      P has `final`
 *  A pipeline that fails is told of by a last snapshot, then by its error; what it emits is left to `tap` before.
 *  Shapes: any → a profile.  Holds: nothing.  Runs: reads the meters on the main thread, a few microseconds a stage.
 *  Owns: its subscription to the pipeline, and a timer that keeps no process alive.
 *  See also: {@link verdict}, which says in words what limits; {@link snapshots}, for a pipeline that someone else runs. */
export function profile(pipeline: Observable<unknown>, { intervalMs = 1000, meters }: ProfileOptions = {}): Observable<Profile> {
  checkInterval('profile', intervalMs);
  return new Observable(subscriber => {
    const scope: ProfileScope = { meters };
    let reader: Reader | undefined;
    const read = (final: boolean) => {
      if (!scope.meters) return;
      reader ??= new Reader(scope.meters);
      subscriber.next(reader.next(final));
    };
    const timer = setInterval(() => read(false), intervalMs);
    timer.unref();
    subscriber.add(() => clearInterval(timer));
    const end = (tell: () => void) => {
      clearInterval(timer);
      // after the operators before this one have given back what they held
      setImmediate(() => {
        read(true);
        tell();
      });
    };
    profileScope.within(scope, () =>
      subscriber.add(
        pipeline.subscribe({
          error: error => end(() => subscriber.error(error)),
          complete: () => end(() => subscriber.complete()),
        }),
      ),
    );
  });
}

/** A snapshot each interval of meters that a pipeline somewhere else reports to, until it is left. */
export function snapshots(meters: MeterSet, { intervalMs = 1000 }: Pick<ProfileOptions, 'intervalMs'> = {}): Observable<Profile> {
  checkInterval('snapshots', intervalMs);
  return new Observable(subscriber => {
    const reader = new Reader(meters);
    const timer = setInterval(() => subscriber.next(reader.next(false)), intervalMs);
    timer.unref();
    subscriber.add(() => clearInterval(timer));
  });
}

/** Tells what was measured since it was asked before. */
class Reader {
  #before: ReturnType<MeterSet['read']> | undefined;
  constructor(private readonly meters: MeterSet) {}
  next(final: boolean): Profile {
    const now = this.meters.read();
    const recent = pipelineSnapshot(now, this.#before);
    this.#before = now;
    return { total: pipelineSnapshot(now), settled: pipelineSnapshot(now, this.meters.warm), recent, final };
  }
}

function checkInterval(where: string, intervalMs: number): void {
  if (intervalMs >= 1) return;
  throw fail('usage', where, 'intervalMs of 1 or more', show(intervalMs), 'Leave it out for a second.');
}
