import http from 'node:http';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openServer } from '../../src/host/server.ts';
import type { PageServer } from '../../src/host/server.ts';

let server: PageServer;
beforeEach(async () => {
  server = await openServer('console.log("page")');
});
afterEach(() => server.close());

/** As written: fetch would normalise the path. */
function get(path: string, { host, method = 'GET' }: { host?: string; method?: string } = {}): Promise<{ status: number; headers: http.IncomingHttpHeaders; body: Buffer }> {
  const { hostname, port } = new URL(server.origin);
  return new Promise((resolve, reject) => {
    const request = http.request({ hostname, port, path, method, headers: host === undefined ? {} : { host } }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(parts) }));
    });
    request.on('error', reject).end();
  });
}

test('it listens on the loopback interface only', () => {
  expect(new URL(server.origin).hostname).toBe('127.0.0.1');
});

test('page, probe and bundle come with the headers of an isolated page', async () => {
  for (const [path, type] of [['/', 'text/html'], ['/probe', 'text/html'], ['/page.js', 'text/javascript']] as const) {
    const { status, headers } = await get(path);
    expect(status).toBe(200);
    expect(headers['content-type']).toContain(type);
    expect(headers['cross-origin-opener-policy']).toBe('same-origin');
    expect(headers['cross-origin-embedder-policy']).toBe('require-corp');
  }
  expect((await get('/page.js')).body.toString()).toContain('console.log');
});

test('bytes are served by name until they are withdrawn', async () => {
  const path = server.serve('a b', new Uint8Array([1, 2, 3]));
  expect([...(await get(path)).body]).toEqual([1, 2, 3]);
  server.withdraw(path);
  expect((await get(path)).status).toBe(404);
});

test('bytes may be made when they are asked for, each time; a maker that throws is a 500, and hurts nothing', async () => {
  let made = 0;
  const path = server.serve('made', () => {
    made++;
    if (made === 2) throw new Error('not now');
    return new Uint8Array([made, 7]);
  });
  expect(made).toBe(0);
  expect([...(await get(path)).body]).toEqual([1, 7]);
  const failed = await get(path);
  expect([failed.status, failed.body.length]).toEqual([500, 0]);
  expect([...(await get(path)).body]).toEqual([3, 7]);
  server.withdraw(path);
  expect((await get(path)).status).toBe(404);
  expect(made).toBe(3);
});

test('nothing else is there: no files, no other methods, no other host name', async () => {
  for (const path of ['/../package.json', '/%2e%2e/package.json', '/package.json', '//etc/passwd', '/page.js/..', '/page.js?x']) expect((await get(path)).status).toBe(404);
  expect((await get('/', { method: 'POST' })).status).toBe(404);
  expect((await get('/', { host: 'rebound.example' })).status).toBe(404);
});
