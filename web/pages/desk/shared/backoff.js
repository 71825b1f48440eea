// The waits between attempts at something that fails.

/**
 * How long to wait, in milliseconds, before the attempt that follows so many failed ones: a
 * random time between half of first·2ⁿ and all of it, or of the ceiling where that is less. After an
 * outage not all pages come back at once.
 * @param {number} failed attempts so far, at least 1
 * @param {{ first: number, ceiling: number }} bounds in milliseconds: the most before the second attempt, and before any
 */
export function backoff(failed, { first, ceiling }) {
  const most = Math.min(ceiling, first * 2 ** (failed - 1));
  return most / 2 + Math.random() * most / 2;
}

/**
 * Resolves after that time; rejects with the signal's reason as soon as it is aborted.
 * @param {number} milliseconds
 * @param {AbortSignal} [signal]
 * @returns {Promise<void>}
 */
export function sleep(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    }, { once: true });
  });
}
