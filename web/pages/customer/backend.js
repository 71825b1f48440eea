// What this page asks its own server. On your site: your back end, which knows who the
// customer is and asks the platform for the token. The page itself holds no secret.

/**
 * The chat integration's id, which the SDK's init needs.
 * @returns {Promise<string>}
 */
export async function getIntegrationId() {
  const { integrationId } = await ask("/demo-config.json");
  return integrationId;
}

/**
 * A fresh token for this customer.
 * @param {{ customerId: string, name: string }} customer
 * @returns {Promise<{ jwtToken: string, appkey: string }>}
 */
export function getToken({ customerId, name }) {
  return ask("/v1/getJWT", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ customerId, customerName: name }),
  });
}

/**
 * @param {string} path
 * @param {RequestInit} [options]
 */
async function ask(path, options) {
  const response = await fetch(path, { cache: "no-store", ...options }).catch((cause) => {
    throw Object.assign(new Error(`${path} could not be reached`, { cause }), { code: "UNREACHABLE" });
  });
  if (!response.ok) throw new Error(`${path} answered ${response.status} ${response.statusText}`);
  return response.json();
}
