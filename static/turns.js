// Draws one thing after the other, one a picture: a dozen charts in one go would hold up the picture that they are in, and
// with it the crosshair, on a machine whose graphics are software. Called by charts.js and overview.js.

export class Turns {
  /** What waits, in its order: what it is -> how it is drawn. */
  #waiting = new Map();
  #isAsked = false;

  /** Draws `thing` by `draw()` when its turn comes. What waits already keeps its place, however often it is asked for. */
  add(thing, draw) {
    this.#waiting.set(thing, draw);
    this.#next();
  }

  #next() {
    if (this.#isAsked || this.#waiting.size === 0) return;
    this.#isAsked = true;
    requestAnimationFrame(() => {
      this.#isAsked = false;
      const [thing, draw] = this.#waiting.entries().next().value;
      this.#waiting.delete(thing);
      // Nothing while nobody can see it: whoever shows it again asks for all of it.
      if (!document.hidden) draw();
      this.#next();
    });
  }
}
