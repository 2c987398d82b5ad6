import assert from 'node:assert/strict';
import { BehaviorSubject, NEVER, of, Subject, throwError } from 'rxjs';
import { readLearningRate } from '../../../core/optimizers/index.ts';

describe('readLearningRate', () => {
  it('should read a number and a schedule', () => {
    assert.equal(readLearningRate(0.1, 'sgd').at(5, 1), 0.1);
    assert.equal(readLearningRate((step, epoch) => step + 10 * epoch, 'sgd').at(3, 2), 23);
  });

  it('should read the latest value of a stream, and leave it when closed', () => {
    const rates = new BehaviorSubject(0.1);
    const reader = readLearningRate(rates, 'sgd');
    assert.equal(reader.at(0, 0), 0.1);
    rates.next(0.2);
    rates.next(0.3);
    assert.equal(reader.at(1, 0), 0.3);
    assert.ok(rates.observed);
    reader.close();
    assert.ok(!rates.observed);
  });

  it('should keep the last value of a stream that completes', () => {
    assert.equal(readLearningRate(of(0.1, 0.05), 'sgd').at(9, 0), 0.05);
  });

  it('should pass on the error of a stream at the next step', () => {
    const rates = new Subject<number>();
    const reader = readLearningRate(rates, 'sgd');
    rates.next(0.1);
    assert.equal(reader.at(0, 0), 0.1);
    rates.error(new Error('the dial fell off'));
    assert.throws(() => reader.at(1, 0), /the dial fell off/);
    assert.throws(
      () =>
        readLearningRate(
          throwError(() => new Error('none')),
          'sgd',
        ).at(0, 0),
      /none/,
    );
  });

  it('should say when there is no rate yet, or one that is no number', () => {
    assert.throws(() => readLearningRate(NEVER, 'sgd').at(0, 0), {
      message:
        'sgd, step 0: expected a learning rate from the Observable, got none so far. Give the stream a first value: pipe(startWith(0.1)), or a BehaviorSubject.',
    });
    assert.throws(() => readLearningRate(step => 0.1 - step, 'adam').at(2, 0), {
      message:
        'adam, step 2: expected a learning rate that is finite and not negative, got -1.9. Common values are 0.1 for sgd and 0.001 for adam.',
    });
    assert.throws(() => readLearningRate(of<number>('fast' as never), 'adam').at(0, 0), /got "fast"/);
  });
});
