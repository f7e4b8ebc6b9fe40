// What the public API gives a contact, as far as the widget reads it. The whole contract: /openapi.json, /asyncapi.json.

export type State = "bot" | "queued" | "off_hours" | "active" | "resolved";
export type Author = "contact" | "agent" | "bot" | "system" | "api";

export interface Conversation {
  id: string;
  state: State;
  agent_name: string;
  public_rev: number;
  agent_read_public_rev: number;
  read_public_rev: number;
  unread_count: number;
  created_at: string;
  resolved_at: string | null;
  csat_score: number;
  can_rate: boolean;
}

export interface FileContent {
  file_id: string;
  name: string;
  media_type: string;
  size: number;
  duration_s?: number;
  width?: number;
  height?: number;
}

export interface Button {
  label: string;
  value: string;
}

export interface FormField {
  name: string;
  label: string;
  type: string;
  required: boolean;
  options: string[];
}

export interface FormContent {
  title: string;
  fields: FormField[];
  answers?: Record<string, string> | null;
  reply_to_message_id?: string;
}

export interface Card {
  title: string;
  description: string;
  url: string;
  image_url: string;
}

/** Exactly one member is set. */
export interface Content {
  text?: { text: string };
  image?: FileContent;
  file?: FileContent;
  audio?: FileContent;
  video?: FileContent;
  location?: { latitude: number; longitude: number; label: string };
  card?: Card;
  buttons?: { text: string; buttons: Button[] };
  form?: FormContent;
  system?: { code: string; params: Record<string, string> };
}

export interface Message {
  id: string;
  conversation_id: string;
  public_rev: number;
  author_kind: Author;
  author_name: string;
  content: Content | null;
  client_id: string;
  created_at: string;
  edited_at: string | null;
  recalled_at: string | null;
}

export interface Texts {
  title?: string;
  subtitle?: string;
  placeholder?: string;
  away_message?: string;
  launcher_label?: string;
}

export interface PreChatField {
  name: string;
  type: string;
  label: Record<string, string>;
  required: boolean;
  options: string[];
}

export interface Settings {
  color?: string;
  theme?: "auto" | "light" | "dark" | "unspecified";
  position?: "right" | "left" | "unspecified";
  offset_x?: number | null;
  offset_y?: number | null;
  default_locale?: string;
  texts?: Record<string, Texts>;
  pre_chat?: PreChatField[];
  hide_agent_names?: boolean;
  muted?: boolean;
  hide_attachments?: boolean;
  hide_emoji?: boolean;
  logo_url?: string;
}

export interface Inbox {
  id: string;
  key: string;
  name: string;
  widget: Settings | null;
  greeting: Record<string, string>;
  identity_required: boolean;
}

export interface Session {
  access_token: string;
  expires_in: number;
  contact_id: string;
  visitor_id: string;
  verified: boolean;
  inbox: Inbox;
  open_conversation: Conversation | null;
  open?: boolean;
  next_open_at?: string | null;
}

export interface Profile {
  name: string;
  email: string;
  phone: string;
}

export interface Place {
  position: number;
  estimated_wait_s: number;
  estimate_known: boolean;
  open: boolean;
}

export interface Frame {
  type: string;
  ref?: string | null;
  topic?: string;
  id?: string;
  rev?: number;
  event?: string;
  data?: unknown;
  error?: Refusal;
  heads?: Record<string, number>;
  heartbeat_s?: number;
  snapshot_required?: boolean;
  message_id?: string;
  conversation_id?: string;
}

/** The members of application/problem+json that the widget uses. */
export interface Refusal {
  status: number;
  code: string;
  detail: string;
  violations?: { field: string; description: string; reason: string }[];
  retry_after_s?: number;
}
