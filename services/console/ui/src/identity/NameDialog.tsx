import { useState } from "react";
import { Dialog } from "../parts/Dialog";
import { answerName, useIsAsking } from "./identity";

/** Asks once who acts: the name stands beside every acknowledgement and silence. */
export function NameDialog() {
  const asking = useIsAsking();
  const [name, setName] = useState("");
  const trimmed = name.trim();
  return (
    <Dialog open={asking} title="Who are you?" onClose={() => answerName(null)}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (trimmed !== "") answerName(trimmed);
        }}
      >
        <p>Your name stands beside what you do, for the others on call. It is asked once and kept in this browser.</p>
        <label className="field">
          Name
          <input
            value={name}
            onChange={(event) => setName(event.target.value)}
            maxLength={200}
            autoComplete="username"
            required
          />
        </label>
        <div className="actions">
          <button type="button" onClick={() => answerName(null)}>
            Cancel
          </button>
          <button type="submit" className="primary" disabled={trimmed === ""}>
            Continue
          </button>
        </div>
      </form>
    </Dialog>
  );
}
