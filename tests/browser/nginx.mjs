// Debian's nginx as a plain reverse proxy before the page, with a configuration and ports of its own.

import { spawn } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { until } from "./lib.mjs";

const TEMPORARY = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `${kind}_temp_path tmp_${kind};`).join(" ");

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/**
 * Starts nginx before `page`, and gives its addresses: `plain` with its defaults, `below` under a path, and `holding`,
 * which holds events back whatever the page says.
 */
export async function nginx(page) {
  const [plain, below, holding] = [await freePort(), await freePort(), await freePort()];
  const to = page.replace(/\/$/, "");
  const folder = mkdtempSync(join(tmpdir(), "nginx-"));
  // Its workers are those of another user.
  chmodSync(folder, 0o755);
  writeFileSync(
    join(folder, "nginx.conf"),
    `worker_processes 1; daemon off; pid nginx.pid; error_log stderr emerg;
    events { worker_connections 256; }
    http {
      access_log off;
      ${TEMPORARY}
      server { listen 127.0.0.1:${plain}; location / { proxy_pass ${to}; } }
      server { listen 127.0.0.1:${below}; location /orders/ { proxy_pass ${to}/; } }
      server {
        listen 127.0.0.1:${holding};
        location / { proxy_pass ${to}; proxy_ignore_headers X-Accel-Buffering; proxy_buffers 8 64k; proxy_buffer_size 64k; }
      }
    }`,
  );
  const proxy = spawn("/usr/sbin/nginx", ["-p", folder, "-c", "nginx.conf"], { stdio: ["ignore", "ignore", "inherit"] });
  // A flow that fails ends without stopping it.
  process.once("exit", () => {
    proxy.kill("SIGTERM");
    rmSync(folder, { recursive: true, force: true });
  });
  const address = (port, path = "/") => `http://127.0.0.1:${port}${path}`;
  await until("nginx", () => fetch(address(plain, "/api/at")).then(({ ok }) => ok, () => false));
  return { plain: address(plain), below: address(below, "/orders/"), holding: address(holding) };
}
