import { Problem } from "./problem";
import type { Frame } from "./types";

const ANSWER_WITHIN_MS = 10_000;
const UNAUTHENTICATED = 4001;

export interface SocketEvents {
  /** Gives a valid token for the next connection. */
  token(renew: boolean): Promise<string>;
  up(): void;
  down(): void;
  frame(frame: Frame): void;
}

interface Waiting {
  resolve(frame: Frame): void;
  reject(problem: Problem): void;
  timer: number;
}

/** One WebSocket that comes back by itself; what was missed is the caller's to ask for in `up`. */
export class Socket {
  #socket: WebSocket | null = null;
  #waiting = new Map<string, Waiting>();
  #number = 0;
  #attempts = 0;
  #retry = 0;
  #quiet = 0;
  #heartbeatMs = 25_000;
  #renew = false;
  #wanted = false;
  isUp = false;

  constructor(
    private readonly base: string,
    private readonly events: SocketEvents,
  ) {
    addEventListener("online", () => this.#now());
    // A socket does not notice that the network is gone; waiting for its timeout would lose a minute.
    addEventListener("offline", () => this.#drop());
    document.addEventListener("visibilitychange", () => document.hidden || this.#now());
  }

  connect(): void {
    this.#wanted = true;
    this.#now();
  }

  close(): void {
    this.#wanted = false;
    this.#drop();
  }

  /** Sends a frame; resolves with its `ack`. Rejects with a Problem, OFFLINE when no answer came. */
  ask(type: string, members: object): Promise<Frame> {
    const socket = this.#socket;
    if (!this.isUp || !socket) return Promise.reject(new Problem(0, "OFFLINE"));
    const ref = `${++this.#number}`;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#drop();
        this.#now();
      }, ANSWER_WITHIN_MS);
      this.#waiting.set(ref, { resolve, reject, timer: timer as unknown as number });
      socket.send(JSON.stringify({ type, ref, ...members }));
    });
  }

  #now(): void {
    if (!this.#wanted || this.#socket) return;
    clearTimeout(this.#retry);
    void this.#open();
  }

  #later(): void {
    if (!this.#wanted) return;
    const wait = Math.min(30_000, 500 * 2 ** this.#attempts++) * (0.5 + Math.random() / 2);
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#now(), wait) as unknown as number;
  }

  async #open(): Promise<void> {
    const address = `${this.base.replace(/^http/, "ws")}api/v1/ws`;
    if (navigator.onLine === false) return; // `online` comes
    let socket: WebSocket;
    try {
      socket = this.#socket = new WebSocket(address);
    } catch {
      this.#later();
      return;
    }
    socket.onopen = async () => {
      try {
        const token = await this.events.token(this.#renew);
        this.#renew = false;
        socket.send(JSON.stringify({ type: "hello", ref: "hello", token }));
      } catch {
        socket.close();
      }
    };
    socket.onmessage = (event) => this.#take(JSON.parse(event.data as string) as Frame);
    socket.onclose = (event) => {
      if (event.code === UNAUTHENTICATED) this.#renew = true;
      if (socket === this.#socket) this.#lost();
    };
    this.#watch();
  }

  #take(frame: Frame): void {
    this.#watch();
    if (frame.type === "welcome") {
      this.isUp = true;
      this.#attempts = 0;
      this.#heartbeatMs = (frame.heartbeat_s ?? 20) * 1000;
      this.events.up();
      return;
    }
    const one = frame.ref ? this.#waiting.get(frame.ref) : undefined;
    if (!one) {
      this.events.frame(frame);
      return;
    }
    this.#waiting.delete(frame.ref!);
    clearTimeout(one.timer);
    if (frame.type === "error") one.reject(Problem.of(frame.error ?? {}));
    else one.resolve(frame);
  }

  /** Two heartbeats that did not come mean a dead connection. */
  #watch(): void {
    clearTimeout(this.#quiet);
    const patience = this.isUp ? this.#heartbeatMs * 2.5 : ANSWER_WITHIN_MS;
    this.#quiet = setTimeout(() => this.#drop(), patience) as unknown as number;
  }

  #drop(): void {
    const socket = this.#socket;
    if (!socket) return;
    socket.onclose = socket.onmessage = null;
    socket.close();
    this.#lost();
  }

  #lost(): void {
    clearTimeout(this.#quiet);
    this.#socket = null;
    this.isUp = false;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const one of waiting) {
      clearTimeout(one.timer);
      one.reject(new Problem(0, "OFFLINE"));
    }
    this.events.down();
    this.#later();
  }
}
