// SHA-256 of bytes in hex, by the platform's own WebCrypto (browser and Node alike).
export async function sha256(bytes: Uint8Array<ArrayBuffer> | Uint32Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
