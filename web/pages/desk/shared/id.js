// Random ids.

/**
 * Returns a new UUID of version 4. Browsers have crypto.randomUUID in secure contexts only, and the
 * demo may be opened by http from another machine (--demo-host).
 */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const variant = "89ab"[parseInt(hex[16] ?? "", 16) & 3];
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20)}`;
}
