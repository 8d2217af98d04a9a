/**
 * Keeps one of a thing that takes time to make and is the same for everybody, so that who needs one has it at once.
 * Nothing is lost with a spare: it has to end by itself when its descriptor is closed, by us or by the kernel.
 */
export class Spare<Made> {
  #made: Promise<Made> | undefined;

  constructor(readonly make: () => Promise<Made>) {}

  /** The spare, or one that is made now. Another one is only made by `replace`. */
  take(): Promise<Made> {
    const made = this.#made ?? this.make();
    this.#made = undefined;
    return made;
  }

  /** Makes a spare if there is none, as soon as what is under way now has had its turn. */
  replace(): void {
    setImmediate(() => {
      if (this.#made) return;
      const made = this.make();
      this.#made = made;
      // Whoever needs one then makes it, and is told if that fails.
      made.catch(() => {
        if (this.#made === made) this.#made = undefined;
      });
    });
  }
}
