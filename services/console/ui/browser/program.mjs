// The real program, as its users start it, and what the tests ask of it.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createSocketServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The program: cargo's test names it. */
const BINARY = process.env.ALERTSTREAM_BINARY ?? "alertstream";

export function folder() {
  return mkdtempSync(join(tmpdir(), "alertstream-browser-"));
}

/** A port that nobody has just now, for a program that is to come back under the same one. */
export async function freePort() {
  const server = createSocketServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** Takes every webhook, and keeps it. */
export class Sink {
  messages = [];

  async start() {
    this.server = createServer((request, response) => {
      let body = "";
      request.on("data", (piece) => {
        body += piece;
      });
      request.on("end", () => {
        this.messages.push({ path: request.url, body: JSON.parse(body) });
        response.end();
      });
    }).listen(0, "127.0.0.1");
    await once(this.server, "listening");
    this.url = `http://127.0.0.1:${this.server.address().port}`;
    return this;
  }

  stop() {
    this.server.closeAllConnections();
    this.server.close();
  }
}

export class Program {
  /** @param {string} cwd @param {number} port @param {string[]} args */
  constructor(cwd, port, args) {
    Object.assign(this, { cwd, port, args, url: `http://127.0.0.1:${port}` });
  }

  /** Starts it, and returns once it is ready. */
  async start() {
    const args = [...this.args, `--web.listen-address=127.0.0.1:${this.port}`];
    this.process = spawn(BINARY, args, { cwd: this.cwd, stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    this.process.stderr.on("data", (piece) => {
      said += piece;
    });
    const ended = once(this.process, "exit").then(() => {
      throw new Error(`the program ended: ${said}`);
    });
    ended.catch(() => {});
    await Promise.race([until(`${this.url} is ready`, () => isOk(`${this.url}/-/ready`)), ended]);
    return this;
  }

  async kill() {
    const ended = once(this.process, "exit");
    this.process.kill("SIGKILL");
    await ended;
  }

  async post(path, body) {
    const headers = { "content-type": "application/json" };
    const answer = await fetch(this.url + path, { method: "POST", headers, body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return answer;
  }

  /** Sends firing alerts that live an hour. */
  async alerts(...labels) {
    const endsAt = new Date(Date.now() + 3_600_000).toISOString();
    await this.post(
      "/api/v2/alerts",
      labels.map((one) => ({ labels: one, annotations: { summary: `about ${one.alertname}` }, endsAt })),
    );
  }

  async json(path) {
    const answer = await fetch(this.url + path);
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    return answer.json();
  }
}

async function isOk(url) {
  return fetch(url).then(
    (answer) => answer.ok,
    () => false,
  );
}

/** Asks until it is so; for a program there is no event that says it. */
export async function until(what, ask, within = 60_000) {
  const end = Date.now() + within;
  while (Date.now() < end) {
    const found = await ask();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`not within ${within / 1_000} s: ${what}`);
}

/** The config of these tests: a policy of long steps for what is critical, and a plain receiver for the rest. */
export function writeConfig(cwd, sink) {
  writeFileSync(
    join(cwd, "alertmanager.yml"),
    `route:
  receiver: chat
  group_by: [alertname]
  group_wait: 0s
  group_interval: 1s
  routes:
    - matchers: ['severity="critical"']
      receiver: critical
receivers:
  - {name: chat, webhook_configs: [{url: '${sink}/chat'}]}
  - {name: critical, webhook_configs: [{url: '${sink}/critical'}]}
  - {name: pager, webhook_configs: [{url: '${sink}/pager'}]}
  - {name: lead, webhook_configs: [{url: '${sink}/lead'}]}
`,
  );
  writeFileSync(
    join(cwd, "escalation.yml"),
    `version: 1
teams: {payments: {title: Payments}}
policies:
  page:
    steps: [{notify: [{receiver: pager}], escalate_after: 10m}]
    last_resort: [{receiver: lead}]
receivers:
  critical: {team: payments, policy: page}
`,
  );
}
