/** How fast a run is, pauses not counted. */
export class Pace {
  readonly #updates: number;
  readonly #began = performance.now();
  #done = 0;
  #samples = 0;
  #paused = 0;

  /** @param updates that the run is to make */
  constructor(updates: number) {
    this.#updates = updates;
  }

  update(samples: number): void {
    this.#done += 1;
    this.#samples += samples;
  }

  async pause<T>(work: Promise<T>): Promise<T> {
    const began = performance.now();
    const result = await work;
    this.#paused += performance.now() - began;
    return result;
  }

  /** Seconds so far, samples a second, and the seconds that the rest will take. */
  now(): { readonly seconds: number; readonly samplesPerSecond: number; readonly secondsLeft: number } {
    const seconds = (performance.now() - this.#began - this.#paused) / 1000;
    return {
      seconds,
      samplesPerSecond: this.#samples / seconds,
      secondsLeft: (seconds / this.#done) * (this.#updates - this.#done),
    };
  }
}
