import type { Observable, Subscriber } from 'rxjs';

/**
 * Subscribes a stage to its source: what the stage throws becomes the stream's error, nothing reaches it once its
 * subscriber is gone, and errors and completion pass through unless the stage has a say in them.
 */
export function through<T, R>(
  source: Observable<T>,
  subscriber: Subscriber<R>,
  { next, complete = () => subscriber.complete() }: { readonly next: (value: T) => void; readonly complete?: () => void },
): void {
  const guarded = (action: () => void): void => {
    if (subscriber.closed) return;
    try {
      action();
    } catch (error) {
      subscriber.error(error);
    }
  };
  subscriber.add(
    source.subscribe({
      next: value => guarded(() => next(value)),
      error: error => subscriber.error(error),
      complete: () => guarded(complete),
    }),
  );
}
