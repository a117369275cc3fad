/** Work shared out among workers, with the results in the order of the items, as if one had done it all. */

/** Items that a worker has at hand, so that it never waits for the next one. */
const ITEMS_AT_HAND = 2;
/** Results that may wait for an earlier one, for each worker. */
const RESULTS_WAITING = 2;

/**
 * @param work starts the work on an item; called for each worker as soon as it has room for another item
 * @yields the results, in the order of `items`
 */
export async function* inOrder<Item, Worker, Result>(
  items: AsyncIterable<Item> | Iterable<Item>,
  workers: readonly Worker[],
  work: (worker: Worker, item: Item) => Promise<Result>,
): AsyncGenerator<Result, void, undefined> {
  const free = Array.from({ length: ITEMS_AT_HAND }, () => workers).flat();
  const limit = workers.length * (ITEMS_AT_HAND + RESULTS_WAITING);
  const running = new Set<Promise<void>>();
  const results: Promise<Result>[] = [];
  for await (const item of items) {
    while (free.length === 0) await Promise.race(running);
    const worker = free.shift()!;
    const result = work(worker, item);
    const done: Promise<void> = result.then(
      () => undefined,
      () => undefined, // whoever awaits the result learns of it
    );
    running.add(done);
    void done.then(() => {
      running.delete(done);
      free.push(worker);
    });
    results.push(result);
    if (results.length >= limit) yield await results.shift()!;
  }
  for (const result of results) yield await result;
}
