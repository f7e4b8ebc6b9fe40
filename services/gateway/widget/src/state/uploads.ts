import { Problem } from "../api/problem";
import type { Rest } from "../api/rest";
import type { Content, FileContent } from "../api/types";

export interface Upload {
  id: number;
  name: string;
  size: number;
  /** A local address to show a picture by. */
  preview: string;
  /** 0 to 1. */
  share: number;
  /** Why it stopped: "size", "type", "network"; empty while it runs. */
  error: string;
}

interface Running extends Upload {
  file: File;
  abort: AbortController;
}

const MAX_BYTES = 20 * 1024 * 1024;
const SHOWN = /^image\/(png|jpe?g|gif|webp|avif|bmp)$/;

/** Files on their way up; each becomes a message when it is there. */
export class Uploads {
  #running: Running[] = [];
  #last = 0;

  constructor(
    private readonly rest: Rest,
    private readonly ready: () => Promise<unknown>,
    private readonly done: (content: Content) => void,
    private readonly changed: () => void,
  ) {}

  get all(): readonly Upload[] {
    return this.#running;
  }

  add(files: Iterable<File>): void {
    for (const file of files) {
      const preview = SHOWN.test(file.type) ? URL.createObjectURL(file) : "";
      const one: Running = {
        id: ++this.#last,
        name: file.name || "image.png",
        size: file.size,
        preview,
        share: 0,
        error: "",
        file,
        abort: new AbortController(),
      };
      this.#running = [...this.#running, one];
      void this.#run(one);
    }
  }

  retry(id: number): void {
    const one = this.#running.find((other) => other.id === id);
    if (one) void this.#run(Object.assign(one, { error: "", share: 0, abort: new AbortController() }));
  }

  remove(id: number): void {
    const one = this.#running.find((other) => other.id === id);
    one?.abort.abort();
    if (one?.preview) URL.revokeObjectURL(one.preview);
    this.#running = this.#running.filter((other) => other.id !== id);
    this.changed();
  }

  async #run(one: Running): Promise<void> {
    one.error = one.size > MAX_BYTES || !one.size ? "size" : "";
    this.changed();
    if (one.error) return;
    try {
      await this.ready();
      const progress = (share: number) => {
        one.share = share;
        this.changed();
      };
      const [stored, pixels] = await Promise.all([
        this.rest.upload(one.file, one.name, progress, one.abort.signal),
        measured(one.preview),
      ]);
      this.remove(one.id);
      this.done(contentOf({ ...stored, ...pixels }));
    } catch (error) {
      const problem = error as Problem;
      if (one.abort.signal.aborted) return;
      one.error = problem.status === 413 ? "size" : problem.code === "FILE_TYPE_REFUSED" ? "type" : "network";
      this.changed();
    }
  }
}

/** The message that a stored file makes. */
export function contentOf(file: FileContent): Content {
  if (SHOWN.test(file.media_type)) return { image: file };
  const kind = file.media_type.split("/")[0];
  return kind === "audio" ? { audio: file } : kind === "video" ? { video: file } : { file };
}

/** The picture's pixels, so that it takes its place before it is loaded. */
function measured(address: string): Promise<{ width?: number; height?: number }> {
  if (!address) return Promise.resolve({});
  return new Promise((resolve) => {
    const image = new Image();
    image.onload = () => resolve({ width: image.naturalWidth, height: image.naturalHeight });
    image.onerror = () => resolve({});
    image.src = address;
  });
}
