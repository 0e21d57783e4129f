// How long ago something was, also where the machine slept in between: the browser's own timer may stand still then, the clock
// does not. Where the clock was set, an age is too long until the next frame. No DOM. Called by app.js and timeline.js.

/** This moment, to be asked about later. */
export const mark = () => ({ timer: performance.now(), clock: Date.now() });

/** Milliseconds since a moment. */
export const since = ({ timer, clock }) => Math.max(performance.now() - timer, Date.now() - clock);
