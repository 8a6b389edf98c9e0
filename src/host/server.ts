// A web server for one page, on the loopback interface and a port that the system picks. It serves the
// page, its bundle and named byte arrays (operand matrices) by exact name: there is no path to traverse.
// An array may be made when it is asked for, and is gone when it is sent. The COOP/COEP headers make the
// page cross-origin isolated, which gives it fine timers.
import http from 'node:http';
import type { AddressInfo } from 'node:net';

export interface PageServer {
  /** `http://127.0.0.1:PORT` */
  readonly origin: string;
  /** Puts bytes, or what makes them for each request, under a path of the server and returns that path. What the maker throws is its caller's to keep: the page gets a 500. */
  serve(name: string, bytes: Bytes): string;
  withdraw(path: string): void;
  close(): Promise<void>;
}

export type Bytes = Uint8Array | (() => Uint8Array);

interface Resource {
  readonly type: string;
  readonly bytes: Bytes;
}

const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>tilewire</title>
<link rel="icon" href="data:,">
<script type="module" src="/page.js"></script>
</html>
`;

/** Enough of a page to ask for an adapter: same origin and headers, no script. */
const PROBE = '<!doctype html><meta charset="utf-8"><title>tilewire probe</title><link rel="icon" href="data:,">\n';

const HEADERS = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'X-Content-Type-Options': 'nosniff',
  'Cache-Control': 'no-store',
};

export async function openServer(bundle: string): Promise<PageServer> {
  const html = (text: string): Resource => ({ type: 'text/html; charset=utf-8', bytes: Buffer.from(text) });
  const resources = new Map<string, Resource>([
    ['/', html(PAGE)],
    ['/probe', html(PROBE)],
    ['/page.js', { type: 'text/javascript; charset=utf-8', bytes: Buffer.from(bundle) }],
  ]);

  let host = '';
  const server = http.createServer((request, response) => {
    // Another host name on this port is a rebound one: a foreign site that reads the loopback server.
    const resource = request.headers.host === host && (request.method === 'GET' || request.method === 'HEAD') ? resources.get(request.url ?? '') : undefined;
    if (resource === undefined) {
      response.writeHead(404, HEADERS).end();
      return;
    }
    const { type, bytes } = resource;
    let content: Uint8Array;
    try {
      content = typeof bytes === 'function' ? bytes() : bytes;
    } catch {
      response.writeHead(500, HEADERS).end();
      return;
    }
    response.writeHead(200, { ...HEADERS, 'Content-Type': type, 'Content-Length': content.byteLength });
    response.end(request.method === 'HEAD' ? undefined : content);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  host = `127.0.0.1:${(server.address() as AddressInfo).port}`;

  return {
    origin: `http://${host}`,
    serve(name, bytes) {
      const path = `/blobs/${encodeURIComponent(name)}`;
      resources.set(path, { type: 'application/octet-stream', bytes });
      return path;
    },
    withdraw(path) {
      resources.delete(path);
    },
    async close() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
    },
  };
}
