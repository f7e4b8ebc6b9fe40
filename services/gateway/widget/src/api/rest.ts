import { Problem } from "./problem";
import type { FileContent } from "./types";

/** Calls of the REST API below `base`, signed with the token that `token` gives. */
export class Rest {
  token = "";

  constructor(readonly base: string) {}

  async call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const headers: Record<string, string> = {};
    if (this.token) headers["authorization"] = `Bearer ${this.token}`;
    if (body !== undefined) headers["content-type"] = "application/json";
    let response: Response;
    try {
      response = await fetch(`${this.base}api/v1${path}`, {
        method,
        headers,
        credentials: "omit",
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    } catch {
      throw new Problem(0, "OFFLINE");
    }
    const answer = await response.json().catch(() => ({}));
    if (!response.ok) {
      const wait = Number(response.headers.get("retry-after")) || 0;
      throw Problem.of({ ...answer, status: response.status }, wait);
    }
    return answer as T;
  }

  get<T>(path: string): Promise<T> {
    return this.call<T>("GET", path);
  }

  post<T>(path: string, body: unknown = {}): Promise<T> {
    return this.call<T>("POST", path, body);
  }

  /** Uploads a file; `fetch` cannot tell of progress, so this is the older interface. */
  upload(file: Blob, name: string, progress: (share: number) => void, signal: AbortSignal): Promise<FileContent> {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      const fail = () => reject(new Problem(0, signal.aborted ? "ABORTED" : "OFFLINE"));
      request.open("POST", `${this.base}api/v1/files?name=${encodeURIComponent(name)}`);
      request.setRequestHeader("authorization", `Bearer ${this.token}`);
      request.setRequestHeader("content-type", file.type || "application/octet-stream");
      request.responseType = "json";
      request.upload.onprogress = (event) => progress(event.total ? event.loaded / event.total : 0);
      request.onerror = request.onabort = request.ontimeout = fail;
      request.onload = () => {
        const answer = request.response ?? {};
        if (request.status >= 300) {
          const wait = Number(request.getResponseHeader("retry-after")) || 0;
          reject(Problem.of({ ...answer, status: request.status }, wait));
        } else {
          const { id, name, media_type, size } = answer;
          resolve({ file_id: id, name, media_type, size });
        }
      };
      signal.addEventListener("abort", () => request.abort());
      request.send(file);
    });
  }
}
