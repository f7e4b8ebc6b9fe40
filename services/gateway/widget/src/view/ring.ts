import type { Messenger } from "../state/messenger";

const NOTES = [660, 880];

/** Two short notes for a new message that nobody is looking at, once over all tabs. */
export class Ring {
  #context: AudioContext | null = null;

  play(messageId: string, messenger: Messenger): void {
    const { storage } = messenger;
    const isSeen = messenger.isOpen && !document.hidden && document.hasFocus();
    if (messenger.isMuted || isSeen || storage.get("rang") === messageId) return;
    storage.set("rang", messageId);
    // Before the visitor did anything on the page, the browser would refuse and complain.
    if (!navigator.userActivation?.hasBeenActive) return;
    const context = (this.#context ??= new AudioContext());
    NOTES.forEach((frequency, at) => {
      const start = context.currentTime + at * 0.12;
      const note = context.createOscillator();
      const volume = context.createGain();
      note.frequency.value = frequency;
      volume.gain.setValueAtTime(0.0001, start);
      volume.gain.exponentialRampToValueAtTime(0.12, start + 0.02);
      volume.gain.exponentialRampToValueAtTime(0.0001, start + 0.3);
      note.connect(volume).connect(context.destination);
      note.start(start);
      note.stop(start + 0.32);
    });
  }
}
