// Draws one thing after the other, one a picture: a dozen charts in one go would hold up the picture that they are in, and
// with it the crosshair, on a machine whose graphics are software. Called by charts.js and overview.js.

export class Turns {
  /** What waits, in its order: what it is -> how it is drawn. */
  #waiting = new Map();
  #isAsked = false;
  #first = null;

  /** Calls `prepare()` before the next picture, whatever waits: it says what there is to draw. */
  begin(prepare) {
    this.#first = prepare;
    this.#next();
  }

  /** Draws `thing` by `draw()` when its turn comes. What waits already keeps its place, however often it is asked for. */
  add(thing, draw) {
    this.#waiting.set(thing, draw);
    this.#next();
  }

  #next() {
    if (this.#isAsked || (this.#first === null && this.#waiting.size === 0)) return;
    this.#isAsked = true;
    requestAnimationFrame(() => {
      this.#isAsked = false;
      // Nothing while nobody can see it: whoever shows it again asks for all of it.
      if (document.hidden) {
        this.#first = null;
        this.#waiting.clear();
        return;
      }
      const prepare = this.#first;
      this.#first = null;
      prepare?.();
      for (const [thing, draw] of this.#waiting) {
        this.#waiting.delete(thing);
        draw();
        break;
      }
      this.#next();
    });
  }
}
