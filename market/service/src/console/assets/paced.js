// Work that is done again and again, at a pace that people and machines can follow.

const REDRAW_MS = 1000;
const RETRY_MS = 3000;

/**
 * Runs `work` at most every `REDRAW_MS`, never twice at once, and always once more after the last call. An urgent call
 * (somebody clicked) does not wait for the pause to end. `tell` hears why it went wrong, and it is tried again; or `null`.
 */
export function paced(work, tell) {
  let state = 'idle';
  let again = null; // null, or whether the next run is urgent
  let pause = 0;
  const run = async () => {
    state = 'busy';
    again = null;
    let wait = REDRAW_MS;
    try {
      await work();
      tell(null);
    } catch (error) {
      tell(error.message);
      again ??= false;
      wait = RETRY_MS;
    }
    state = 'pausing';
    if (again) run();
    else pause = setTimeout(() => { state = 'idle'; if (again !== null) run(); }, wait);
  };
  return (urgent = false) => {
    if (state === 'idle') run();
    else if (state === 'pausing' && urgent) { clearTimeout(pause); run(); }
    else again = Boolean(again) || urgent;
  };
}
