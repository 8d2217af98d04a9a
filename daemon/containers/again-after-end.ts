import { within } from './within.js';

/** Milliseconds within which the daemon hears of an exit that a failure has told it of. */
const exitPatience = 5000;
/** A container may come and go between one look and the next. */
const attempts = 5;

/**
 * Does something with a container, and does it again when the container's end got in the way: then it is like any other
 * that does not run.
 * @param isOfItsEnd whether a failure came of that
 * @param heardOf resolves when the daemon has heard of the end
 */
export async function againAfterEnd<Result>(
  work: () => Promise<Result>,
  isOfItsEnd: (error: unknown) => boolean,
  heardOf: () => Promise<unknown>,
): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (!isOfItsEnd(error) || attempt === attempts) throw error;
      await within(heardOf(), exitPatience);
    }
  }
}
