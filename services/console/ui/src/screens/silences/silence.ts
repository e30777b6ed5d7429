import type { ShownMatcher } from "../../api/types";

/** A silence as Alertmanager's API has it. */
export type Silence = {
  id: string;
  status: { state: "active" | "pending" | "expired" };
  matchers: ShownMatcher[];
  startsAt: string;
  endsAt: string;
  updatedAt: string;
  createdBy: string;
  comment: string;
};

export const at = (text: string) => new Date(text).getTime();
