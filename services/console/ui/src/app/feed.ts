import { useEffect } from "react";
import { Feed } from "../live/feed";
import { live } from "../live/store";
import { useUrl } from "./router";
import { list } from "./search";

/** One feed for the whole page, whatever is drawn: the strip counts on every screen. */
const feed = new Feed(live);

/** Keeps the feed at what the URL's filter asks for. */
export function useFeed() {
  const [search] = useUrl();
  const filters = list(search.filter);
  const key = filters.join("\n");
  useEffect(() => {
    feed.start(key === "" ? [] : key.split("\n"));
    return () => feed.end();
  }, [key]);
}
