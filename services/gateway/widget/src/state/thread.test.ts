import { describe, expect, it } from "vitest";
import type { Conversation, Message } from "../api/types";
import { Thread } from "./thread";

const conversation: Conversation = {
  id: "c",
  state: "bot",
  agent_name: "",
  public_rev: 0,
  agent_read_public_rev: 0,
  read_public_rev: 0,
  unread_count: 0,
  created_at: "",
  resolved_at: null,
  csat_score: 0,
  can_rate: false,
};

function message(public_rev: number, author_kind: Message["author_kind"] = "agent"): Message {
  return {
    id: `m${public_rev}`,
    conversation_id: "c",
    public_rev,
    author_kind,
    author_name: "",
    content: { text: { text: `${public_rev}` } },
    client_id: "",
    created_at: "2026-01-01T00:00:00Z",
    edited_at: null,
    recalled_at: null,
  };
}

const shown = (thread: Thread) => thread.messages.map((one) => one.public_rev);

describe("a thread", () => {
  it("drops what it has and holds what comes early", () => {
    const thread = new Thread(conversation);
    expect(thread.take(1, "message_posted", message(1))).toBe(true);
    expect(thread.take(3, "message_posted", message(3))).toBe(false);
    expect(shown(thread)).toEqual([1]);
    expect(thread.take(2, "message_posted", message(2))).toBe(true);
    expect(thread.take(2, "message_posted", message(2))).toBe(true);
    expect(shown(thread)).toEqual([1, 2, 3]);
    expect(thread.rev).toBe(3);
  });

  it("comes to the same in any order of arrival", () => {
    const revs = [1, 2, 3, 4, 5, 6];
    for (let round = 0; round < 200; round++) {
      const thread = new Thread(conversation);
      const order = [...revs, ...revs].sort(() => Math.random() - 0.5);
      for (const rev of order) thread.take(rev, "message_posted", message(rev));
      expect(shown(thread)).toEqual(revs);
    }
  });

  it("goes on after a snapshot with what was held", () => {
    const thread = new Thread(conversation);
    thread.take(6, "message_posted", message(6));
    thread.upsert([message(4), message(5)]);
    thread.skipTo(5);
    expect(shown(thread)).toEqual([4, 5, 6]);
    expect(thread.rev).toBe(6);
  });

  it("empties a recalled message and keeps its place", () => {
    const thread = new Thread(conversation);
    thread.take(1, "message_posted", message(1));
    thread.take(2, "message_recalled_id", "m1");
    expect(thread.messages[0]).toMatchObject({ id: "m1", content: null });
    expect(thread.messages[0]?.recalled_at).toBeTruthy();
  });

  it("counts what the business wrote after the contact's mark", () => {
    const thread = new Thread(conversation);
    thread.take(1, "message_posted", message(1));
    thread.take(2, "message_posted", message(2, "contact"));
    thread.take(3, "message_posted", message(3, "system"));
    thread.take(4, "message_posted", message(4, "bot"));
    expect(thread.unread).toBe(2);
    thread.take(5, "read_public_rev", 1);
    expect(thread.unread).toBe(1);
    thread.take(6, "read_public_rev", 5);
    expect(thread.unread).toBe(0);
  });
});
