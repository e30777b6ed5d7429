import type { TeamCount } from "../../api/types";
import { matcherOf } from "../../format/labels";
import styles from "./Now.module.css";

/** Every team with what it has open, and what of it nobody has. */
export function Teams({ teams, onPick }: { teams: readonly TeamCount[]; onPick(matcher: string): void }) {
  if (teams.length === 0) return null;
  return (
    <section className="panel">
      <table className={styles.teams}>
        <thead>
          <tr>
            <th scope="col">Team</th>
            <th scope="col">Open</th>
            <th scope="col">Unacked</th>
          </tr>
        </thead>
        <tbody>
          {teams.map(({ team, title, open, unacknowledged }) => (
            <tr key={team}>
              <th scope="row">
                <button type="button" onClick={() => onPick(matcherOf("@team", team))}>
                  {team === "" ? "nobody's" : title}
                </button>
              </th>
              <td>{open}</td>
              <td className={unacknowledged > 0 ? styles.unacked : undefined}>{unacknowledged}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
