// A hub of a script's own: started on an empty folder, killed without a word, started again on the same port.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export class Hub {
  #program;
  #folder = mkdtempSync(join(tmpdir(), 'portolan-js.'));
  #settings;
  #process;

  constructor(program, settings) {
    this.#program = program;
    this.#settings = settings;
  }

  static async start(program, settings = {}) {
    const hub = new Hub(program, settings);
    const probe = createServer().listen(0, '127.0.0.1');
    await once(probe, 'listening');
    hub.host = `127.0.0.1:${probe.address().port}`;
    probe.close();
    await once(probe, 'close');
    await hub.again();
    return hub;
  }

  get #environment() {
    const { PATH, HOME } = process.env;
    return { PATH, HOME, PORTOLAN_DATA_DIR: this.#folder, PORTOLAN_LISTEN: this.host, ...this.#settings };
  }

  /** Starts it, and waits until it is ready. */
  async again() {
    const log = openSync(join(this.#folder, 'log'), 'a');
    this.#process = spawn(this.#program, ['serve'], { env: this.#environment, stdio: ['ignore', log, log] });
    const deadline = Date.now() + 60_000;
    for (;;) {
      const ready = await fetch(`http://${this.host}/readyz`).then((answer) => answer.ok, () => false);
      if (ready) return;
      if (this.#process.exitCode !== null || Date.now() > deadline) {
        throw new Error(`the hub did not start: ${readFileSync(join(this.#folder, 'log'), 'utf8')}`);
      }
      await sleep(50);
    }
  }

  /** Kills it as a power cut would, and waits until it is gone. */
  async kill() {
    const gone = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await gone;
  }

  /** A token of the tenant `default`. */
  token(role) {
    const words = ['token', 'create', '--tenant', 'default', '--role', role];
    return execFileSync(this.#program, words, { env: this.#environment, stdio: ['ignore', 'pipe', 'ignore'] })
      .toString()
      .trim();
  }

  /** The data of an answer to a plain request. */
  async ask(token, query, variables = {}) {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
    const body = JSON.stringify({ query, variables });
    const answer = await (await fetch(`http://${this.host}/graphql`, { method: 'POST', headers, body })).json();
    if (answer.errors) throw new Error(JSON.stringify(answer.errors));
    return answer.data;
  }

  /** Ends it and removes what it left. */
  async stop() {
    if (this.#process.exitCode === null && this.#process.signalCode === null) await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
