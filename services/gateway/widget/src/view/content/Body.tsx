import type { JSX } from "preact";
import type { Card, Content, Message } from "../../api/types";
import { linkify, safeUrl } from "../../text/linkify";
import { useAround } from "../context";
import { Icon } from "../icons";
import { Form } from "./Form";
import { FileLink, Picture, Player } from "./Files";

interface Props {
  content: Content;
  message?: Message;
  /** Its buttons and fields can still be used. */
  isLive: boolean;
}

/** What a message says, by its kind. */
export function Body({ content, message, isLive }: Props): JSX.Element | null {
  const { messenger, t } = useAround();
  const { text, image, file, audio, video, location, card, buttons, form } = content;
  if (text) return <Text text={text.text} />;
  if (image) return <Picture file={image} />;
  if (file) return <FileLink file={file} />;
  if (audio) return <Player file={audio} kind="audio" />;
  if (video) return <Player file={video} kind="video" />;
  if (card) return <CardLink card={card} />;
  if (form) return <Form form={form} message={message} isLive={isLive} />;
  if (location) {
    const { latitude, longitude } = location;
    const href = `https://www.openstreetmap.org/?mlat=${latitude}&mlon=${longitude}#map=16/${latitude}/${longitude}`;
    return (
      <a class="bubble-text attached" href={href} target="_blank" rel="noopener noreferrer" aria-label={`${location.label || t("location")}, ${t("open_map")}`}>
        <Icon name="pin" />
        <span>
          <b>{location.label || t("location")}</b>
          <small>
            {latitude.toFixed(5)}, {longitude.toFixed(5)}
          </small>
        </span>
      </a>
    );
  }
  if (buttons) {
    return (
      <>
        <Text text={buttons.text} />
        <div class="choices">
          {buttons.buttons.map((one) => (
            <button type="button" disabled={!isLive} onClick={() => messenger.send({ text: { text: one.value || one.label } })}>
              {one.label}
            </button>
          ))}
        </div>
      </>
    );
  }
  return null;
}

function Text({ text }: { text: string }): JSX.Element {
  return (
    <div class="bubble-text">
      {linkify(text).map((piece) =>
        piece.href ? (
          <a href={piece.href} target="_blank" rel="noopener noreferrer nofollow">
            {piece.text}
          </a>
        ) : (
          piece.text
        ),
      )}
    </div>
  );
}

function CardLink({ card }: { card: Card }): JSX.Element {
  const image = safeUrl(card.image_url);
  const hide = (event: Event) => (event.target as HTMLElement).remove();
  return (
    <a class="card" href={safeUrl(card.url)} target="_blank" rel="noopener noreferrer">
      {image && <img src={image} alt="" loading="lazy" onError={hide} />}
      <b>{card.title}</b>
      {card.description && <span>{card.description}</span>}
      <small>{card.url.replace(/^https?:\/\//, "").split("/")[0]}</small>
    </a>
  );
}
